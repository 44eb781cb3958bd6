"""Concurrency as RFC 9110 has it: a strong ETag is the row's version, and a change names the version it saw."""

import re
from typing import Annotated, Protocol

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from lodge_kit.identity import Authenticated
from lodge_kit.problems import BadRequest, PreconditionFailed, PreconditionRequired

_TAG = re.compile(r'[ \t]*(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*"))?[ \t]*(?:,|$)')
"""An element of a list of entity tags with the comma after it; it may be empty (RFC 9110, 8.8.3 and 5.6.1)."""


class HasVersion(Protocol):
    """Anything with a version: a row of ours."""

    version: int


def etag(row: HasVersion) -> str:
    """Write the row's version as a strong ETag (RFC 9110, section 8.8.3)."""
    return f'"{row.version}"'


async def _if_match(
    request: Request,
    # Asked for first: a stranger is told that he is one, before what he has left out.
    _by: Authenticated,
    if_match: Annotated[str | None, Header(description="The `etag` of what you saw, or `*`.")] = None,
) -> str:
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the etag of what you are changing: GET it first.")
    whole = ", ".join(request.headers.getlist("if-match"))  # a list may come in several lines
    if whole.strip() != "*" and _tags(whole) is None:
        raise BadRequest('If-Match cannot be read: send the etag as you got it, with its quotation marks ("3"), or *.')
    return whole


IfMatch = Annotated[str, Depends(_if_match)]
"""The condition of a PUT, PATCH or DELETE; missing is 428 (RFC 6585)."""


def demand(row: HasVersion, if_match: str) -> None:
    """Refuse with 412 unless the condition names the row as it is now. Weak tags never match (RFC 9110, 13.1.1)."""
    if if_match.strip() == "*" or (etag(row), False) in (_tags(if_match) or ()):
        return
    raise PreconditionFailed(
        "This was changed since you read it. GET it again, and apply your change to what is there."
    )


def answer(
    request: Request, body: BaseModel, *, status: int = 200, location: str | None = None, tag: str | None = None
) -> Response:
    """Answer one thing with its ETag, or 304 when the caller has it already.

    `tag` is taken from the body's own `etag` when it is not given; `location` is the path of what was made.
    """
    found = tag or getattr(body, "etag", None)
    headers = {"ETag": found} if found else {}
    if found and request.method in ("GET", "HEAD") and _is_known(found, request.headers.getlist("if-none-match")):
        return Response(status_code=304, headers=headers)
    if location:
        headers["Location"] = location
    return Response(body.model_dump_json(), status_code=status, headers=headers, media_type="application/json")


def _is_known(tag: str, if_none_match: list[str]) -> bool:
    """Say whether the caller has it: weak tags match as well (RFC 9110, 13.1.2); what cannot be read names nothing."""
    whole = ", ".join(if_none_match)
    return whole.strip() == "*" or any(known == tag for known, _weak in _tags(whole) or ())


def _tags(header: str) -> list[tuple[str, bool]] | None:
    """Read a list of entity tags, each with whether it is weak; None where it is no such list."""
    tags: list[tuple[str, bool]] = []
    place = 0
    while place < len(header):
        found = _TAG.match(header, place)
        if found is None:
            return None
        if found[2]:
            tags.append((found[2], found[1] is not None))
        place = found.end()
    return tags
