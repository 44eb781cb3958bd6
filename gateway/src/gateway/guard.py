"""What the HTTP parser lets through and a service must never meet. Pure: each refusal is a sentence.

A path that two programs read differently is a way round the routes, so it is refused rather than repaired.
"""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import httptools

from gateway.headers import Received

_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_SUSPECT = re.compile(rb"%|\\|//|/\.|[\x00-\x20\x7f-\xff]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization"})
_METHODS_REFUSED = frozenset({"TRACE", "CONNECT"})


def objection(
    *, method: str, version: str, raw_path: bytes, query: bytes, received: Received, target: bytes | None, longest: int
) -> str | None:
    """Say why a request is not taken; None when it is.

    `target` is the request line's own, where the server keeps it, for the absolute form; `longest` is in bytes.
    """
    if len(raw_path) + len(query) >= longest:
        return f"The path and query are longer than {longest:,} bytes. Send long values in a body."
    return (
        _headers_objection(received, version)
        or path_objection(raw_path)
        or _query_objection(query)
        or _target_objection(target, received)
        or (f"{method} is not served here." if method in _METHODS_REFUSED else None)
    )


def _headers_objection(received: Received, version: str) -> str | None:
    if received.repeated and (twice := received.repeated & _SINGLE):
        return f"The header {min(twice).decode()} is sent more than once. Send it once."
    host = received.taken.get(b"host")
    if host is None or not _is_host(host):
        return "The Host header is missing or is not a host with an optional port."
    coding = received.taken.get(b"transfer-encoding")
    if coding is None:
        return None
    if version == "1.0":
        return "Transfer-Encoding does not exist in HTTP/1.0. Send HTTP/1.1 or a Content-Length."
    if coding.strip().lower() != b"chunked" or b"content-length" in received.taken:
        return "Transfer-Encoding is chunked alone, and without a Content-Length."
    return None


@lru_cache(256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def path_objection(raw_path: bytes) -> str | None:
    """Say why a raw path is not taken: dot segments, empty segments, control characters, as sent or escaped."""
    if raw_path[:1] != b"/":
        return "The path does not begin with a slash."
    if not _SUSPECT.search(raw_path):
        return None
    decoded = unquote_to_bytes(raw_path)
    if b"\\" in decoded or _CONTROL.search(decoded):
        return "The path holds a backslash or a control character."
    if _BROKEN_ESCAPE.search(raw_path) or b"//" in raw_path:
        return "The path holds two slashes in a row, or a % that is not followed by two hexadecimal digits."
    if any(segment in {b".", b".."} for segment in decoded.split(b"/")):
        return "The path holds a segment . or .., as sent or escaped. Write the path that is meant."
    return None


def _query_objection(query: bytes) -> str | None:
    return "The query holds a NUL character." if b"%00" in query else None


def _target_objection(target: bytes | None, received: Received) -> str | None:
    """Compare the absolute form with the Host header (RFC 9112, section 3.2.2 lets us choose; we refuse)."""
    if target is None or target[:1] == b"/":
        return None
    try:
        parsed = httptools.parse_url(target)
    except httptools.HttpParserError:
        return "The request's target cannot be read."
    port = {b"http": 80, b"https": 443}.get((parsed.schema or b"").lower())
    if port is None or parsed.host is None:
        return "The request's target is neither a path nor an http address."
    named = _with_port(parsed.host, parsed.port or port)
    if named != _host_with_port(received.taken[b"host"], port):
        return "The request's target and its Host header name different hosts."
    return None


def _host_with_port(host: bytes, default: int) -> bytes:
    name, colon, port = host.rpartition(b":")
    if colon and port.isdigit():
        return _with_port(name.strip(b"[]"), int(port))
    return _with_port(host.strip(b"[]"), default)


def _with_port(host: bytes, port: int) -> bytes:
    return b"%b:%d" % (host.lower(), port)
