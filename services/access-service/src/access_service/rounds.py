"""What the worker does as days turn: each round in one transaction, by one worker at a time, safe to do again."""

import asyncio
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from access_service.responsibilities.looking_ahead import look_ahead
from access_service.settings import Settings
from lodge_kit.world import World

EVERY = 60
"""Seconds between two rounds: what a day's turn changes has changed a minute after midnight."""

_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('lodge access rounds', 0))")


async def go_round(world: World) -> None:
    """Do every round, again and again."""
    while True:
        await once(world)
        await asyncio.sleep(EVERY)


async def once(world: World) -> bool:
    """Do every round once; says whether this worker was the one to do it."""
    assert isinstance(world.settings, Settings)  # noqa: S101 - this service's own world
    now = world.clock()
    today = now.astimezone(world.settings.time_zone).date()
    async with world.database.transaction() as session:
        if not (await session.execute(_ALONE)).scalar_one():
            return False
        await _rounds(session, world.settings, today=today, now=now)
    return True


async def _rounds(session: AsyncSession, settings: Settings, *, today: date, now: datetime) -> None:
    await look_ahead(session, today=today, days=settings.gap_lead_days, now=now)
