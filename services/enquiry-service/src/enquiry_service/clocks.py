"""The clock of an enquiry: paused, resumed, extended, put to review; its date follows from the log, always anew.

`enquiry.due_on` is a copy of what the log and the calendars come to, for lists. Every verb that changes either
refreshes it in its transaction (`refresh`), a change of a calendar by a job, and a round of the worker each day.
The date of an enquiry that has ended stands: it was put on record at its end, with the days off that were known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import days_off, enquiry_log, events, kinds, rights
from enquiry_service.clock import calendars, profiles, stages
from enquiry_service.clock.counting import Reckoning
from enquiry_service.clock.profiles import Cause, Profile
from enquiry_service.clock.stages import Stage, Step
from enquiry_service.settings import of as settings_of
from enquiry_service.tables import Enquiry, EnquiryEvent
from lodge_kit import notices
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, Problem
from lodge_kit.world import World

OPEN = ("new", "open", "waiting")
EARLIEST = date(2000, 1, 1)
"""Nothing is older: a date before it is a slip of the pen."""


class ClockHasNone(Problem):
    """This clock knows no such pause, extension or review."""

    status, code = HTTPStatus.CONFLICT, "clock-has-none"


class TooLate(Problem):
    """The day by which it was due is over: what had to be said by then cannot be entered for a later day."""

    status, code = HTTPStatus.CONFLICT, "too-late"


@dataclass(frozen=True, slots=True)
class Reckoned:
    """One stage of an enquiry's clock with what it comes to. `due_on` is the date that was put on record, if any."""

    stage: Stage
    profile: Profile
    reckoning: Reckoning
    due_on: date | None


def today(world: World, now: datetime) -> date:
    """Answer which day it is where the institution is."""
    return now.astimezone(world.settings.time_zone).date()


async def read(session: AsyncSession, enquiry: Enquiry, *, world: World) -> list[Stage]:
    """Read the log of an enquiry as its clock."""
    logged = select(EnquiryEvent).where(
        col(EnquiryEvent.enquiry_id) == enquiry.id, col(EnquiryEvent.type).in_(stages.READ)
    )
    rows = (await session.execute(logged.order_by(col(EnquiryEvent.occurred_at), col(EnquiryEvent.id)))).scalars()
    return stages.read([_step(one, world) for one in rows])


def _step(row: EnquiryEvent, world: World) -> Step:
    on = row.facts.get("on") or (row.type == stages.RECEIVED and row.facts.get("received_on"))
    day = date.fromisoformat(on) if on else today(world, row.occurred_at)
    return Step(row.id, row.type, day, row.actor, row.facts)


async def reckoned(session: AsyncSession, enquiry: Enquiry, *, world: World, now: datetime) -> list[Reckoned]:
    """Count the days of each stage, the one that runs last."""
    known = await days_off.added(session)
    profile = await _profile(session, enquiry, now=now)
    return [_reckoned(one, profile, known, world=world, now=now) for one in await read(session, enquiry, world=world)]


async def _profile(session: AsyncSession, enquiry: Enquiry, *, now: datetime) -> Profile:
    return kinds.profile(await kinds.get(session, enquiry.kind, now=now), enquiry.priority)


def _reckoned(
    stage: Stage, profile: Profile, known: Sequence[calendars.DaysOff], *, world: World, now: datetime
) -> Reckoned:
    kept = stage.ended.facts.get("clock") if stage.ended else None
    if kept is not None:
        of_law = profiles.OF_LAW.get(kept["profile"])
        profile = replace(of_law, length=kept["length"]) if of_law else profiles.internal(kept["length"])
    if stage.name == "review" and profile.review is not None:
        profile = profile.of_review()
    calendar = days_off.calendar(profile, known, settings_of(world))
    reckoning = stage.reckoned(profile, calendar, until=today(world, now))
    due_on = reckoning.due_on
    if kept is not None:
        due_on = date.fromisoformat(kept["due_on"]) if kept["due_on"] else None
    return Reckoned(stage, profile, reckoning, due_on)


