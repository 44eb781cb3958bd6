"""What release-service's queue can do: check a source. And the round that finds which ones are due."""

import asyncio
from datetime import datetime, timedelta

import procrastinate
from sqlalchemy.ext.asyncio import AsyncSession

from lodge_kit import context, jobs
from lodge_kit.world import World, of_job
from release_service import sources, watching
from release_service.settings import Settings

EVERY = 1
"""Seconds between two rounds."""

tasks = procrastinate.Blueprint()


@tasks.task(name="check_source", pass_context=True)
async def check_source(job: procrastinate.JobContext, *, source: str) -> None:
    """Check one source."""
    with context.entered(context.cause(None, None)):
        await watching.check(of_job(job), source)


async def order_check(session: AsyncSession, source_id: str, *, now: datetime) -> None:
    """Have a source checked once the transaction has committed."""
    await sources.claim(session, source_id, now=now)
    await _defer(session, source_id)


async def _defer(session: AsyncSession, source_id: str) -> None:
    await jobs.defer(session, check_source, once=f"check {source_id}", source=source_id)


async def order_due_checks(world: World) -> int:
    """Order the checks that are due; answers how many."""
    assert isinstance(world.settings, Settings)  # noqa: S101 - this service's own world
    gap = timedelta(seconds=world.settings.host_gap_seconds)
    async with world.database.transaction() as session:
        found = await sources.due(session, now=world.clock(), gap=gap)
        for source_id in found:
            await _defer(session, source_id)
    return len(found)


async def keep_watch(world: World) -> None:
    """Order the checks that are due, each second, as long as the worker runs."""
    while True:
        await order_due_checks(world)
        await asyncio.sleep(EVERY)


LOOPS = (keep_watch,)
