"""What the worker does as days turn: each round in a transaction of its own, by one worker at a time, safe to do again.

A new round is a function of `(session, turn)` that answers whether there is more to do, and a line in `ROUNDS`. What
a round does must leave nothing to do for the next: then it does not matter who does it, how often, or how late.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import appointments, expiring, leaving
from access_service.responsibilities.looking_ahead import look_ahead
from access_service.settings import Settings
from lodge_kit.world import World

EVERY = 60
"""Seconds between two turns: what a day's turn changes has changed a minute after midnight."""

_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('lodge access rounds', 0))")


@dataclass(frozen=True, slots=True)
class Turn:
    """When the rounds are made, and which day it is then where the institution is."""

    now: datetime
    today: date
    settings: Settings


Round = Callable[[AsyncSession, Turn], Awaitable[bool]]
"""Does what is due, or as much of it as one transaction should hold; answers whether there is more."""


async def _tell_of_gaps(session: AsyncSession, turn: Turn) -> bool:
    await look_ahead(session, today=turn.today, days=turn.settings.gap_lead_days, now=turn.now)
    return False


async def _let_go(session: AsyncSession, turn: Turn) -> bool:
    return await leaving.let_go(session, today=turn.today, now=turn.now)


async def _move_on(session: AsyncSession, turn: Turn) -> bool:
    return await appointments.turn_of_day(session, today=turn.today, now=turn.now)


async def _warn_of_keys(session: AsyncSession, turn: Turn) -> bool:
    return await expiring.warn(session, now=turn.now)


ROUNDS: tuple[Round, ...] = (_let_go, _move_on, _tell_of_gaps, _warn_of_keys)
"""In this order: who has left is moved nowhere, and what nobody answers for then is a gap."""


async def go_round(world: World) -> None:
    """Do every round, again and again."""
    while True:
        await once(world)
        await asyncio.sleep(EVERY)


async def once(world: World) -> bool:
    """Do every round until nothing is left to do; says whether this worker was the one to do them all.

    One that fails does not keep the others from being done: the failures are raised when all have had their turn.
    """
    assert isinstance(world.settings, Settings)  # noqa: S101 - this service's own world
    now = world.clock()
    turn = Turn(now, now.astimezone(world.settings.time_zone).date(), world.settings)
    alone, failures = True, []
    for one in ROUNDS:
        try:
            alone = await _through(world, one, turn) and alone
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rounds must be done
            failures.append(error)
    if failures:
        raise ExceptionGroup("rounds that failed", failures)
    return alone


async def _through(world: World, one: Round, turn: Turn) -> bool:
    more = True
    while more:
        async with world.database.transaction() as session:
            if not (await session.execute(_ALONE)).scalar_one():
                return False
            more = await one(session, turn)
    return True
