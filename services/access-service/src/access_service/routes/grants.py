"""/access/v1/grants."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import catalogue, grants, rights
from access_service.grants import Giving
from access_service.org_units import at_or_below
from access_service.routes import grant_record
from access_service.routes.grant_record import Anchor, AnchorType, Environment, GrantOut, GrantRow, GrantVersion, Origin
from access_service.settings import Settings
from access_service.tables import Grant, Role
from lodge_kit import etags, listing
from lodge_kit.clock import AsOf, instant_of
from lodge_kit.database import Session
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.texts import Words
from lodge_kit.world import Here, Now, World

router = APIRouter(tags=["grants"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.GRANTS_READ)]


async def _may_give(found: Authenticated) -> Caller:
    if not found.may(rights.GRANT_ANY):
        found.demand(rights.GRANT)
    return found


Granter = Annotated[Caller, Depends(_may_give)]
"""One who may give some roles at least: those that he or she answers for, or all."""


class GrantIn(BaseModel):
    """A role to give."""

    model_config = ConfigDict(extra="forbid")

    subject: Id = Field(description="A person, a group or a service account.")
    role: Id
    org_unit: Id | None = Field(default=None, description="Where it holds, with all below; null is everywhere.")
    environment: Environment | None = Field(
        default=None, description="In which installation of the system; null is in every one.", examples=["live"]
    )
    valid_from: AwareDatetime | None = Field(default=None, description="From when; now where it is left out.")
    valid_to: AwareDatetime | None = Field(default=None, description="Until when; without end where it is left out.")
    origin: Origin = Field(
        default="request",
        description="How it came about. An emergency has a reason and an end within some days; birthright and import"
        " need `access.grant.any`; only an import may lie wholly in the past.",
    )
    anchor: Anchor | None = Field(default=None, description="What it is for: it ends when that closes.")
    reason: str = Field(default="", max_length=2_000)


class GrantEnd(BaseModel):
    """How a grant ends."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime | None = Field(default=None, description="When it ends; now where it is left out.")
    reason: Words = Field(min_length=1, max_length=2_000)


GRANTS = Listing(
    GrantOut,
    key=col(Grant.id),
    orders={"created_at": col(Grant.created_at), "valid_from": col(Grant.valid_from)},
    default="-created_at",
)

_HISTORY: dict[int | str, dict[str, Any]] = {
    200: {"model": listing.Page[GrantVersion], "content": {"text/csv": {"schema": {"type": "string"}}}}
}
_AsOf = Annotated[AsOf | None, Query(description="Only what held then: an instant, or a date, that day's end.")]
_KnownAt = Annotated[AsOf | None, Query(description="As it was on record then: an instant, or a date, that day's end.")]


@dataclass
class Which:
    """Which grants are asked for."""

    subject: Annotated[str | None, Query(description="Whose: an id, or `me`.")] = None
    role: Id | None = None
    system: Id | None = None
    org_unit: Annotated[Id | None, Query(description="Those for this org unit, or for one below it.")] = None
    descendants: Annotated[bool, Query(description="False: those for just this `org_unit`.")] = True
    environment: Annotated[str | None, Query(description="Those for just this installation.")] = None
    origin: Origin | None = None
    anchor_type: AnchorType | None = None
    anchor_id: Annotated[str | None, Query(max_length=200)] = None
    granted_by: Annotated[str | None, Query(description="By whom: an id, or `me`.")] = None
    as_of: _AsOf = None
    known_at: _KnownAt = None
    state: Literal["live", "ended"] | None = None


def _instant(world: World, asked: AsOf | None) -> datetime | None:
    return instant_of(asked, world.settings.time_zone) if asked else None


async def _one(
    session: AsyncSession, grant_id: str, by: Caller, *, as_of: datetime | None = None, known_at: datetime | None = None
) -> GrantRow:
    await session.flush()
    found = grant_record.recorded(known_at).where(col(Grant.id) == grant_id)
    if as_of:
        found = found.where(grant_record.held(as_of))
    row = (await session.execute(found)).one_or_none()
    where = (row[0].org_unit or EVERYWHERE) if row else EVERYWHERE
    if row is None or not any(by.may(one, where) for one in (rights.GRANTS_READ, rights.GRANT, rights.GRANT_ANY)):
        raise NotFound(f"There is no grant {grant_id} that you may see{' then' if as_of or known_at else ''}.")
    return row