async def refresh(
    session: AsyncSession, enquiry: Enquiry, *, by: Caller | str, world: World, now: datetime, is_told: bool = True
) -> date | None:
    """Write down what the clock comes to now, and tell of a date that has moved; answers the date."""
    known = await days_off.added(session)
    running = (await read(session, enquiry, world=world))[-1]
    found = _reckoned(running, await _profile(session, enquiry, now=now), known, world=world, now=now)
    was, first = enquiry.due_on, enquiry.clock_state is None
    if (was, enquiry.clock_state) != (found.due_on, running.state):
        enquiry.due_on, enquiry.clock_state = found.due_on, running.state
        await session.flush()
    if was == found.due_on or first:
        return found.due_on
    for told in (events.EnquiryDueSoon, events.EnquiryOverdue):  # of the date that it was due by before
        await notices.settle(session, told.type, [enquiry.id], now=now)
    if is_told:
        fact = events.EnquiryDueChanged(due_on=found.due_on, was=was)
        await enquiry_log.publish_of(session, enquiry, fact, by=by, now=now)
    return found.due_on


async def ending(session: AsyncSession, enquiry: Enquiry, *, world: World, now: datetime) -> dict[str, Any]:
    """Answer what a step that ends the clock keeps of it: its date, and by which days it came about."""
    found = (await reckoned(session, enquiry, world=world, now=now))[-1]
    if found.stage.ended:
        return {}
    calendar = days_off.calendar(found.profile, await days_off.added(session), settings_of(world))
    days = [one.on for one in found.reckoning.days]
    kept = {
        "profile": found.profile.name,
        "length": found.profile.length,
        "due_on": found.due_on.isoformat() if found.due_on else None,
        "days_off": {day.isoformat(): name for day in days if (name := calendar.holiday(day))},
    }
    return {"clock": kept}


async def pause(
    session: AsyncSession, enquiry: Enquiry, cause: Cause, *, reason: str, on: date | None, by: Caller, world: World,
    now: datetime,
) -> None:  # fmt: skip
    """Have the clock stand still until what was asked for has come."""
    running, day = await _turned(session, enquiry, on, by=by, world=world, now=now)
    if running.stage.is_waiting:
        raise Conflict(f"This clock stands still already, for {running.stage.waits[-1].cause}. Resume it first.")
    if cause not in running.profile.effects:
        known = ", ".join(running.profile.effects)
        raise ClockHasNone(f"{running.profile.title}: nothing stops this clock for {cause}; it knows {known}.")
    _demand_in_time(running, day, "What is asked for later does not move the date.")
    facts: dict[str, Any] = {"cause": cause, "on": day.isoformat(), "reason": reason}
    await enquiry_log.happened(session, enquiry, stages.PAUSED, by=by, now=now, **facts)
    enquiry.status = "waiting"
    await refresh(session, enquiry, by=by, world=world, now=now)


async def resume(
    session: AsyncSession, enquiry: Enquiry, *, reason: str, on: date | None, by: Caller, world: World, now: datetime
) -> None:
    """Have the clock go on: what was waited for has come."""
    running, day = await _turned(session, enquiry, on, by=by, world=world, now=now)
    if not running.stage.is_waiting:
        raise Conflict("This clock does not stand still.")
    facts: dict[str, Any] = {"cause": running.stage.waits[-1].cause, "on": day.isoformat(), "reason": reason}
    await enquiry_log.happened(session, enquiry, stages.RESUMED, by=by, now=now, **facts)
    enquiry.status = "open"
    await refresh(session, enquiry, by=by, world=world, now=now)


async def extend(
    session: AsyncSession, enquiry: Enquiry, *, more: int | None, reason: str, on: date | None, by: Caller,
    world: World, now: datetime,
) -> None:  # fmt: skip
    """Extend the clock as its law allows: once, before its date, by the most where `more` is left out."""
    running, day = await _turned(session, enquiry, on, by=by, world=world, now=now)
    profile, stage = running.profile, running.stage
    if profile.extension == 0:
        raise ClockHasNone(f"{profile.title}: this clock is not extended.")
    if stage.is_waiting:
        raise Conflict("This clock stands still. Resume it first.")
    left = profile.extension - stage.extended
    if left <= 0 or (stage.extensions and profile.name != "internal"):
        raise Conflict("This clock was extended already.")
    wanted = left if more is None else more
    if wanted > left:
        raise Invalid.at("/more", f"This clock may be extended by {left} {profile.unit} at most.", "too-long")
    _demand_in_time(running, day, "The requester had to be told of an extension by then.")
    facts: dict[str, Any] = {"more": wanted, "on": day.isoformat(), "reason": reason}
    await enquiry_log.happened(session, enquiry, stages.EXTENDED, by=by, now=now, **facts)
    await refresh(session, enquiry, by=by, world=world, now=now)


