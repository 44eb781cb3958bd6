"""What the gateway itself refuses, told in the shape that callers of the route read."""

from starlette.responses import JSONResponse

from lodge_kit import problems
from lodge_kit.problems import Problem

SCIM = "scim"
_SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def answer(problem: Problem, *, instance: str, shape: str) -> JSONResponse:
    """Make the response: SCIM's error (RFC 7644, section 3.12) for its clients, a problem for all others."""
    if shape != SCIM:
        return problems.answer(problem, instance=instance)
    return JSONResponse(
        {"schemas": [_SCIM_ERROR], "status": str(int(problem.status)), "detail": problem.detail},
        status_code=problem.status,
        headers=problem.headers,
        media_type="application/scim+json",
    )
