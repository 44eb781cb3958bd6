"""Who can reach what, on any day: /access of people, groups and service accounts, /holders, what a role contained."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Row, Text, column
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import catalogue, org_units, rights
from access_service.decisions import LODGE
from access_service.questions import chains, holding
from access_service.routes.as_of import Asked
from access_service.tables import Permission
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.identity import Authenticated, Caller, Scope, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.tables import IdText, Instant

router = APIRouter(tags=["questions"])

Reader = Annotated[Caller, requires(rights.GRANTS_READ)]
CatalogueReader = Annotated[Caller, requires(rights.CATALOGUE_READ)]


class Way(BaseModel):
    """How a role is held."""

    role: Reference
    system: Reference
    org_unit: Reference | None = Field(description="Where, with all below it; null is everywhere.")
    environment: str | None = Field(description="In which installation; null is in every one.")
    since: datetime = Field(description="When the grant began, or the joining of the group where that was later.")
    until: datetime | None = Field(description="When it ends, as far as that is known.")
    group: Reference | None = Field(description="Through which group; null where it was given without one.")
    grant: str | None = Field(description="Null for a role that everybody has.")
    origin: str | None
    reason: str
    granted_by: Reference | None


class HeldPermission(BaseModel):
    """A permission that comes with a role."""

    id: str
    name: str
    description: str
    action: str
    resource_type: str
    supplier_code: str | None
    condition: str | None = Field(description="What must hold besides, in CEL.")
    role: Reference = Field(description="The role that contains it: the one held, or one that it inherits from.")


class EffectivePermission(HeldPermission):
    """A permission of a role, its own or an inherited one."""

    path: list[Reference] = Field(description="From the role that was asked about to the nearest that contains it.")


class AccessOut(Way):
    """One way in which somebody holds a role, or with `expand=permissions` one of its permissions."""

    permission: HeldPermission | None = Field(description="With `expand=permissions`; null without.")


class HolderOut(Way):
    """Somebody who holds a permission or a role, and how."""

    holder: Reference
    path: list[Reference] = Field(description="From the role that was given to the one that has what is asked for.")


_KEY = column("key", IdText)
_ORDERS: Mapping[str, ColumnElement[Any]] = {"system": column("system_name", Text), "role": column("role_name", Text)}
_SINCE: Mapping[str, ColumnElement[Any]] = {"since": column("since", Instant)}

ACCESS = Listing(AccessOut, key=_KEY, orders={**_ORDERS, **_SINCE}, default="system")
# By their ids unless asked otherwise: of a million grants, sorting by name looks up tens of thousands of people.
_HOLDER: Mapping[str, ColumnElement[Any]] = {"holder": column("who", IdText), "name": column("who_name", Text)}
HOLDERS = Listing(HolderOut, key=_KEY, orders={**_HOLDER, **_SINCE}, default="holder")
CONTENTS = Listing(EffectivePermission, key=_KEY, orders={"name": column("permission_name", Text)}, default="name")


System = Annotated[str | None, Query(max_length=200, description="Only what is of this system: its id or its key.")]
Expand = Annotated[
    Literal["permissions"] | None, Query(description="A row for each permission instead of one for each role.")
]


class Wanted:
    """Which rows of an access list are wanted (a FastAPI dependency)."""

    def __init__(
        self, when: Asked, ask: Annotated[Ask, ACCESS.ask], system: System = None, expand: Expand = None
    ) -> None:
        self.when, self.ask, self.system, self.permissions = when, ask, system, expand is not None

    async def answer(self, request: Request, subject: str, scope: Scope) -> Response:
        """Answer what the subject can reach."""
        found = holding.access(subject, self.when, scope=scope, system=self.system, permissions=self.permissions)
        return await ACCESS.answer(request, self.ask, found, _access, filename="access")


# -- what somebody can reach


@router.get("/me/access", responses=ACCESS.responses)
async def list_own_access(
    request: Request, session: Session, by: Authenticated, wanted: Annotated[Wanted, Depends()]
) -> Response:
    """List everything that you can reach: each role, where, since when, through which group, by whom."""
    await holding.demand_subject(session, by.id[:3], by.id)
    return await wanted.answer(request, by.id, "*")


@router.get("/people/{person_id}/access", responses=ACCESS.responses)
async def list_access_of_person(
    request: Request, person_id: str, session: Session, by: Authenticated, wanted: Annotated[Wanted, Depends()]
) -> Response:
    """List everything that a person can reach: each role, where, since when, through which group, by whom.

    One may always ask about oneself, as `me`.
    """
    person = by.named(person_id)
    if person != by.id:
        by.demand(rights.GRANTS_READ)
    await holding.demand_subject(session, "per", person)
    return await wanted.answer(request, person, "*" if person == by.id else by.scope(rights.GRANTS_READ))


@router.get("/groups/{group_id}/access", responses=ACCESS.responses)
async def list_access_of_group(
    request: Request, group_id: str, session: Session, by: Reader, wanted: Annotated[Wanted, Depends()]
) -> Response:
    """List everything that the members of a group can reach through it."""
    await holding.demand_subject(session, "grp", group_id)
    return await wanted.answer(request, group_id, by.scope(rights.GRANTS_READ))


@router.get("/service-accounts/{account_id}/access", responses=ACCESS.responses)
async def list_access_of_service_account(
    request: Request, account_id: str, session: Session, by: Authenticated, wanted: Annotated[Wanted, Depends()]
) -> Response:
    """List everything that a service account can reach; a service account may ask about itself, as `me`."""
    account = by.named(account_id)
    if account != by.id:
        by.demand(rights.GRANTS_READ)
    await holding.demand_subject(session, "svc", account)
    return await wanted.answer(request, account, "*" if account == by.id else by.scope(rights.GRANTS_READ))


# -- who holds something


class Held:
    """Which holders are wanted (a FastAPI dependency)."""

    def __init__(
        self, when: Asked, ask: Annotated[Ask, HOLDERS.ask],
        org_unit: Annotated[Id | None, Query(description="Only who holds it there.")] = None,
        environment: Annotated[str | None, Query(max_length=100, description="Only who holds it in this one.")] = None,
    ) -> None:  # fmt: skip
        self.when, self.ask, self.org_unit, self.environment = when, ask, org_unit, environment

    async def answer(
        self, request: Request, session: AsyncSession, leading: Mapping[str, Sequence[str]], by: Caller
    ) -> Response:
        """Answer who holds one of the roles, each with the names of its chain."""
        units = None
        if self.org_unit is not None:
            await org_units.demand(session, self.org_unit, pointer="query/org_unit")
            units = await chains.unit_with_above(session, self.org_unit, self.when)
        found = holding.holders(
            list(leading), self.when, scope=by.scope(rights.GRANTS_READ), units=units, environment=self.environment
        )
        paths = await _named(session, leading)

        def shown(row: Row[*tuple[Any, ...]]) -> HolderOut:
            holder = Reference(id=row.who, name=row.who_name)
            return HolderOut(**_way(row), holder=holder, path=paths[row.role_id])

        return await HOLDERS.answer(request, self.ask, found, shown, filename="holders", completed=holding.named)


@router.get("/permissions/{permission_id}/holders", responses=HOLDERS.responses)
async def list_holders_of_permission(
    request: Request, permission_id: str, session: Session, by: Reader, wanted: Annotated[Held, Depends()]
) -> Response:
    """List who holds a permission: a row for each grant that brings it, with the roles on the way."""
    if await session.get(Permission, permission_id) is None:
        raise NotFound(f"There is no permission {permission_id}.")
    leading = await chains.leading_to_permission(session, permission_id, wanted.when)
    return await wanted.answer(request, session, leading, by)


@router.get("/roles/{role_id}/holders", responses=HOLDERS.responses)
async def list_holders_of_role(
    request: Request, role_id: str, session: Session, by: Reader, wanted: Annotated[Held, Depends()]
) -> Response:
    """List who holds a role: given as such, or one that inherits from it."""
    role = await catalogue.get_role(session, role_id)
    leading = await chains.leading_to_role(session, role.id, wanted.when)
    return await wanted.answer(request, session, leading, by)


@router.get("/roles/{role_id}/effective-permissions", responses=CONTENTS.responses)
async def list_effective_permissions(
    request: Request, role_id: str, session: Session, _by: CatalogueReader, when: Asked,
    ask: Annotated[Ask, CONTENTS.ask],
) -> Response:  # fmt: skip
    """List the permissions that a role gives: its own and inherited ones. A role that is not active gives none."""
    role = await catalogue.get_role(session, role_id)
    below = await chains.led_to(session, role.id, when)
    paths = await _named(session, below)

    def shown(row: Row[*tuple[Any, ...]]) -> EffectivePermission:
        return EffectivePermission(**_permission(row).model_dump(), path=paths[row.container_id])

    return await CONTENTS.answer(request, ask, holding.contents(list(below), when), shown, filename="permissions")


# -- rows shown


async def _named(session: AsyncSession, ways: Mapping[str, Sequence[str]]) -> Mapping[str, list[Reference]]:
    """Answer chains of roles with their names."""
    names = await chains.role_names(session, ways)
    return {role: [Reference(id=one, name=names[one]) for one in way] for role, way in ways.items()}


def _access(row: Row[*tuple[Any, ...]]) -> AccessOut:
    permission = _permission(row) if "permission_id" in row._fields else None
    return AccessOut(**_way(row), permission=permission)


def _way(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    by = reference(row.by_id, row.by_name)
    # What the first start gave was given by Lodge itself, which is no person and no account.
    if by is not None and by.id == LODGE:
        by.name = "Lodge"
    return {
        "role": Reference(id=row.role_id, name=row.role_name),
        "system": Reference(id=row.system_id, name=row.system_name),
        "org_unit": reference(row.org_unit_id, row.org_unit_name), "environment": row.environment,
        "since": row.since, "until": row.until, "group": reference(row.group_id, row.group_name),
        "grant": row.grant_id, "origin": row.origin, "reason": row.reason, "granted_by": by,
    }  # fmt: skip


def _permission(row: Row[*tuple[Any, ...]]) -> HeldPermission:
    return HeldPermission(
        id=row.permission_id, name=row.permission_name, description=row.description,
        action=row.action, resource_type=row.resource_type,
        supplier_code=row.supplier_code, condition=row.condition,
        role=Reference(id=row.container_id, name=row.container_name),
    )  # fmt: skip
