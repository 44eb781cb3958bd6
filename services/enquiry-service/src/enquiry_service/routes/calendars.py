"""/enquiry/v1/calendars: which days each clock counts, and the days off that are added to them."""

from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import days_off, jobs, rights
from enquiry_service.clock import profiles
from enquiry_service.clock.calendars import Nation
from enquiry_service.clock.profiles import Profile, ProfileName
from enquiry_service.settings import of as settings_of
from enquiry_service.tables import DaysOff
from lodge_kit import etags, listing
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated, Caller, requires
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import Invalid, NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Name
from lodge_kit.world import Here, Now, Today

router = APIRouter(tags=["calendars"], route_class=IdempotentRoute)

Keeper = Annotated[Caller, requires(rights.CALENDARS, everywhere=True)]

_LONGEST = 366
"""Days: a closure that is longer is a mistake, and would keep clocks from ever coming to an end."""
_SHOWN = 366 * 3
_EARLIEST, _LATEST = date(2000, 1, 1), date(2099, 12, 31)


class DaysOffIn(BaseModel):
    """Days to add to the calendars."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["bank-holiday", "closure"] = Field(
        description="A bank holiday was proclaimed: no working day for laws and targets. A closure is for targets only."
    )
    name: Name = Field(examples=["Bank holiday for the coronation"])
    first_on: date = Field(ge=_EARLIEST, le=_LATEST)
    last_on: date | None = Field(default=None, ge=_EARLIEST, le=_LATEST, description="The first day where left out.")
    nations: list[Nation] = Field(
        default=[], max_length=4, description="Where the bank holiday is one; a closure is of no nation."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        last = self.last_on or self.first_on
        if not timedelta() <= last - self.first_on < timedelta(days=_LONGEST):
            raise PydanticCustomError("order", "The last day is on or after the first, and less than a year later.")
        if bool(self.nations) is (self.kind == "closure"):
            raise PydanticCustomError("nations", "A bank holiday names its nations, a closure none.")
        return self


class DaysOffOut(BaseModel):
    """Days that were added to the calendars."""

    id: str
    etag: str
    kind: Literal["bank-holiday", "closure"]
    name: str
    first_on: date
    last_on: date
    nations: list[Nation]
    entered_by: Reference
    withdrawn_at: datetime | None
    created_at: datetime
    updated_at: datetime


class CalendarOut(BaseModel):
    """The days that one kind of clock counts, and the law that says so."""

    name: ProfileName
    title: str
    law: str
    nations: list[Nation] = Field(description="Whose bank holidays do not count.")
    closures: bool = Field(description="Whether closures of the institution do not count either.")


class CalendarDay(BaseModel):
    """A day from Monday to Friday that is no working day."""

    on: date
    name: str


DAYS_OFF = Listing(DaysOffOut, key=col(DaysOff.id), orders={"first_on": col(DaysOff.first_on)}, default="-first_on")


def _days_off() -> Select[DaysOff, str | None]:
    return select(DaysOff, col(KnownName.name)).outerjoin(KnownName, col(KnownName.id) == col(DaysOff.entered_by))


def shown(row: Row[DaysOff, str | None]) -> DaysOffOut:
    """Show days off with who entered them."""
    references = {"etag": etags.etag(row[0]), "entered_by": {"id": row[0].entered_by, "name": row[1] or ""}}
    return DaysOffOut.model_validate(row[0].model_dump() | references)


async def _now_is(request: Request, session: AsyncSession, days_off_id: str, status: int = 200) -> Response:
    row = (await session.execute(_days_off().where(col(DaysOff.id) == days_off_id))).one_or_none()
    if row is None:
        raise NotFound(f"There are no days off {days_off_id}.")
    location = f"/enquiry/v1/calendars/days-off/{days_off_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


@router.post("/calendars/days-off", status_code=201, response_model=DaysOffOut)
async def create_days_off(request: Request, wanted: DaysOffIn, session: Session, by: Keeper, now: Now) -> Response:
    """Add a proclaimed bank holiday or a closure. Dates of open enquiries follow; those that have ended stand."""
    facts = wanted.model_dump() | {"last_on": wanted.last_on or wanted.first_on}
    made = await days_off.add(session, facts, by=by, now=now)
    await jobs.defer_due_dates(session)
    return await _now_is(request, session, made.id, 201)


@router.get("/calendars/days-off", responses=DAYS_OFF.responses)
async def list_days_off(
    request: Request, _by: Authenticated, ask: Annotated[Ask, DAYS_OFF.ask],
    kind: Literal["bank-holiday", "closure"] | None = None,
    withdrawn: Annotated[bool, Query(description="Those that were withdrawn.")] = False,  # noqa: FBT002 - a query parameter
) -> Response:  # fmt: skip
    """List the days off that were added to the calendars."""
    found = _days_off()
    gone = col(DaysOff.withdrawn_at)
    found = found.where(gone.is_not(None) if withdrawn else gone.is_(None))
    if kind:
        found = found.where(col(DaysOff.kind) == kind)
    return await DAYS_OFF.answer(request, ask, found, shown, filename="days-off")


@router.get("/calendars/days-off/{days_off_id}", response_model=DaysOffOut)
async def get_days_off(request: Request, days_off_id: str, session: Session, _by: Authenticated) -> Response:
    """Read days off that were added, withdrawn ones too."""
    return await _now_is(request, session, days_off_id)


@router.delete("/calendars/days-off/{days_off_id}", status_code=204)
async def withdraw_days_off(days_off_id: str, session: Session, by: Keeper, if_match: IfMatch, now: Now) -> None:
    """Withdraw days off. Open enquiries count them again; those that have ended stand as they were counted."""
    found = await days_off.get(session, days_off_id)
    etags.demand(found, if_match)
    await days_off.withdraw(session, found, by=by, now=now)
    await jobs.defer_due_dates(session)


@router.get("/calendars", responses={200: {"model": listing.Page[CalendarOut]}})
async def list_calendars(request: Request, _by: Authenticated, here: Here) -> Response:
    """List the calendars: one for each law, and the institution's own."""
    nation = settings_of(here).nation
    items = [
        CalendarOut(
            name=one.name, title=one.title, law=one.law, nations=list(one.nations or (nation,)), closures=one.closures
        )
        for one in _PROFILES.values()
    ]
    return await listing.whole(request, items, CalendarOut, filename="calendars")


@router.get("/calendars/{calendar}", responses={200: {"model": listing.Page[CalendarDay]}})
async def get_calendar(
    request: Request, calendar: ProfileName, session: Session, _by: Authenticated, here: Here, today: Today,
    from_: Annotated[date | None, Query(alias="from", description="Today where it is left out.")] = None,
    until: Annotated[date | None, Query(description="A year later where it is left out.")] = None,
) -> Response:  # fmt: skip
    """List the days from Monday to Friday that a calendar does not count, in order."""
    first = from_ or today
    last = until or first + timedelta(days=365)
    if not timedelta() <= last - first <= timedelta(days=_SHOWN):
        raise Invalid.at("query/until", "Ask for three years at most, from the first day to the last.", "range")
    kept = days_off.calendar(_PROFILES[calendar], await days_off.added(session), settings_of(here))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    items = [
        CalendarDay(on=day, name=name)
        for day in days
        if day.weekday() < 5 and (name := kept.holiday(day))  # noqa: PLR2004 - Saturday
    ]
    return await listing.whole(request, items, CalendarDay, filename=f"calendar-{calendar}")


_PROFILES: dict[ProfileName, Profile] = {**profiles.OF_LAW, "internal": profiles.internal(10)}
