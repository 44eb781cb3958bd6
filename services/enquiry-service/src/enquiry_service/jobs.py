"""What enquiry-service's queue can do, and its worker's own round."""

import asyncio

import procrastinate
from procrastinate import JobContext
from sqlalchemy.ext.asyncio import AsyncSession

from enquiry_service import runs
from lodge_kit import jobs
from lodge_kit.world import World

tasks = procrastinate.Blueprint()

_EVERY = 60


@tasks.task(name="execute_run", pass_context=True)
async def execute_run(context: JobContext, *, run_id: str) -> None:
    """Execute a run of a report."""
    await runs.execute(jobs.world_of(context), run_id)


async def defer_run(session: AsyncSession, run_id: str) -> None:
    """Have a run executed once the transaction that asks for it has committed."""
    await jobs.defer(session, execute_run, run_id=run_id)


async def destroy_expired_files(world: World) -> None:
    """Destroy the files of runs on their day."""
    while True:
        await runs.destroy_expired(world)
        await asyncio.sleep(_EVERY)
