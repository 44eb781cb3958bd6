"""/access/v1/systems/{id}/resources: what a system has registered, so that conditions and searches know it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, select
from sqlmodel import col

from access_service import catalogue, resources, rights
from access_service.resources import MOST_AT_ONCE, MOST_PROPERTIES
from access_service.tables import Resource, System
from lodge_kit import etags
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated, Caller
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import PreconditionRequired
from lodge_kit.world import Now

router = APIRouter(prefix="/systems/{system_id}/resources", tags=["resources"], route_class=IdempotentRoute)

Type = Annotated[str, Field(min_length=1, max_length=200, examples=["student_record"])]
Name = Annotated[str, Field(min_length=1, max_length=1_000, examples=["4711"])]
Properties = Annotated[
    dict[Annotated[str, Field(max_length=200)], Any],
    Field(
        max_length=MOST_PROPERTIES,
        description="What conditions see; `org_unit` (an id) and `environment` say where it is.",
        examples=[{"owner": "ada.lovelace", "org_unit": "org_01J00000000000000000000000"}],
    ),
]


class ResourceProperties(BaseModel):
    """What is registered of a resource."""

    model_config = ConfigDict(extra="forbid")

    properties: Properties = {}


class ResourceKey(BaseModel):
    """A resource, as AuthZEN names it: by its type and the system's own id."""

    model_config = ConfigDict(extra="forbid")

    type: Type
    id: Name


class ResourceIn(ResourceKey):
    """A resource to register."""

    properties: Properties = {}


class ResourcesIn(BaseModel):
    """Resources to register, in place of what is registered of them, and others to take off. All or none."""

    model_config = ConfigDict(extra="forbid")

    resources: list[ResourceIn] = Field(default=[], max_length=MOST_AT_ONCE)
    removed: list[ResourceKey] = Field(default=[], max_length=MOST_AT_ONCE)


class ResourcesRegistered(BaseModel):
    """What became of them."""

    created: int
    changed: int
    unchanged: int
    removed: int


class ResourceOut(BaseModel):
    """A registered resource."""

    system: Reference
    type: str
    id: str
    etag: str
    properties: dict[str, Any]
    created_at: datetime
    updated_at: datetime


RESOURCES = Listing(
    ResourceOut,
    key=col(Resource.id),
    orders={"id": col(Resource.name), "updated_at": col(Resource.updated_at)},
    default="id",
)


async def _readable(system_id: str, session: Session, by: Authenticated) -> System:
    system = await catalogue.get_system(session, system_id)
    if system.owner != by.id:
        by.demand(rights.CATALOGUE_READ)
    return system


async def _writable(session: Session, system_id: str, by: Caller) -> System:
    system = await catalogue.get_system(session, system_id)
    resources.demand_writer(system, by)
    return system


def _shown(resource: Resource, system: System) -> ResourceOut:
    facts = {"system": {"id": system.id, "name": system.name}, "id": resource.name, "etag": etags.etag(resource)}
    return ResourceOut.model_validate(resource.model_dump() | facts)


def _row(row: Row[Resource, System]) -> ResourceOut:
    return _shown(row[0], row[1])


@router.get("", responses=RESOURCES.responses)
async def list_resources(
    request: Request, system_id: str, session: Session, by: Authenticated, ask: Annotated[Ask, RESOURCES.ask],
    type: Annotated[str | None, Query(max_length=200)] = None,  # noqa: A002 - the parameter's public name
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:  # fmt: skip
    """List the resources that a system registered."""
    await _readable(system_id, session, by)
    found: Select[Resource, System] = select(Resource, System).join(System, col(System.id) == col(Resource.system_id))
    found = found.where(col(Resource.system_id) == system_id)
    if type:
        found = found.where(col(Resource.type) == type)
    if q:
        found = found.where(contains(q, col(Resource.name)))
    return await RESOURCES.answer(request, ask, found, _row, filename="resources")


@router.post("")
async def register_resources(
    system_id: str, wanted: ResourcesIn, session: Session, by: Authenticated, now: Now
) -> ResourcesRegistered:
    """Register up to 1,000 resources at once, and take as many off; what is not named stays as it is."""
    system = await _writable(session, system_id, by)
    counts = await resources.register(
        session, system, [((one.type, one.id), one.properties) for one in wanted.resources],
        [(one.type, one.id) for one in wanted.removed], by=by, now=now,
    )  # fmt: skip
    return ResourcesRegistered(
        created=counts.created, changed=counts.changed, unchanged=counts.unchanged, removed=counts.removed
    )


_Type = Annotated[str, Path(min_length=1, max_length=200)]
_Name = Annotated[str, Path(min_length=1, max_length=1_000, description="The system's own id; it may have slashes.")]


@router.get("/{type}/{name:path}", response_model=ResourceOut)
async def get_resource(
    request: Request, system_id: str, type: _Type, name: _Name, session: Session, by: Authenticated  # noqa: A002 - the parameter's public name
) -> Response:  # fmt: skip
    """Read what is registered of a resource."""
    system = await _readable(system_id, session, by)
    return etags.answer(request, _shown(await resources.get(session, system, (type, name)), system))


@router.put("/{type}/{name:path}", response_model=ResourceOut, responses={201: {"model": ResourceOut}})
async def put_resource(
    request: Request, system_id: str, type: _Type, name: _Name, wanted: ResourceProperties, session: Session,  # noqa: A002 - the parameter's public name
    by: Authenticated, now: Now,
    if_match: Annotated[str | None, Header(description="The `etag` of what is registered already, or `*`.")] = None,
) -> Response:  # fmt: skip
    """Register a resource, or change what is registered of it."""
    system = await _writable(session, system_id, by)
    found = await resources.find(session, system, (type, name))
    if found is not None:
        if if_match is None:
            raise PreconditionRequired("This is registered already. GET it, and send If-Match with its etag.")
        etags.demand(found, if_match)
    resource = await resources.put(session, system, (type, name), wanted.properties, by=by, now=now)
    return etags.answer(request, _shown(resource, system), status=200 if found else 201)


@router.delete("/{type}/{name:path}", status_code=204)
async def remove_resource(
    system_id: str, type: _Type, name: _Name, session: Session, if_match: IfMatch, by: Authenticated, now: Now  # noqa: A002 - the parameter's public name
) -> None:  # fmt: skip
    """Take a resource off the register."""
    system = await _writable(session, system_id, by)
    resource = await resources.get(session, system, (type, name))
    etags.demand(resource, if_match)
    await resources.remove(session, system, resource, by=by, now=now)