async def start_review(
    session: AsyncSession, enquiry: Enquiry, *, reason: str, on: date | None, by: Caller, world: World, now: datetime
) -> None:
    """Open an answered or closed enquiry for an internal review, which has a clock of its own."""
    by.demand(rights.ANSWER, enquiry.org_unit or "")
    if enquiry.status in OPEN:
        raise Conflict("This enquiry is open: a review is of what was answered.")
    ended = (await reckoned(session, enquiry, world=world, now=now))[-1]
    if ended.stage.name == "review" or ended.profile.review is None:
        raise ClockHasNone(f"{ended.profile.title}: there is no internal review. Reopen the enquiry instead.")
    since = ended.stage.ended.on if ended.stage.ended else ended.stage.latest
    day = _day(on, since, world=world, now=now)
    facts: dict[str, Any] = {"on": day.isoformat(), "reason": reason}
    await enquiry_log.happened(session, enquiry, stages.REVIEW, by=by, now=now, **facts)
    enquiry.status, enquiry.outcome, enquiry.reason, enquiry.answered_at = "open", None, None, None
    due_on = await refresh(session, enquiry, by=by, world=world, now=now, is_told=False)
    fact = events.EnquiryReviewStarted(due_on=due_on)
    event = await enquiry_log.publish_of(session, enquiry, fact, by=by, now=now)
    title = "An internal review of an enquiry of yours was asked for."
    await enquiry_log.tell(session, enquiry.assignee, event, title, enquiry, by=by, now=now)


async def retract(
    session: AsyncSession, enquiry: Enquiry, *, reason: str, by: Caller, world: World, now: datetime
) -> None:
    """Take back the last pause, resumption or extension: it was entered by mistake. Both stay in the log."""
    by.demand(rights.ANSWER, enquiry.org_unit or "")
    _demand_open(enquiry)
    stage = (await read(session, enquiry, world=world))[-1]
    if not stage.steps:
        raise Conflict("Nothing was done to this clock that could be taken back.")
    facts: dict[str, Any] = {"step": stage.steps[-1].id, "reason": reason}
    await enquiry_log.happened(session, enquiry, stages.RETRACTED, by=by, now=now, **facts)
    await refresh(session, enquiry, by=by, world=world, now=now)
    enquiry.status = "waiting" if enquiry.clock_state == "paused" else "open"


async def demand_receivable(
    session: AsyncSession, enquiry: Enquiry, received_on: date, *, world: World, now: datetime
) -> None:
    """Refuse a day of receipt that what was entered since does not allow."""
    stage, *later = await read(session, enquiry, world=world)
    if later or stage.ended:
        raise Conflict("The clock of this enquiry has ended. Reopen it before you change the day of its receipt.")
    if stage.steps and received_on > stage.steps[0].on:
        raise Invalid.at("/received_on", f"Its clock was turned on {stage.steps[0].on} already.", "after-a-step")
    demand_day(received_on, "/received_on", world=world, now=now)


def demand_day(day: date, pointer: str, *, world: World, now: datetime) -> None:
    """Refuse days to come, and such as nobody can have meant."""
    if day > today(world, now):
        raise Invalid.at(pointer, "This day is in the future.", "future")
    if day < EARLIEST:
        raise Invalid.at(pointer, f"This day is before {EARLIEST}.", "too-early")


def _demand_open(enquiry: Enquiry) -> None:
    if enquiry.status not in OPEN:
        raise Conflict(f"This enquiry is {enquiry.status}. Reopen it first.")


async def _turned(
    session: AsyncSession, enquiry: Enquiry, on: date | None, *, by: Caller, world: World, now: datetime
) -> tuple[Reckoned, date]:
    """Answer the stage that runs, and the day for which a step of it may be entered."""
    by.demand(rights.ANSWER, enquiry.org_unit or "")
    _demand_open(enquiry)
    running = (await reckoned(session, enquiry, world=world, now=now))[-1]
    return running, _day(on, running.stage.latest, world=world, now=now)


def _day(on: date | None, since: date, *, world: World, now: datetime) -> date:
    day = on or today(world, now)
    demand_day(day, "/on", world=world, now=now)
    if day < since:
        raise Invalid.at(
            "/on", f"The log of this clock is at {since} already: give that day or a later one.", "too-early"
        )
    return day


def _demand_in_time(running: Reckoned, day: date, because: str) -> None:
    if running.due_on is not None and day > running.due_on:
        raise TooLate(f"It was due on {running.due_on}. {because}")
