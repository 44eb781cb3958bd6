"""/access/v1/permissions, and those of a system."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import catalogue
from access_service.routes.systems import Reader, Writer
from access_service.tables import Permission, System
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name, Words
from lodge_kit.world import Now

router = APIRouter(tags=["catalogue"], route_class=IdempotentRoute)


class PermissionChange(Change):
    """What may be changed of a permission."""

    name: Name = Field(default="", examples=["student_record.amend"])
    action: Name = Field(default="", examples=["amend"])
    resource_type: Name = Field(default="", examples=["student_record"])
    description: str = Field(default="", max_length=2_000)
    module: str = Field(default="", max_length=200, examples=["Registry"])
    supplier_code: Words | None = Field(default=None, min_length=1, max_length=200, examples=["SRS-AMD-01"])
    condition: Words | None = Field(
        default=None, min_length=1, max_length=4_000, examples=["resource.properties.owner == subject.email"],
        description="In CEL: what must hold besides the role, of subject, resource, action and context.",
    )  # fmt: skip
    request_wins: bool = Field(
        default=False, description="Whether the resource's properties in a question win over the registered ones."
    )


class PermissionIn(PermissionChange):
    """A permission to add: an action on a type of resource."""

    name: Name = Field(examples=["student_record.amend"])
    action: Name = Field(examples=["amend"])
    resource_type: Name = Field(examples=["student_record"])


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
    state: Literal["active", "retired"]
    created_at: datetime
    updated_at: datetime


class ModuleOut(BaseModel):
    """A part of a system, as its permissions name it."""

    name: str = Field(description="Empty for the permissions of no module.")
    active: int = Field(description="Permissions that are in use.")
    retired: int = Field(description="Permissions that are not in use any more.")


PERMISSIONS = Listing(
    PermissionOut,
    key=col(Permission.id),
    orders={"name": col(Permission.name), "created_at": col(Permission.created_at)},
    default="name",
)
_SEARCHED = (
    col(Permission.name), col(Permission.description), func.coalesce(col(Permission.supplier_code), ""),
)  # fmt: skip
MODULES = Listing(ModuleOut, key=col(Permission.module), orders={"name": col(Permission.module)}, default="name")


def _permissions() -> Select[Permission, str]:
    return select(Permission, col(System.name)).join(System, col(System.id) == col(Permission.system_id))


def _permission(row: Row[Permission, str]) -> PermissionOut:
    permission, system = row[0], {"id": row[0].system_id, "name": row[1]}
    return PermissionOut.model_validate(permission.model_dump() | {"system": system, "etag": etags.etag(permission)})


async def _one(session: AsyncSession, permission_id: str) -> PermissionOut:
    await session.flush()
    row = (await session.execute(_permissions().where(col(Permission.id) == permission_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no permission {permission_id}.")
    return _permission(row)


@router.post("/systems/{system_id}/permissions", status_code=201, response_model=PermissionOut)
async def create_permission(
    request: Request, system_id: str, wanted: PermissionIn, session: Session, by: Writer, now: Now
) -> Response:
    """Add a permission to a system."""
    system = await catalogue.hold_system(session, system_id)
    permission = await catalogue.add_permission(session, system, wanted.model_dump(), by=by, now=now)
    shown = await _one(session, permission.id)
    return etags.answer(request, shown, status=201, location=f"/access/v1/permissions/{permission.id}")


@router.get("/systems/{system_id}/permissions", responses=PERMISSIONS.responses)
async def list_permissions(
    request: Request, system_id: str, session: Session, _by: Reader, ask: Annotated[Ask, PERMISSIONS.ask],
    q: Annotated[
        str | None, Query(max_length=200, description="Words of the name, the description or the supplier's code.")
    ] = None,
    module: Annotated[str | None, Query(max_length=200, description="Empty: those of no module.")] = None,
    state: Literal["active", "retired"] | None = None,
) -> Response:  # fmt: skip
    """List a system's permissions."""
    await catalogue.get_system(session, system_id)
    found = _permissions().where(col(Permission.system_id) == system_id)
    if q:
        found = found.where(contains(q, *_SEARCHED))
    if module is not None:
        found = found.where(col(Permission.module) == module)
    if state:
        found = found.where(col(Permission.state) == state)
    return await PERMISSIONS.answer(request, ask, found, _permission, filename="permissions")


@router.get("/systems/{system_id}/modules", responses=MODULES.responses)
async def list_modules(
    request: Request, system_id: str, session: Session, _by: Reader, ask: Annotated[Ask, MODULES.ask]
) -> Response:
    """List a system's modules, with how many permissions each has."""
    await catalogue.get_system(session, system_id)
    in_use = col(Permission.state) == "active"
    counts = func.count().filter(in_use), func.count().filter(~in_use)
    found = select(col(Permission.module), *counts).where(col(Permission.system_id) == system_id)
    return await MODULES.answer(
        request, ask, found.group_by(col(Permission.module)),
        lambda row: ModuleOut(name=row[0], active=row[1], retired=row[2]), filename="modules",
    )  # fmt: skip


@router.get("/permissions/{permission_id}", response_model=PermissionOut)
async def get_permission(request: Request, permission_id: str, session: Session, _by: Reader) -> Response:
    """Read a permission."""
    return etags.answer(request, await _one(session, permission_id))


@router.patch("/permissions/{permission_id}", response_model=PermissionOut)
async def change_permission(
    request: Request, permission_id: str, wanted: PermissionChange, session: Session, if_match: IfMatch, by: Writer,
    now: Now,
) -> Response:  # fmt: skip
    """Change what a permission is called, means, or is called by its supplier."""
    permission = await catalogue.hold_permission(session, permission_id)
    etags.demand(permission, if_match)
    await catalogue.change_permission(session, permission, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, await _one(session, permission_id))


@router.post("/permissions/{permission_id}/retire", response_model=PermissionOut)
async def retire_permission(request: Request, permission_id: str, session: Session, by: Writer, now: Now) -> Response:
    """Take a permission out of use: no role gives it any more; that it was contained stays on record."""
    await catalogue.retire_permission(session, await catalogue.hold_permission(session, permission_id), by=by, now=now)
    return etags.answer(request, await _one(session, permission_id))


@router.post("/permissions/{permission_id}/activate", response_model=PermissionOut)
async def activate_permission(request: Request, permission_id: str, session: Session, by: Writer, now: Now) -> Response:
    """Put a retired permission to use again: the roles that contain it give it again."""
    held = await catalogue.hold_permission(session, permission_id)
    await catalogue.activate_permission(session, held, by=by, now=now)
    return etags.answer(request, await _one(session, permission_id))
