"""What enquiry-service's queue can do, and its worker's own rounds."""

import asyncio

import procrastinate
from sqlalchemy.ext.asyncio import AsyncSession

from enquiry_service import artifacts, clocks, due_dates, execution, runs
from lodge_kit import context, jobs
from lodge_kit.world import World, of_job

tasks = procrastinate.Blueprint()

_EVERY = 60
_LOOK_ROUND = 10


@tasks.task(name="execute_run", pass_context=True)
async def execute_run(
    job: procrastinate.JobContext, *, run_id: str, request_id: str | None = None, traceparent: str | None = None
) -> None:
    """Execute a run of a report, on behalf of the request that asked for it."""
    with context.entered(context.cause(request_id, traceparent)):
        await execution.execute(of_job(job), run_id)


async def defer_run(session: AsyncSession, run_id: str) -> None:
    """Have a run executed once the transaction that asks for it has committed; a job that waits already is enough."""
    cause = context.current()
    facts = {"run_id": run_id, "request_id": cause.request_id, "traceparent": cause.traceparent}
    await jobs.defer(session, execute_run, once=run_id, **facts)


@tasks.task(name="refresh_due_dates", pass_context=True)
async def refresh_due_dates(job: procrastinate.JobContext, *, request_id: str, traceparent: str) -> None:
    """Read the clocks of all open enquiries anew, on behalf of the request that changed a calendar."""
    with context.entered(context.cause(request_id, traceparent)):
        await due_dates.refresh(of_job(job))


async def defer_due_dates(session: AsyncSession) -> None:
    """Have the dates of open enquiries follow a calendar that the transaction has changed."""
    cause = context.current()
    facts = {"request_id": cause.request_id, "traceparent": cause.traceparent}
    await jobs.defer(session, refresh_due_dates, once="due dates", **facts)


async def defer_abandoned_runs(world: World) -> int:
    """Have the runs taken up again that nobody executes; answers how many."""
    with context.entered(context.cause(None, None)):
        async with world.database.transaction() as session:
            found = await runs.abandoned(session, now=world.clock())
            for run_id in found:
                await defer_run(session, run_id)
    return len(found)


async def take_up_runs(world: World) -> None:
    """See to it that every run comes to its end, whatever becomes of workers and jobs."""
    while True:
        await defer_abandoned_runs(world)
        await asyncio.sleep(_LOOK_ROUND)


async def destroy_expired_files(world: World) -> None:
    """Destroy the files of runs on their day."""
    while True:
        destroyed = await artifacts.destroy_expired(world)
        await asyncio.sleep(0 if destroyed else _EVERY)


async def watch_due_dates(world: World) -> None:
    """Tell of dates that come near and that are over; read all of them anew each day, and at the start.

    A new day may be a new release of the library of holidays, and the first is what brings dates to enquiries that
    were filed before there were any.
    """
    read_on = None
    while True:
        with context.entered(context.cause(None, None)):
            today = clocks.today(world, world.clock())
            if read_on != today:
                await due_dates.refresh(world)
                read_on = today
            told = await due_dates.warn(world)
        await asyncio.sleep(0 if told else _EVERY)


LOOPS = (destroy_expired_files, take_up_runs, watch_due_dates)
