"""Asking for a source only when it has changed (RFC 9110 §13): what to send, and what the answer means. No I/O.

A supplier's server may forget its ETags, so the body's hash decides in the end. What is remembered here should be
saved only once the body was read well: else a body that could not be read would be "unchanged" ever after.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from release_service.rules import Failure, retry_after

_LONGEST_VALIDATOR = 1_000
_REDIRECTS = (301, 302, 303, 307, 308)
_WORDS = {
    401: "The source wants a login, and is read without one",
    403: "The source refuses us; ask the supplier whether programs may read it",
    404: "There is nothing at the source's address; check it",
    410: "The supplier has taken the source away for good; look for its successor",
    429: "The source is asked too often",
}


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a source's last good answer left behind: header values as they came, and the body's SHA-256 in hex."""

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing new. `remembered` may differ all the same: servers change the ETag of the same body."""

    remembered: Remembered


@dataclass(frozen=True, slots=True)
class Changed:
    """A body to read."""

    body: bytes
    content_type: str
    remembered: Remembered


def request_headers(remembered: Remembered) -> dict[str, str]:
    """Answer the headers that make the request conditional; none at the first time."""
    headers = {"If-None-Match": remembered.etag, "If-Modified-Since": remembered.last_modified}
    # Without the hash there is nothing that a 304 could stand for.
    return {name: value for name, value in headers.items() if value} if remembered.body_hash else {}


def understood(
    remembered: Remembered, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime
) -> Unchanged | Changed | Failure:
    """Say what an answer means. `headers` in any case; `body` as decoded; `now` is for Retry-After."""
    values = {name.lower(): value for name, value in headers.items()}
    if status == HTTPStatus.NOT_MODIFIED and request_headers(remembered):
        return Unchanged(_renewed(remembered, values))
    if status != HTTPStatus.OK:
        wait = retry_after(values.get("retry-after"), now=now)
        return Failure(_reason(status, values.get("location"), wait), wait)
    if not body.strip():
        return Failure("The answer is empty. Check the address.")
    body_hash = hashlib.sha256(body).hexdigest()
    fresh = Remembered(_kept(values.get("etag")), _kept(values.get("last-modified")), body_hash)
    if body_hash == remembered.body_hash:
        return Unchanged(fresh)
    return Changed(body, values.get("content-type", ""), fresh)


def _renewed(remembered: Remembered, values: Mapping[str, str]) -> Remembered:
    return replace(
        remembered,
        etag=_kept(values.get("etag")) or remembered.etag,
        last_modified=_kept(values.get("last-modified")) or remembered.last_modified,
    )


def _kept(value: str | None) -> str | None:
    """Keep a validator that can be sent back: printable, of a sane length."""
    if not value or len(value) > _LONGEST_VALIDATOR:
        return None
    return value if value.isascii() and value.isprintable() else None


def _reason(status: int, location: str | None, wait: timedelta | None) -> str:
    if status in _REDIRECTS:
        return _moved(status, location)
    words = _WORDS.get(status)
    if words is None:
        is_theirs = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        words = "The supplier's server has a fault" if is_theirs else "The source's answer is of no use"
    until = f" It asks us to wait {int(wait.total_seconds())} s." if wait else ""
    return f"{words} (status {status}).{until}"


def _moved(status: int, location: str | None) -> str:
    place = _kept(location)
    host = urlsplit(urljoin("https://unknown.invalid", place)).netloc if place else ""
    where = f" to {place}" if place and host != "unknown.invalid" else ""
    return f"The source has moved{where} (status {status}). Set the new address if you trust it."
