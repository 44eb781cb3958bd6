"""What the protocol leaves to a service provider: who may do what, how failures are told, what a PATCH answers."""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

from pydantic_core import to_json
from scim2_models import (
    Context,
    Error,
    ForbiddenException,
    ListResponse,
    Meta,
    NotFoundException,
    Reference,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
    SearchRequest,
)
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation, Target
from scim2_server.service import ScimService
from scim2_server.storage import SearchPage
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from access_service import rights
from access_service.scim import group_resources, users
from access_service.scim.provider import LARGEST_BODY, provider
from access_service.scim.resources import Group, MemberList, User, kept_of_members
from lodge_kit import database, logs
from lodge_kit.identity import EVERYWHERE, Caller
from lodge_kit.problems import BadRequest, Invalid, Problem

log = logs.logger(__name__)

_Read = Callable[[ResourceType, bytes, str | None], Resource[Any]]
_READING = (Operation.query, Operation.search, Operation.search_with_body)


class Protocol(ScimService):
    """SCIM as Lodge speaks it. A request's subject is its `Caller`."""

    def __init__(self, secret: str) -> None:
        """Take the secret that cursors are sealed with: every replica has the same."""
        super().__init__(provider(), secret=secret)

    def authorize(self, request: ScimRequest, target: Target, resource_type: ResourceType) -> None:
        """Let in who may read or keep people; where, the storage sees with the person in hand."""
        caller: Caller = request.subject
        if target.me and target.operation is Operation.query:
            return  # everybody may read of herself or himself
        if target.operation in _READING:
            if not caller.may(rights.PEOPLE_WRITE):  # who keeps people may see those
                _demand(caller, rights.PEOPLE_READ)
        else:
            _demand(caller, rights.PEOPLE_WRITE, everywhere=resource_type.name == "Group")

    def me_target(self, request: ScimRequest) -> tuple[ResourceType, str]:
        """Answer the person who calls; a service account is none."""
        caller: Caller = request.subject
        if not caller.id.startswith("per_"):
            raise NotFoundException(detail="You call as a service account, which is no User.")
        return self.get_resource_type("User"), caller.id

    def max_body_size(self, request: ScimRequest) -> int | None:
        """Answer the most bytes that are read of a body."""
        limit = super().max_body_size(request)
        return LARGEST_BODY if limit is None else limit

    def read_creation(self, resource_type: ResourceType, body: bytes, content_type: str | None) -> Resource[Any]:
        """Validate the body of a POST."""
        return self._read_whole(super().read_creation, resource_type, body, content_type)

    def read_replacement(self, resource_type: ResourceType, body: bytes, content_type: str | None) -> Resource[Any]:
        """Validate the body of a PUT."""
        return self._read_whole(super().read_replacement, resource_type, body, content_type)

    def _read_whole(
        self, read: _Read, resource_type: ResourceType, body: bytes, content_type: str | None
    ) -> Resource[Any]:
        """Read a group's members apart: validated each as a model, twenty thousand would hold up everybody."""
        payload = self.decode_body(body, content_type) if resource_type.name == "Group" else None
        told = [key for key in payload if group_resources.is_members(key)] if isinstance(payload, dict) else []
        if not told or not isinstance(payload, dict):
            return read(resource_type, body, content_type)
        members = [group_resources.named(payload.pop(key)) for key in told][-1]
        group = cast(Group, read(resource_type, to_json(payload), content_type))
        group.list_members(MemberList([(person, "") for person in members]))
        return group

    def publish(self, base_url: str, resource: Resource[Any]) -> Resource[Any]:
        """Write the addresses into a resource. It was made for this answer alone, so it is not copied first."""
        base, kind = base_url.rstrip("/") + "/", self.get_resource_type_of(resource)
        cast(Meta, resource.meta).location = self.resource_location(base_url, kind, cast(str, resource.id))
        if isinstance(resource, Group):
            if resource.listed is not None:
                resource.list_members(replace(resource.listed, base_url=base))
        else:
            for other in users.others(cast(User, resource)):
                other.ref = Reference(f"{base}Users/{other.value}")
        return resource

    def search_response(
        self,
        base_url: str,
        resource_types: list[ResourceType],
        page: SearchPage,
        search_request: SearchRequest[Any],
    ) -> ScimResponse:
        """Answer a page. What was written down is not read and validated once more, as the library does."""
        shown = [
            self.publish(base_url, one).model_dump(
                scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=search_request
            )
            for one in page.resources
        ]
        body: dict[str, Any] = {"schemas": [str(ListResponse.__schema__)], "totalResults": page.total}
        if search_request.cursor is None:
            body["startIndex"] = search_request.start_index
        elif search_request.count != 0:
            cursors = {"nextCursor": page.next, "previousCursor": page.previous}
            sealed = {name: self._seal(resource_types, search_request, place) for name, place in cursors.items()}
            body |= {name: cursor for name, cursor in sealed.items() if cursor is not None}
        return ScimResponse(HTTPStatus.OK, body | {"itemsPerPage": len(shown), "Resources": shown})

    def patch_response(
        self, base_url: str, resource: Resource[Any], response_parameters: ResponseParameters[Any]
    ) -> ScimResponse:
        """Answer 200 with the resource; 204 where it is a group whose many members were not read for the answer."""
        if isinstance(resource, Group) and resource.listed is None and kept_of_members(response_parameters):
            return ScimResponse(HTTPStatus.NO_CONTENT, None, {"ETag": cast(str, cast(Meta, resource.meta).version)})
        return self.replacement_response(base_url, resource, response_parameters)

    @staticmethod
    def error_of(exception: Exception) -> Error:
        """Tell of a failure in SCIM's schema (RFC 7644, section 3.12), Lodge's own problems too."""
        if isinstance(exception, SCIMException):
            return exception.to_error()
        if isinstance(exception, StaleDataError):
            return Error(status=412, detail="Somebody else changed this at the same moment. GET it again.")
        if isinstance(exception, RecursionError):
            return Error(status=400, scim_type="invalidFilter", detail="This is nested deeper than Lodge reads.")
        problem = exception if isinstance(exception, Problem) else database.problem_of(exception)
        if problem is None:
            log.error("SCIM request failed", exc_info=exception)
            return Error(status=500, detail="Something went wrong on our side and nothing of this was changed.")
        if isinstance(problem, BadRequest | Invalid):
            return Error(status=400, scim_type="invalidValue", detail=problem.detail)
        # Two who take one name at the same moment: the database's own index tells the second.
        scim_type = "uniqueness" if isinstance(exception, IntegrityError) else None
        return Error(status=problem.status, scim_type=scim_type, detail=problem.detail)

    def error_response(self, exception: Exception) -> ScimResponse:
        """Answer a failure, with the headers that its problem has: `Retry-After`, `WWW-Authenticate`."""
        response = super().error_response(exception)
        problem = exception if isinstance(exception, Problem) else database.problem_of(exception)
        if problem is not None:
            response.headers |= problem.headers
        return response


def _demand(caller: Caller, permission: Any, *, everywhere: bool = False) -> None:
    try:
        caller.demand(permission, EVERYWHERE if everywhere else None)
    except Problem as problem:
        raise ForbiddenException(detail=problem.detail) from problem
