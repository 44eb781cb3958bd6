"""/access/v1/people/{id}/appointments."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import appointments, people, rights
from access_service.tables import Appointment, OrgUnit, Person
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now, Today

router = APIRouter(tags=["people"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.PEOPLE_READ)]
Writer = Annotated[Caller, requires(rights.PEOPLE_WRITE)]
Kind = Literal["staff", "student", "associate"]


class AppointmentChange(Change):
    """What may be changed of an appointment; null clears (RFC 7396)."""

    org_unit: Id = Field(default="")
    kind: Kind = "staff"
    title: Name | None = Field(default=None, examples=["Admissions officer"])
    manager: Id | None = None
    starts_on: date = Field(default=date.min, description="The first day.")
    ends_on: date | None = Field(default=None, description="The last day; null is without end.")
    primary: bool = Field(
        default=False, description="Whether it says where the person belongs: one appointment at most on any day."
    )


class AppointmentIn(AppointmentChange):
    """An appointment to make."""

    org_unit: Id
    kind: Kind
    starts_on: date = Field(description="The first day.")


class AppointmentEnd(BaseModel):
    """How an appointment ends."""

    model_config = ConfigDict(extra="forbid")

    on: date | None = Field(default=None, description="The last day; today where it is left out.")


class AppointmentOut(BaseModel):
    """A place that a person has in the institution, from one day to another, both included."""

    id: str
    etag: str
    person: Reference
    org_unit: Reference
    kind: Kind
    title: str | None
    manager: Reference | None
    starts_on: date
    ends_on: date | None
    primary: bool
    created_at: datetime
    updated_at: datetime


APPOINTMENTS = Listing(
    AppointmentOut,
    key=col(Appointment.id),
    orders={"starts_on": col(Appointment.starts_on), "created_at": col(Appointment.created_at)},
    default="-starts_on",
)
_Rows = Row[Appointment, str, str, str | None]


def of(person_id: str) -> Select[Appointment, str, str, str | None]:
    """Answer a person's appointments with the names that they refer to."""
    manager = select(col(Person.name)).where(col(Person.id) == col(Appointment.manager)).correlate(Appointment)
    holder = select(col(Person.name)).where(col(Person.id) == col(Appointment.person_id)).correlate(Appointment)
    return (
        select(Appointment, holder.scalar_subquery(), col(OrgUnit.name), manager.scalar_subquery())
        .join(OrgUnit, col(OrgUnit.id) == col(Appointment.org_unit))
        .where(col(Appointment.person_id) == person_id)
    )


def shown(row: _Rows) -> AppointmentOut:
    """Show an appointment with the names of what it refers to."""
    one = row[0]
    references = {
        "person": reference(one.person_id, row[1]),
        "org_unit": reference(one.org_unit, row[2]),
        "manager": reference(one.manager, row[3]),
    }
    return AppointmentOut.model_validate(one.model_dump() | references | {"etag": etags.etag(one)})


async def _answer(
    request: Request, session: AsyncSession, person: Person, appointment_id: str, status: int = 200
) -> Response:
    await session.flush()
    row = (await session.execute(of(person.id).where(col(Appointment.id) == appointment_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no appointment {appointment_id} of {person.id}.")
    location = f"/access/v1/people/{person.id}/appointments/{appointment_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


async def _seen(session: AsyncSession, person_id: str, by: Caller) -> Person:
    person = await people.get(session, person_id)
    if not by.may(rights.PEOPLE_READ, person.org_unit or EVERYWHERE):
        raise NotFound(f"There is no person {person_id} that you may see.")
    return person


async def _writable(session: AsyncSession, person_id: str, by: Caller, *units: str | None) -> Person:
    """Read a person whom the caller may change, where the caller may place people in these units too."""
    person = await people.get(session, person_id)
    by.demand(rights.PEOPLE_WRITE, person.org_unit or EVERYWHERE)
    for unit in filter(None, units):
        by.demand(rights.PEOPLE_WRITE, unit)
    return person


@router.post("/people/{person_id}/appointments", status_code=201, response_model=AppointmentOut)
async def create_appointment(
    request: Request, person_id: str, wanted: AppointmentIn, session: Session, by: Writer, today: Today, now: Now
) -> Response:
    """Appoint a person. While a primary appointment runs, it says the person's org unit and manager."""
    person = await _writable(session, person_id, by, wanted.org_unit)
    row = await appointments.add(session, person, wanted.model_dump(), by=by, today=today, now=now)
    return await _answer(request, session, person, row.id, 201)


@router.get("/people/{person_id}/appointments", responses=APPOINTMENTS.responses)
async def list_appointments(
    request: Request, person_id: str, session: Session, by: Reader, ask: Annotated[Ask, APPOINTMENTS.ask],
    on: Annotated[date | None, Query(description="Those that run on this day.")] = None,
    kind: Kind | None = None,
) -> Response:  # fmt: skip
    """List a person's appointments: those that were, are and will be."""
    found = of((await _seen(session, person_id, by)).id)
    if on:
        ended = or_(col(Appointment.ends_on).is_(None), col(Appointment.ends_on) >= on)
        found = found.where(col(Appointment.starts_on) <= on, ended)
    if kind:
        found = found.where(col(Appointment.kind) == kind)
    return await APPOINTMENTS.answer(request, ask, found, shown, filename="appointments")


@router.get("/people/{person_id}/appointments/{appointment_id}", response_model=AppointmentOut)
async def get_appointment(
    request: Request, person_id: str, appointment_id: str, session: Session, by: Reader
) -> Response:
    """Read an appointment."""
    return await _answer(request, session, await _seen(session, person_id, by), appointment_id)


@router.patch("/people/{person_id}/appointments/{appointment_id}", response_model=AppointmentOut)
async def change_appointment(
    request: Request, person_id: str, appointment_id: str, wanted: AppointmentChange, session: Session,
    if_match: IfMatch, by: Writer, today: Today, now: Now,
) -> Response:  # fmt: skip
    """Correct an appointment."""
    facts = wanted.model_dump(exclude_unset=True)
    person = await _writable(session, person_id, by, facts.get("org_unit"))
    row = await appointments.get(session, person, appointment_id)
    by.demand(rights.PEOPLE_WRITE, row.org_unit)
    etags.demand(row, if_match)
    await appointments.change(session, person, row, facts, by=by, today=today, now=now)
    return await _answer(request, session, person, row.id)


@router.post("/people/{person_id}/appointments/{appointment_id}/end", response_model=AppointmentOut)
async def end_appointment(
    request: Request, person_id: str, appointment_id: str, wanted: AppointmentEnd, session: Session, by: Writer,
    today: Today, now: Now,
) -> Response:  # fmt: skip
    """End an appointment with a last day."""
    person = await _writable(session, person_id, by)
    row = await appointments.get(session, person, appointment_id)
    by.demand(rights.PEOPLE_WRITE, row.org_unit)
    await appointments.end(session, person, row, last_day=wanted.on or today, by=by, today=today, now=now)
    return await _answer(request, session, person, row.id)


@router.delete("/people/{person_id}/appointments/{appointment_id}", status_code=204)
async def withdraw_appointment(
    person_id: str, appointment_id: str, session: Session, if_match: IfMatch, by: Writer, today: Today, now: Now
) -> None:
    """Take back an appointment that has not begun."""
    person = await _writable(session, person_id, by)
    row = await appointments.get(session, person, appointment_id)
    by.demand(rights.PEOPLE_WRITE, row.org_unit)
    etags.demand(row, if_match)
    await appointments.withdraw(session, person, row, by=by, today=today, now=now)
