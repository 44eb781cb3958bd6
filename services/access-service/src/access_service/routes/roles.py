"""/access/v1/roles."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import catalogue
from access_service.routes.systems import Reader, Writer
from access_service.tables import Person, Role, RoleInheritance, RolePermission, System
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now

router = APIRouter(tags=["catalogue"], route_class=IdempotentRoute)


class RoleChange(Change):
    """What may be changed of a role; lists replace what was there."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=2_000)
    owner: Id | None = None
    permissions: list[Id] = Field(default=[], max_length=1_000)
    inherits: list[Id] = Field(default=[], max_length=100, description="Roles whose permissions it has too.")


class RoleIn(RoleChange):
    """A role to add."""

    system: Id
    name: Name = Field(examples=["Registry clerk"])
    state: Literal["draft", "active"] = Field(
        default="active", description="A draft can be given once it is activated."
    )


class RoleOut(BaseModel):
    """A named set of permissions of one system."""

    id: str
    etag: str
    system: Reference
    name: str
    description: str
    owner: Reference | None
    state: Literal["draft", "active", "retired"]
    permissions: list[str] = Field(description="What it contains itself; what it inherits is not repeated here.")
    inherits: list[str]
    created_at: datetime
    updated_at: datetime


ROLES = Listing(
    RoleOut, key=col(Role.id), orders={"name": col(Role.name), "created_at": col(Role.created_at)}, default="name"
)


def _roles() -> Select[Role, str, str | None, list[str], list[str]]:
    contained = select(func.array_agg(col(RolePermission.permission_id))).where(
        col(RolePermission.role_id) == col(Role.id)
    )
    inherited = select(func.array_agg(col(RoleInheritance.inherits))).where(
        col(RoleInheritance.role_id) == col(Role.id)
    )
    return (
        select(Role, col(System.name), col(Person.name), contained.scalar_subquery(), inherited.scalar_subquery())
        .join(System, col(System.id) == col(Role.system_id))
        .outerjoin(Person, col(Person.id) == col(Role.owner))
    )


def _role(row: Row[Role, str, str | None, list[str], list[str]]) -> RoleOut:
    role = row[0]
    return RoleOut.model_validate(
        role.model_dump()
        | {
            "etag": etags.etag(role),
            "system": {"id": role.system_id, "name": row[1]},
            "owner": reference(role.owner, row[2]),
            "permissions": sorted(row[3] or []),
            "inherits": sorted(row[4] or []),
        }
    )


async def _one_role(session: AsyncSession, role_id: str) -> Row[Role, str, str | None, list[str], list[str]]:
    await session.flush()
    row = (await session.execute(_roles().where(col(Role.id) == role_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no role {role_id}.")
    return row


@router.post("/roles", status_code=201, response_model=RoleOut)
async def create_role(request: Request, wanted: RoleIn, session: Session, by: Writer, now: Now) -> Response:
    """Add a role to a system."""
    system = await catalogue.hold_system(session, wanted.system)
    role = await catalogue.add_role(
        session, system, wanted.model_dump(exclude={"system", "permissions", "inherits"}),
        permissions=wanted.permissions, inherits=wanted.inherits, by=by, now=now,
    )  # fmt: skip
    row = await _one_role(session, role.id)
    return etags.answer(request, _role(row), status=201, location=f"/access/v1/roles/{role.id}")


@router.get("/roles", responses=ROLES.responses)
async def list_roles(
    request: Request, by: Reader, ask: Annotated[Ask, ROLES.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of the name or the description.")] = None,
    permission: Annotated[Id | None, Query(description="Those that contain this permission themselves.")] = None,
    system: Id | None = None,
    owner: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
    state: Literal["draft", "active", "retired"] | None = None,
) -> Response:  # fmt: skip
    """List the roles."""
    found = _roles()
    if q:
        found = found.where(contains(q, col(Role.name), col(Role.description)))
    if permission:
        containing = select(col(RolePermission.role_id)).where(col(RolePermission.permission_id) == permission)
        found = found.where(col(Role.id).in_(containing))
    if system:
        found = found.where(col(Role.system_id) == system)
    if owner:
        found = found.where(col(Role.owner) == by.named(owner))
    if state:
        found = found.where(col(Role.state) == state)
    return await ROLES.answer(request, ask, found, _role, filename="roles")


@router.get("/roles/{role_id}", response_model=RoleOut)
async def get_role(request: Request, role_id: str, session: Session, _by: Reader) -> Response:
    """Read a role."""
    return etags.answer(request, _role(await _one_role(session, role_id)))


@router.patch("/roles/{role_id}", response_model=RoleOut)
async def change_role(
    request: Request, role_id: str, wanted: RoleChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Change what a role is called, contains, or inherits."""
    role = await catalogue.hold_role(session, role_id)
    etags.demand(role, if_match)
    facts = wanted.model_dump(exclude_unset=True)
    permissions, inherits = facts.pop("permissions", None), facts.pop("inherits", None)
    await catalogue.change_role(session, role, facts, permissions=permissions, inherits=inherits, by=by, now=now)
    return etags.answer(request, _role(await _one_role(session, role_id)))


@router.post("/roles/{role_id}/activate", response_model=RoleOut)
async def activate_role(request: Request, role_id: str, session: Session, by: Writer, now: Now) -> Response:
    """Put a draft to use, or a retired role to use again: its grants that were not ended hold from now on."""
    await catalogue.activate_role(session, await catalogue.hold_role(session, role_id), by=by, now=now)
    return etags.answer(request, _role(await _one_role(session, role_id)))


@router.post("/roles/{role_id}/retire", response_model=RoleOut)
async def retire_role(request: Request, role_id: str, session: Session, by: Writer, now: Now) -> Response:
    """Take a role out of use: its grants stay on record and permit nothing any more."""
    await catalogue.retire_role(session, await catalogue.hold_role(session, role_id), by=by, now=now)
    return etags.answer(request, _role(await _one_role(session, role_id)))
