"""/access/v1/grants."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col

from access_service import catalogue, grants, rights
from access_service.decisions import LODGE
from access_service.tables import Grant, Group, OrgUnit, Person, Role, ServiceAccount
from lodge_kit import etags
from lodge_kit.clock import AsOf, instant_of
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.texts import Words
from lodge_kit.world import Here, Now

router = APIRouter(tags=["grants"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.GRANTS_READ)]
Granter = Annotated[Caller, requires(rights.GRANT)]


class GrantIn(BaseModel):
    """A role to give."""

    model_config = ConfigDict(extra="forbid")

    subject: Id = Field(description="A person, a group or a service account.")
    role: Id
    org_unit: Id | None = Field(default=None, description="Where it holds, with all below; null is everywhere.")
    valid_from: AwareDatetime | None = Field(default=None, description="From when; now where it is left out.")
    valid_to: AwareDatetime | None = Field(default=None, description="Until when; without end where it is left out.")
    reason: str = Field(default="", max_length=2_000)


class GrantEnd(BaseModel):
    """How a grant ends."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime | None = Field(default=None, description="When it ends; now where it is left out.")
    reason: Words = Field(min_length=1, max_length=2_000)


class GrantOut(BaseModel):
    """A role given to somebody."""

    id: str
    etag: str
    subject: Reference
    role: Reference
    org_unit: Reference | None
    valid_from: datetime
    valid_to: datetime | None
    origin: str
    reason: str
    granted_by: Reference
    ended_by: Reference | None
    ended_at: datetime | None
    end_reason: str | None
    created_at: datetime
    updated_at: datetime


GRANTS = Listing(
    GrantOut,
    key=col(Grant.id),
    orders={"created_at": col(Grant.created_at), "valid_from": col(Grant.valid_from)},
    default="-created_at",
)


def _name_of(who: Mapped[Any]) -> ColumnElement[str | None]:
    """Name the person or service account that a column holds: a query of its own, as the grant's holder is one too."""
    person, account = aliased(Person), aliased(ServiceAccount)
    return func.coalesce(
        select(col(person.name)).where(col(person.id) == who).correlate(Grant).scalar_subquery(),
        select(col(account.name)).where(col(account.id) == who).correlate(Grant).scalar_subquery(),
    )


def _grants() -> Select[Grant, str, str, str | None, str | None, str | None]:
    holder = func.coalesce(col(Person.name), col(Group.name), col(ServiceAccount.name))
    return (
        select(
            Grant,
            holder,
            col(Role.name),
            col(OrgUnit.name),
            _name_of(col(Grant.granted_by)),
            _name_of(col(Grant.ended_by)),
        )
        .join(Role, col(Role.id) == col(Grant.role_id))
        .outerjoin(Person, col(Person.id) == col(Grant.subject))
        .outerjoin(Group, col(Group.id) == col(Grant.subject))
        .outerjoin(ServiceAccount, col(ServiceAccount.id) == col(Grant.subject))
        .outerjoin(OrgUnit, col(OrgUnit.id) == col(Grant.org_unit))
    )


def _whoever(one: str, name: str | None) -> Reference:
    # What the first start gave was given by Lodge itself, which is no person and no account.
    return Reference(id=one, name=name or ("Lodge" if one == LODGE else ""))


def shown(row: Row[Grant, str, str, str | None, str | None, str | None]) -> GrantOut:
    """Show a grant with the names of what it joins."""
    grant = row[0]
    references: dict[str, Any] = {
        "etag": etags.etag(grant),
        "subject": {"id": grant.subject, "name": row[1] or ""},
        "role": {"id": grant.role_id, "name": row[2]},
        "org_unit": {"id": grant.org_unit, "name": row[3]} if grant.org_unit else None,
        "granted_by": _whoever(grant.granted_by, row[4]),
        "ended_by": _whoever(grant.ended_by, row[5]) if grant.ended_by else None,
    }
    return GrantOut.model_validate(grant.model_dump() | references)


async def _one(
    session: AsyncSession, grant_id: str, by: Caller
) -> Row[Grant, str, str, str | None, str | None, str | None]:
    await session.flush()
    row = (await session.execute(_grants().where(col(Grant.id) == grant_id))).one_or_none()
    if row is None or not (
        by.may(rights.GRANTS_READ, row[0].org_unit or EVERYWHERE) or by.may(rights.GRANT, row[0].org_unit or EVERYWHERE)
    ):
        raise NotFound(f"There is no grant {grant_id} that you may see.")
    return row


@router.post("/grants", status_code=201, response_model=GrantOut)
async def create_grant(request: Request, wanted: GrantIn, session: Session, by: Granter, now: Now) -> Response:
    """Give a role."""
    role = await catalogue.get_role(session, wanted.role)
    facts = wanted.model_dump(exclude={"role", "subject"})
    grant = await grants.give(session, role, wanted.subject, **facts, by=by, now=now)
    row = await _one(session, grant.id, by)
    return etags.answer(request, shown(row), status=201, location=f"/access/v1/grants/{grant.id}")


@router.get("/grants", responses=GRANTS.responses)
async def list_grants(
    request: Request, by: Reader, here: Here, ask: Annotated[Ask, GRANTS.ask],
    subject: Annotated[str | None, Query(description="Whose: an id, or `me`.")] = None,
    role: Id | None = None,
    system: Id | None = None,
    as_of: Annotated[
        AsOf | None, Query(description="Only what held then: an instant, or a date, that day's end.")
    ] = None,
    state: Literal["live", "ended"] | None = None,
    now: Now = ...,  # type: ignore[assignment]  # a dependency, never left out
) -> Response:  # fmt: skip
    """List who was given which role."""
    found = _grants()
    scope = by.scope(rights.GRANTS_READ)
    if scope != "*":
        found = found.where(col(Grant.org_unit).in_(scope))
    if subject:
        found = found.where(col(Grant.subject) == by.named(subject))
    if role:
        found = found.where(col(Grant.role_id) == role)
    if system:
        found = found.where(col(Role.system_id) == system)
    if as_of:
        at = instant_of(as_of, here.settings.time_zone)
        found = found.where(col(Grant.valid_from) <= at, or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > at))
    if state == "live":
        found = found.where(or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > now))
    elif state == "ended":
        found = found.where(col(Grant.valid_to) <= now)
    return await GRANTS.answer(request, ask, found, shown, filename="grants")


@router.get("/grants/{grant_id}", response_model=GrantOut)
async def get_grant(request: Request, grant_id: str, session: Session, by: Reader) -> Response:
    """Read a grant."""
    return etags.answer(request, shown(await _one(session, grant_id, by)))


@router.post("/grants/{grant_id}/end", response_model=GrantOut)
async def end_grant(
    request: Request, grant_id: str, wanted: GrantEnd, session: Session, by: Granter, now: Now
) -> Response:
    """End a grant, now or at a later instant."""
    grant = await grants.get(session, grant_id)
    await grants.end(session, grant, at=wanted.at, reason=wanted.reason, by=by, now=now)
    return etags.answer(request, shown(await _one(session, grant_id, by)))
