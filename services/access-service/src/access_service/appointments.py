"""The places that people have in the institution, and the org unit and manager that follow from them each day.

The primary appointment that began last decides; once it has ended, the person belongs nowhere until the next begins.
Before the first one begins, and where there is none, what was said by hand stands. Who is inactive stays as she was.
"""

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import attribute_sources, events, freshness, org_units, present
from access_service.tables import Appointment, Person
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem

BATCH = 500
"""How many people one transaction moves on."""

_MOVE = text("""
    WITH latest AS (
        SELECT DISTINCT ON (person_id) person_id, org_unit, manager, ends_on FROM appointment
        WHERE "primary" AND starts_on <= :today AND (CAST(:only AS text) IS NULL OR person_id = :only)
        ORDER BY person_id, starts_on DESC
    ), place AS (
        SELECT person_id, CASE WHEN there THEN org_unit END AS org_unit, CASE WHEN there THEN manager END AS manager
        FROM (SELECT *, ends_on IS NULL OR ends_on >= :today AS there FROM latest) AS dated
    ), due AS (
        SELECT p.id, p.org_unit AS was, place.org_unit, place.manager
        FROM place JOIN person p ON p.id = place.person_id
        WHERE p.status = 'active' AND (p.org_unit, p.manager) IS DISTINCT FROM (place.org_unit, place.manager)
        ORDER BY p.id LIMIT :most FOR NO KEY UPDATE OF p SKIP LOCKED
    )
    UPDATE person SET org_unit = due.org_unit, manager = due.manager, version = version + 1, updated_at = :now
    FROM due WHERE person.id = due.id RETURNING person.id, due.was
""")


class AppointmentOverlaps(Problem):
    """Somebody would have two primary appointments on one day."""

    status, code = HTTPStatus.CONFLICT, "appointment-overlaps"


async def get(session: AsyncSession, person: Person, appointment_id: str) -> Appointment:
    """Read an appointment of this person. Raises `NotFound`."""
    found = await session.get(Appointment, appointment_id)
    if found is None or found.person_id != person.id:
        raise NotFound(f"There is no appointment {appointment_id} of {person.id}.")
    return found


async def is_appointed(session: AsyncSession, person_id: str) -> bool:
    """Say whether somebody has, had or will have an appointment."""
    found = select(col(Appointment.id)).where(col(Appointment.person_id) == person_id).limit(1)
    return (await session.execute(found)).first() is not None


async def add(
    session: AsyncSession, person: Person, facts: Mapping[str, Any], *, by: Caller, today: date, now: datetime
) -> Appointment:
    """Appoint somebody; `facts` are columns of `Appointment`.

    Raises `Invalid` (an unknown unit or manager, days turned round), `AppointmentOverlaps`, `OtherSource`.
    """
    await _lock(session, person)
    await _demand_sound(session, person, facts, by=by, primary=facts["primary"])
    _demand_order(facts["starts_on"], facts.get("ends_on"), pointer="/ends_on")
    row = Appointment(id=ids.new("apt"), person_id=person.id, created_at=now, updated_at=now, **facts)
    session.add(row)
    await _flush(session)
    fact = events.AppointmentAdded(
        person=person.id, org_unit=row.org_unit, kind=row.kind, primary=row.primary, starts_on=row.starts_on,
        ends_on=row.ends_on,
    )  # fmt: skip
    await publish(session, fact, of=row.id, version=row.version, actor=by, now=now)
    audit.record(
        session, "appointment.added", kind="appointment", of=row.id, by=by, now=now, person=person.id,
        org_unit=row.org_unit,
    )  # fmt: skip
    await turn_of_day(session, only=person.id, by=by, today=today, now=now)
    return row


async def change(
    session: AsyncSession, person: Person, row: Appointment, facts: Mapping[str, Any], *, by: Caller, today: date,
    now: datetime, pointer: str = "/ends_on",
) -> None:  # fmt: skip
    """Change what `facts` names. Raises what `add` raises."""
    await _lock(session, person)
    await _demand_sound(session, person, facts, by=by, primary=row.primary or facts.get("primary", False))
    _demand_order(facts.get("starts_on", row.starts_on), facts.get("ends_on", row.ends_on), pointer=pointer)
    for name, value in facts.items():
        setattr(row, name, value)
    row.updated_at = now
    await _flush(session)
    fact = events.AppointmentChanged(person=person.id, changed=sorted(facts))
    await publish(session, fact, of=row.id, version=row.version, actor=by, now=now)
    audit.record(
        session, "appointment.changed", kind="appointment", of=row.id, by=by, now=now, person=person.id,
        changed=sorted(facts),
    )  # fmt: skip
    await turn_of_day(session, only=person.id, by=by, today=today, now=now)


