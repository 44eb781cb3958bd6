"""Errors as nouns: each has a status, a stable code and a sentence, and becomes `application/problem+json`.

    Problem
    ├── BadRequest            400  malformed JSON, an unknown or repeated query parameter
    ├── NotAuthenticated      401  no credential, or one that does not verify
    ├── Forbidden             403  the right is missing; names the permission
    ├── NotFound              404
    ├── MethodNotAllowed      405
    ├── Conflict              409
    ├── PreconditionFailed    412  the ETag is stale
    ├── ContentTooLarge       413
    ├── UnsupportedMediaType  415
    ├── Invalid               422  values that are wrong, each with its pointer
    ├── PreconditionRequired  428  If-Match is missing
    ├── TooManyRequests       429
    ├── InternalError         500
    └── Unavailable           503  something that we depend on is away

The shape is RFC 9457's, with `code`, `request_id` and `errors` as extension members. A service derives its own
from these, beside the rule that raises them.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from lodge_kit import context

MEDIA_TYPE = "application/problem+json"


class InvalidValue(BaseModel):
    """One value that was refused.

    `pointer` is a JSON pointer into the body (RFC 6901); for a parameter it is its place and name, `query/limit`.
    """

    pointer: str
    code: str
    detail: str


class ProblemDocument(BaseModel):
    """The body of every error (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(examples=["urn:lodge:problem:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no enquiry enq_01J… that you may see."])
    instance: str = Field(examples=["/enquiry/v1/enquiries/enq_01J…"])
    code: str = Field(examples=["not-found"])
    request_id: str
    errors: list[InvalidValue] = []


class Problem(Exception):  # noqa: N818 - a problem is what RFC 9457 calls it
    """An answer that is not what the caller asked for, with a sentence that says what to do next."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal-error"

    def __init__(
        self, detail: str, *, errors: Sequence[InvalidValue] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


class BadRequest(Problem):
    """The request cannot be read as what it claims to be."""

    status, code = HTTPStatus.BAD_REQUEST, "bad-request"


class UnknownParameter(BadRequest):
    """A query parameter that the route does not have: never ignored, since a filter ignored is data disclosed."""

    code = "unknown-parameter"


class RepeatedParameter(BadRequest):
    """A query parameter that has one value came twice: which one was meant is nobody's to guess."""

    code = "repeated-parameter"


class MalformedJson(BadRequest):
    """The body is not JSON."""

    code = "malformed-json"


class NotAuthenticated(Problem):
    """No credential, or one that does not verify."""

    status, code = HTTPStatus.UNAUTHORIZED, "not-authenticated"

    def __init__(self, detail: str, *, error: str | None = None) -> None:
        challenge = 'Bearer realm="lodge"' + (f', error="{error}"' if error else "")
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    """The caller is known and may not."""

    status, code = HTTPStatus.FORBIDDEN, "forbidden"


class NotFound(Problem):
    """Nothing is there, or nothing that this caller may see."""

    status, code = HTTPStatus.NOT_FOUND, "not-found"


class MethodNotAllowed(Problem):
    """The path exists, the method does not."""

    status, code = HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed"


class Conflict(Problem):
    """The state of the thing does not allow it."""

    status, code = HTTPStatus.CONFLICT, "conflict"


class PreconditionFailed(Problem):
    """Somebody changed it in between."""

    status, code = HTTPStatus.PRECONDITION_FAILED, "etag-stale"


class ContentTooLarge(Problem):
    """The body is larger than the limit."""

    status, code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "content-too-large"


class UnsupportedMediaType(Problem):
    """The body's type is not the one that the route reads."""

    status, code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type"


class Invalid(Problem):
    """Values that are wrong; `errors` points at each."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "invalid"

    @classmethod
    def at(cls, pointer: str, detail: str, code: str = "invalid") -> Self:
        """Make the problem for one wrong value."""
        return cls(detail, errors=[InvalidValue(pointer=pointer, code=code, detail=detail)])


class PreconditionRequired(Problem):
    """A change without If-Match would overwrite what the caller has not seen (RFC 6585)."""

    status, code = HTTPStatus.PRECONDITION_REQUIRED, "if-match-required"


class TooManyRequests(Problem):
    """The caller's share is used up."""

    status, code = HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests"


class InternalError(Problem):
    """Our fault; the log has the rest under the same request id."""


class Unavailable(Problem):
    """Something that we depend on is away; `Retry-After` says when to ask again."""

    status, code = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def document(problem: Problem, *, instance: str) -> ProblemDocument:
    """Write `problem` down as RFC 9457 wants it; `instance` is the path of the request."""
    return ProblemDocument(
        type=f"urn:lodge:problem:{problem.code}",
        title=problem.status.phrase,
        status=problem.status,
        detail=problem.detail,
        instance=instance,
        code=problem.code,
        request_id=context.request_id(),
        errors=problem.errors,
    )


def answer(problem: Problem, *, instance: str) -> JSONResponse:
    """Make the response for `problem`."""
    return JSONResponse(
        document(problem, instance=instance).model_dump(mode="json"),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )
