"""/access/v1/org-units."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service import org_units, rights
from access_service.tables import OrgUnit
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now, Today

router = APIRouter(tags=["people"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.PEOPLE_READ)]
Writer = Annotated[Caller, requires(rights.PEOPLE_WRITE)]


class OrgUnitChange(Change):
    """What may be changed of an org unit."""

    name: Name = Field(default="")
    code: str | None = Field(default=None, max_length=100)
    parent: Id | None = None


class OrgUnitIn(OrgUnitChange):
    """An org unit to add."""

    name: Name = Field(examples=["Faculty of Science"])


class OrgUnitOut(BaseModel):
    """A faculty, a department, a team."""

    id: str
    etag: str
    name: str
    code: str | None
    parent: Reference | None
    state: Literal["active", "closed"] = Field(description="A closed unit is kept for the record.")
    created_at: datetime
    updated_at: datetime


class OrgUnitInTree(OrgUnitOut):
    """An org unit with its place in the tree."""

    path: list[Reference] = Field(description="From the root down to this unit, itself last.")
    children: list[Reference] = Field(description="The units right below it, closed ones too.")


class Branch(BaseModel):
    """A unit with all below it."""

    id: str
    name: str
    code: str | None
    state: Literal["active", "closed"]
    children: list["Branch"]


class Tree(BaseModel):
    """All org units: those at the top, each with what is below it; by name."""

    items: list[Branch]


ORG_UNITS = Listing(
    OrgUnitOut,
    key=col(OrgUnit.id),
    orders={"name": col(OrgUnit.name), "created_at": col(OrgUnit.created_at)},
    default="name",
)

_Parent = aliased(OrgUnit)


def _units() -> Select[OrgUnit, str | None]:
    return select(OrgUnit, col(_Parent.name)).outerjoin(_Parent, col(_Parent.id) == col(OrgUnit.parent))


def _state(unit: OrgUnit) -> Literal["active", "closed"]:
    return "closed" if unit.state == "closed" else "active"


def shown(row: Row[OrgUnit, str | None]) -> OrgUnitOut:
    """Show a unit with the one above it."""
    unit, above = row[0], row[1]
    parent = {"id": unit.parent, "name": above} if unit.parent else None
    return OrgUnitOut.model_validate(unit.model_dump() | {"etag": etags.etag(unit), "parent": parent})


async def _one(session: AsyncSession, unit_id: str) -> Row[OrgUnit, str | None]:
    await session.flush()
    row = (await session.execute(_units().where(col(OrgUnit.id) == unit_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no org unit {unit_id}.")
    return row


@router.post("/org-units", status_code=201, response_model=OrgUnitOut)
async def create_org_unit(request: Request, wanted: OrgUnitIn, session: Session, by: Writer, now: Now) -> Response:
    """Add an org unit below another, or at the top."""
    by.demand(rights.PEOPLE_WRITE, wanted.parent or EVERYWHERE)
    unit = await org_units.create(session, **wanted.model_dump(), by=by, now=now)
    row = await _one(session, unit.id)
    return etags.answer(request, shown(row), status=201, location=f"/access/v1/org-units/{unit.id}")


@router.get("/org-units", responses=ORG_UNITS.responses)
async def list_org_units(
    request: Request, _by: Reader, ask: Annotated[Ask, ORG_UNITS.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
    parent: Annotated[Id | Literal["none"] | None, Query(description="Right below this one; `none`: the top.")] = None,
    below: Annotated[Id | None, Query(description="This one and all below it.")] = None,
    state: Literal["active", "closed"] | None = None,
) -> Response:  # fmt: skip
    """List the org units."""
    found = _units()
    if q:
        found = found.where(contains(q, col(OrgUnit.name), col(OrgUnit.code)))
    if parent:
        found = found.where(col(OrgUnit.parent) == parent if parent != "none" else col(OrgUnit.parent).is_(None))
    if below:
        found = found.where(col(OrgUnit.id).in_(org_units.at_or_below(below)))
    if state:
        found = found.where(col(OrgUnit.state) == state)
    return await ORG_UNITS.answer(request, ask, found, shown, filename="org-units")


@router.get("/org-units/tree")
async def get_org_unit_tree(session: Session, _by: Reader, *, closed: bool = False) -> Tree:
    """Read the whole tree as one document; `closed=true` has the closed units in it as well."""
    found = select(OrgUnit).order_by(col(OrgUnit.name), col(OrgUnit.id))
    rows = (await session.execute(found if closed else found.where(col(OrgUnit.state) == "active"))).scalars().all()
    branches = {one.id: Branch(id=one.id, name=one.name, code=one.code, state=_state(one), children=[]) for one in rows}
    for one in rows:
        if one.parent in branches:
            branches[one.parent].children.append(branches[one.id])
    return Tree(items=[branches[one.id] for one in rows if one.parent not in branches])


@router.get("/org-units/{unit_id}", response_model=OrgUnitInTree)
async def get_org_unit(unit_id: str, session: Session, _by: Reader) -> Response:
    """Read an org unit, where it stands in the tree, and what is right below it."""
    row = await _one(session, unit_id)
    path = await org_units.path(session, row[0])
    below = select(OrgUnit).where(col(OrgUnit.parent) == unit_id).order_by(col(OrgUnit.name), col(OrgUnit.id))
    found = OrgUnitInTree(
        **shown(row).model_dump(),
        path=[Reference(id=one.id, name=one.name) for one in path],
        children=[Reference(id=one.id, name=one.name) for one in (await session.execute(below)).scalars()],
    )
    # Never 304: what is above and below changes without the unit's own version.
    return Response(found.model_dump_json(), headers={"ETag": found.etag}, media_type="application/json")


@router.patch("/org-units/{unit_id}", response_model=OrgUnitOut)
async def change_org_unit(
    request: Request, unit_id: str, wanted: OrgUnitChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Rename or move an org unit. To move one needs the right for it, for where it is, and for where it goes."""
    unit = await org_units.get(session, unit_id)
    by.demand(rights.PEOPLE_WRITE, unit.id)
    if "parent" in wanted.model_fields_set and wanted.parent != unit.parent:
        by.demand(rights.PEOPLE_WRITE, unit.parent or EVERYWHERE)
        by.demand(rights.PEOPLE_WRITE, wanted.parent or EVERYWHERE)
    etags.demand(unit, if_match)
    await org_units.change(session, unit, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, shown(await _one(session, unit_id)))