@router.post("/grants", status_code=201, response_model=GrantOut)
async def create_grant(
    request: Request, wanted: GrantIn, session: Session, here: Here, by: Granter, now: Now
) -> Response:
    """Give a role."""
    assert isinstance(here.settings, Settings)  # noqa: S101 - this service's own world
    role = await catalogue.get_role(session, wanted.role)
    anchor = (wanted.anchor.type, wanted.anchor.id) if wanted.anchor else None
    giving = Giving(**wanted.model_dump(exclude={"role", "anchor"}), anchor=anchor)
    longest = timedelta(days=here.settings.emergency_days)
    grant = await grants.give(session, role, giving, emergency=longest, by=by, now=now)
    shown = grant_record.shown(await _one(session, grant.id, by))
    return etags.answer(request, shown, status=201, location=f"/access/v1/grants/{grant.id}")


@router.get("/grants", responses=GRANTS.responses)
async def list_grants(
    request: Request, by: Reader, here: Here, which: Annotated[Which, Depends()], ask: Annotated[Ask, GRANTS.ask],
    now: Now,
) -> Response:  # fmt: skip
    """List who was given which role."""
    found = grant_record.recorded(_instant(here, which.known_at))
    scope = by.scope(rights.GRANTS_READ)
    if scope != "*":
        found = found.where(col(Grant.org_unit).in_(scope))
    if at := _instant(here, which.as_of):
        found = found.where(grant_record.held(at))
    if which.state:
        ended = grant_record.ended(now)
        found = found.where(ended if which.state == "ended" else ~ended)
    return await GRANTS.answer(request, ask, _narrowed(found, which, by), grant_record.shown, filename="grants")


def _narrowed(found: Select[*tuple[Any, ...]], which: Which, by: Caller) -> Select[*tuple[Any, ...]]:
    wanted = {
        Grant.subject: by.named(which.subject) if which.subject else None,
        Grant.role_id: which.role,
        Role.system_id: which.system,
        Grant.environment: which.environment,
        Grant.origin: which.origin,
        Grant.anchor_type: which.anchor_type,
        Grant.anchor_id: which.anchor_id,
        Grant.granted_by: by.named(which.granted_by) if which.granted_by else None,
    }
    if which.org_unit:
        unit = col(Grant.org_unit)
        below = which.descendants
        found = found.where(unit.in_(at_or_below(which.org_unit)) if below else unit == which.org_unit)
    return found.where(*(col(column) == value for column, value in wanted.items() if value is not None))


@router.get("/grants/{grant_id}", response_model=GrantOut)
async def get_grant(
    request: Request, grant_id: str, session: Session, by: Reader, here: Here,
    as_of: _AsOf = None, known_at: _KnownAt = None,
) -> Response:  # fmt: skip
    """Read a grant, as it is on record or as it was."""
    at, known = _instant(here, as_of), _instant(here, known_at)
    return etags.answer(request, grant_record.shown(await _one(session, grant_id, by, as_of=at, known_at=known)))


@router.get("/grants/{grant_id}/history", responses=_HISTORY)
async def list_grant_history(request: Request, grant_id: str, session: Session, by: Reader) -> Response:
    """List all that was ever on record of a grant: when it would hold, who said so and why, from when to when."""
    grant = (await _one(session, grant_id, by))[0]
    return await listing.whole(
        request, await grant_record.history(session, grant), GrantVersion, filename="grant-history"
    )


@router.post("/grants/{grant_id}/end", response_model=GrantOut)
async def end_grant(
    request: Request, grant_id: str, wanted: GrantEnd, session: Session, by: Granter, now: Now
) -> Response:
    """End a grant, now or at a later instant."""
    grant = await grants.end(session, grant_id, at=wanted.at, reason=wanted.reason, by=by, now=now)
    return etags.answer(request, grant_record.shown(await _one(session, grant.id, by)))
