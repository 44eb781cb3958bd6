"""/access/v1/org-units."""

from datetime import datetime
from typing import Annotated

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
from lodge_kit.world import Now

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
    created_at: datetime
    updated_at: datetime


ORG_UNITS = Listing(
    OrgUnitOut,
    key=col(OrgUnit.id),
    orders={"name": col(OrgUnit.name), "created_at": col(OrgUnit.created_at)},
    default="name",
)

_Parent = aliased(OrgUnit)


def _units() -> Select[OrgUnit, str | None]:
    return select(OrgUnit, col(_Parent.name)).outerjoin(_Parent, col(_Parent.id) == col(OrgUnit.parent))


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
    q: Annotated[str | None, Query(max_length=200)] = None, parent: Id | None = None,
) -> Response:  # fmt: skip
    """List the org units."""
    found = _units()
    if q:
        found = found.where(contains(q, col(OrgUnit.name), col(OrgUnit.code)))
    if parent:
        found = found.where(col(OrgUnit.parent) == parent)
    return await ORG_UNITS.answer(request, ask, found, shown, filename="org-units")


@router.get("/org-units/{unit_id}", response_model=OrgUnitOut)
async def get_org_unit(request: Request, unit_id: str, session: Session, _by: Reader) -> Response:
    """Read an org unit."""
    return etags.answer(request, shown(await _one(session, unit_id)))


@router.patch("/org-units/{unit_id}", response_model=OrgUnitOut)
async def change_org_unit(
    request: Request, unit_id: str, wanted: OrgUnitChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Rename or move an org unit."""
    unit = (await _one(session, unit_id))[0]
    by.demand(rights.PEOPLE_WRITE, unit.id)
    if "parent" in wanted.model_fields_set:
        by.demand(rights.PEOPLE_WRITE, wanted.parent or EVERYWHERE)
    etags.demand(unit, if_match)
    await org_units.change(session, unit, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, shown(await _one(session, unit_id)))
