"""/access/v1/systems and their permissions."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import catalogue, rights
from access_service.tables import Permission, Person, System
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now

router = APIRouter(tags=["catalogue"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.CATALOGUE_READ)]
Writer = Annotated[Caller, requires(rights.CATALOGUE_WRITE, everywhere=True)]


class SystemChange(Change):
    """What may be changed of a system."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=2_000)
    owner: Id | None = None


class SystemIn(SystemChange):
    """A system to add."""

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["student-records"])
    name: Name = Field(examples=["Student Records"])


class SystemOut(BaseModel):
    """A supplier's system, or Lodge itself."""

    id: str
    etag: str
    key: str
    name: str
    description: str
    owner: Reference | None
    created_at: datetime
    updated_at: datetime


class PermissionIn(BaseModel):
    """A permission to add: an action on a type of resource."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(examples=["student_record.amend"])
    action: Name = Field(examples=["amend"])
    resource_type: Name = Field(examples=["student_record"])
    description: str = Field(default="", max_length=2_000)
    module: str = Field(default="", max_length=200, examples=["Registry"])
    supplier_code: str | None = Field(default=None, max_length=200, examples=["SRS-AMD-01"])
    condition: str | None = Field(
        default=None, min_length=1, max_length=4_000, examples=["resource.properties.owner == subject.email"],
        description="In CEL: what must hold besides the role, of subject, resource, action and context.",
    )  # fmt: skip
    request_wins: bool = Field(
        default=False, description="Whether the resource's properties in a question win over the registered ones."
    )


class PermissionOut(BaseModel):
    """An action on a type of resource in one system."""

    id: str
    system: Reference
    name: str
    action: str
    resource_type: str
    etag: str
    description: str
    module: str
    supplier_code: str | None
    condition: str | None
    request_wins: bool
    created_at: datetime


SYSTEMS = Listing(
    SystemOut,
    key=col(System.id),
    orders={"name": col(System.name), "created_at": col(System.created_at)},
    default="name",
)
PERMISSIONS = Listing(PermissionOut, key=col(Permission.id), orders={"name": col(Permission.name)}, default="name")


def _systems() -> Select[System, str | None]:
    return select(System, col(Person.name)).outerjoin(Person, col(Person.id) == col(System.owner))


def _system(row: Row[System, str | None]) -> SystemOut:
    system, owner = row[0], row[1]
    return SystemOut.model_validate(
        system.model_dump() | {"etag": etags.etag(system), "owner": reference(system.owner, owner)}
    )


def _permission(row: Row[Permission, str]) -> PermissionOut:
    permission, system = row[0], {"id": row[0].system_id, "name": row[1]}
    return PermissionOut.model_validate(permission.model_dump() | {"system": system, "etag": etags.etag(permission)})


async def _one_system(session: AsyncSession, system_id: str) -> Row[System, str | None]:
    await session.flush()
    row = (await session.execute(_systems().where(col(System.id) == system_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no system {system_id}.")
    return row


@router.post("/systems", status_code=201, response_model=SystemOut)
async def create_system(request: Request, wanted: SystemIn, session: Session, by: Writer, now: Now) -> Response:
    """Add a system."""
    system = await catalogue.add_system(session, wanted.model_dump(), by=by, now=now)
    row = await _one_system(session, system.id)
    return etags.answer(request, _system(row), status=201, location=f"/access/v1/systems/{system.id}")


@router.get("/systems", responses=SYSTEMS.responses)
async def list_systems(
    request: Request, by: Reader, ask: Annotated[Ask, SYSTEMS.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
    owner: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
    key: str | None = None,
) -> Response:  # fmt: skip
    """List the systems."""
    found = _systems()
    if q:
        found = found.where(contains(q, col(System.name), col(System.key)))
    if owner:
        found = found.where(col(System.owner) == by.named(owner))
    if key:
        found = found.where(col(System.key) == key)
    return await SYSTEMS.answer(request, ask, found, _system, filename="systems")


@router.get("/systems/{system_id}", response_model=SystemOut)
async def get_system(request: Request, system_id: str, session: Session, _by: Reader) -> Response:
    """Read a system."""
    return etags.answer(request, _system(await _one_system(session, system_id)))


@router.patch("/systems/{system_id}", response_model=SystemOut)
async def change_system(
    request: Request, system_id: str, wanted: SystemChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Rename or describe a system, or give it another owner."""
    system = await catalogue.get_system(session, system_id)
    etags.demand(system, if_match)
    await catalogue.change_system(session, system, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, _system(await _one_system(session, system_id)))


@router.post("/systems/{system_id}/permissions", status_code=201)
async def create_permission(
    system_id: str, wanted: PermissionIn, session: Session, by: Writer, now: Now
) -> PermissionOut:
    """Add a permission to a system."""
    system = await catalogue.get_system(session, system_id)
    permission = await catalogue.add_permission(session, system, wanted.model_dump(), by=by, now=now)
    shown = {"system": {"id": system.id, "name": system.name}, "etag": etags.etag(permission)}
    return PermissionOut.model_validate(permission.model_dump() | shown)


@router.get("/systems/{system_id}/permissions", responses=PERMISSIONS.responses)
async def list_permissions(
    request: Request, system_id: str, session: Session, _by: Reader, ask: Annotated[Ask, PERMISSIONS.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:  # fmt: skip
    """List a system's permissions."""
    await catalogue.get_system(session, system_id)
    found = select(Permission, col(System.name)).join(System, col(System.id) == col(Permission.system_id))
    found = found.where(col(Permission.system_id) == system_id)
    if q:
        found = found.where(contains(q, col(Permission.name), col(Permission.description)))
    return await PERMISSIONS.answer(request, ask, found, _permission, filename="permissions")
