"""Days that are added to the calendars: entered, withdrawn, and what the clocks are given of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service.clock import calendars
from enquiry_service.clock.profiles import Profile
from enquiry_service.settings import Settings
from enquiry_service.tables import DaysOff
from lodge_kit import audit, directory, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, NotFound


async def get(session: AsyncSession, days_off_id: str) -> DaysOff:
    """Read one. Raises `NotFound`."""
    found = await session.get(DaysOff, days_off_id)
    if found is None:
        raise NotFound(f"There are no days off {days_off_id}.")
    return found


async def add(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> DaysOff:
    """Add a closure, or a bank holiday of some nations. Whoever calls has the dates of open enquiries read anew."""
    await directory.remember_caller(session, by, now=now)
    added = DaysOff(id=ids.new("dof"), entered_by=by.id, created_at=now, updated_at=now, **facts)
    session.add(added)
    audit.record(
        session, f"calendar.{added.kind}-added", kind="days-off", of=added.id, by=by, now=now, name=added.name,
        first_on=added.first_on.isoformat(), last_on=added.last_on.isoformat(), nations=added.nations,
    )  # fmt: skip
    await session.flush()
    return added


async def withdraw(session: AsyncSession, days_off: DaysOff, *, by: Caller, now: datetime) -> None:
    """Take days off back: open enquiries count them again, ended ones were counted without them and stay so."""
    if days_off.withdrawn_at is not None:
        raise Conflict("These days off were withdrawn already.")
    days_off.withdrawn_at, days_off.withdrawn_by, days_off.updated_at = now, by.id, now
    audit.record(session, "calendar.withdrawn", kind="days-off", of=days_off.id, by=by, now=now)
    await session.flush()


async def added(session: AsyncSession) -> list[calendars.DaysOff]:
    """Read all that hold."""
    rows = (await session.execute(select(DaysOff).where(col(DaysOff.withdrawn_at).is_(None)))).scalars()
    return [
        calendars.DaysOff(
            one.first_on, one.last_on, one.name, frozenset(known for known in calendars.NATIONS if known in one.nations)
        )
        for one in rows
    ]


def calendar(profile: Profile, known: Sequence[calendars.DaysOff], settings: Settings) -> calendars.Calendar:
    """Make the calendar that a clock keeps to, of what `added` answered."""
    nations = profile.nations or (settings.nation,)
    return calendars.Calendar.made(nations, known, closures=profile.closures)