async def end(
    session: AsyncSession, person: Person, row: Appointment, *, last_day: date, by: Caller, today: date, now: datetime
) -> None:
    """End it with `last_day`. Raises `Conflict` when it ends by then anyhow, `Invalid` for a day before its first."""
    if row.ends_on is not None and row.ends_on <= last_day:
        raise Conflict(f"This appointment ends on {row.ends_on} already.")
    if last_day < row.starts_on:
        raise Invalid.at("/on", f"It begins on {row.starts_on} only. DELETE it if it is not to begin at all.", "order")
    await change(session, person, row, {"ends_on": last_day}, by=by, today=today, now=now, pointer="/on")


async def withdraw(
    session: AsyncSession, person: Person, row: Appointment, *, by: Caller, today: date, now: datetime
) -> None:
    """Take back an appointment that has not begun. Raises `Conflict` for one that has: it is part of the record."""
    if row.starts_on <= today:
        raise Conflict("This appointment has begun. End it instead (POST …/end), or correct it.")
    await attribute_sources.demand(session, by, _said(primary=row.primary))
    fact = events.AppointmentWithdrawn(person=person.id)
    await publish(session, fact, of=row.id, version=row.version + 1, actor=by, now=now)
    audit.record(session, "appointment.withdrawn", kind="appointment", of=row.id, by=by, now=now, person=person.id)
    await session.delete(row)
    await session.flush()


async def turn_of_day(
    session: AsyncSession, *, today: date, now: datetime, only: str | None = None, by: Caller | str = "lodge"
) -> bool:
    """Move people (`only` one) to the org unit and manager of this day; answers whether there may be more to move.

    One statement for `BATCH` people; who is moved is told of and asked for anew. Once done there is nothing to do.
    """
    asked = {"today": today, "now": now, "only": only, "most": BATCH}
    were = {row.id: row.was for row in await session.execute(_MOVE, asked)}
    if were:
        moved = select(Person).where(col(Person.id).in_(were)).order_by(col(Person.id))
        rows = await session.execute(moved, execution_options={"populate_existing": True})
        for person in rows.scalars():
            await told_moved(session, person, were[person.id], by=by, now=now)
        await freshness.forget(session, sorted(were))
    return len(were) == BATCH


async def told_moved(
    session: AsyncSession, person: Person, was: str | None, *, by: Caller | str, now: datetime
) -> None:
    """Tell of a person's new org unit or manager, and put it on record."""
    fact = events.PersonMoved(
        external_id=person.external_id, was_in=was, org_unit=person.org_unit, manager=person.manager
    )
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(
        session, "person.moved", kind="person", of=person.id, by=by, now=now, was_in=was, org_unit=person.org_unit,
        manager=person.manager,
    )  # fmt: skip


async def _lock(session: AsyncSession, person: Person) -> None:
    # Locked: two who appoint the same person wait for each other, rather than each for the other's row.
    await session.refresh(person, with_for_update={"key_share": True})


async def _flush(session: AsyncSession) -> None:
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError as error:
        if "ex_appointment_primary" not in str(error.orig):
            raise
        raise AppointmentOverlaps(
            "This person has another primary appointment on some of these days, and there is one at a time. End that"
            " one first, begin this one later, or have it not be the primary one."
        ) from error


def _said(*, primary: bool) -> dict[str, str]:
    """Answer which attributes of the person an appointment says: the primary one says where the person belongs."""
    said = {attribute_sources.APPOINTMENTS: ""}
    return said | ({"org_unit": "/org_unit", "manager": "/manager"} if primary else {})


async def _demand_sound(
    session: AsyncSession, person: Person, facts: Mapping[str, Any], *, by: Caller, primary: bool
) -> None:
    await attribute_sources.demand(session, by, _said(primary=primary))
    await org_units.demand_open(session, facts.get("org_unit"))
    await present.demand_person(session, facts.get("manager"), pointer="/manager", other_than=person.id)


def _demand_order(starts_on: date, ends_on: date | None, *, pointer: str) -> None:
    if ends_on is not None and ends_on < starts_on:
        raise Invalid.at(pointer, "The last day must not be before the first.", "order")
