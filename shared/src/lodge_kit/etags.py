"""Concurrency as RFC 9110 has it: a strong ETag is the row's version, and a change names the version it saw."""

from typing import Annotated, Protocol

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from lodge_kit.identity import Authenticated
from lodge_kit.problems import PreconditionFailed, PreconditionRequired


class HasVersion(Protocol):
    """Anything with a version: a row of ours."""

    version: int


def etag(row: HasVersion) -> str:
    """Write the row's version as a strong ETag (RFC 9110, section 8.8.3)."""
    return f'"{row.version}"'


async def _if_match(
    # Asked for first: a stranger is told that he is one, before what he has left out.
    _by: Authenticated,
    if_match: Annotated[str | None, Header(description="The `etag` of what you saw, or `*`.")] = None,
) -> str:
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the etag of what you are changing: GET it first.")
    return if_match


IfMatch = Annotated[str, Depends(_if_match)]
"""The condition of a PUT, PATCH or DELETE; missing is 428 (RFC 6585)."""


def demand(row: HasVersion, if_match: str) -> None:
    """Refuse with 412 unless the condition names the row as it is now. Weak tags never match (RFC 9110, 13.1.1)."""
    if if_match.strip() == "*" or etag(row) in _tags(if_match):
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
    if found and request.method in ("GET", "HEAD") and found in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if location:
        headers["Location"] = location
    return Response(body.model_dump_json(), status_code=status, headers=headers, media_type="application/json")


def _tags(header: str) -> set[str]:
    return {part.strip() for part in header.split(",")}