@router.post("/org-units/{unit_id}/close", response_model=OrgUnitOut)
async def close_org_unit(
    request: Request, unit_id: str, session: Session, by: Writer, today: Today, now: Now
) -> Response:
    """Close an org unit that nobody and nothing is placed in any more; it stays for the record."""
    unit = await org_units.get(session, unit_id)
    by.demand(rights.PEOPLE_WRITE, unit.parent or EVERYWHERE)
    await org_units.close(session, unit, by=by, today=today, now=now)
    return etags.answer(request, shown(await _one(session, unit_id)))


@router.post("/org-units/{unit_id}/reopen", response_model=OrgUnitOut)
async def reopen_org_unit(request: Request, unit_id: str, session: Session, by: Writer, now: Now) -> Response:
    """Take a closed org unit back into use."""
    unit = await org_units.get(session, unit_id)
    by.demand(rights.PEOPLE_WRITE, unit.parent or EVERYWHERE)
    await org_units.reopen(session, unit, by=by, now=now)
    return etags.answer(request, shown(await _one(session, unit_id)))


@router.delete("/org-units/{unit_id}", status_code=204)
async def delete_org_unit(unit_id: str, session: Session, if_match: IfMatch, by: Writer, now: Now) -> None:
    """Delete an org unit that was made by mistake: nothing is or ever was placed in it."""
    unit = await org_units.get(session, unit_id)
    by.demand(rights.PEOPLE_WRITE, unit.parent or EVERYWHERE)
    etags.demand(unit, if_match)
    await org_units.delete(session, unit, by=by, now=now)
