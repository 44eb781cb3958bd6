"""Work outside a request, by procrastinate, deferred in the transaction of the change.

Our tables hold the truth; the queue only wakes the work. A job whose worker was killed would stay `doing` and hold
its lock for good: `rescue` asks for such jobs each minute and has them tried again.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import procrastinate
from procrastinate.jobs import Status
from sqlalchemy.ext.asyncio import AsyncSession

from lodge_kit import database, logs

KEPT_HOURS = 72
STALLED_AFTER = 30
"""Seconds without a heartbeat after which a worker is taken for dead."""

if TYPE_CHECKING:
    from lodge_kit.world import World  # the world holds the queue

log = logs.logger(__name__)


def queue(dsn: str, tasks: procrastinate.Blueprint, *, namespace: str, size: int = 2) -> procrastinate.App:
    """Make the queue of one service, on a pool of its own, that can do `tasks`."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn, min_size=1, max_size=size))
    _unbind(tasks, namespace)
    app.add_tasks_from(tasks, namespace=namespace)
    return app


def _unbind(tasks: procrastinate.Blueprint, namespace: str) -> None:
    """Take the namespace off again: binding a second time (tests make many apps) would put it there twice."""
    for task in tasks.tasks.values():
        task.name = task.name.removeprefix(f"{namespace}:")
    tasks.tasks = {name.removeprefix(f"{namespace}:"): task for name, task in tasks.tasks.items()}


async def defer(
    session: AsyncSession, task: "procrastinate.tasks.Task[..., Any, ...]", *, once: str | None = None, **facts: Any
) -> None:
    """Have `task` run after the session's transaction has committed; if it does not commit, it never runs.

    With `once`, a job that waits under that name already is enough.
    """
    connection = await database.driver_connection(session)
    configured = task.configure(connection=connection, queueing_lock=once)
    try:
        # Of the connection: a session's own savepoint is set only once the session itself sends something.
        async with (await session.connection()).begin_nested():
            await configured.defer_async(**facts)
    except procrastinate.exceptions.AlreadyEnqueued:
        log.info("job is waiting already", task=task.name, once=once)


def world_of(context: procrastinate.JobContext) -> "World":
    """Answer the world that the worker gave to its jobs."""
    world: World = context.additional_context["world"]
    return world


async def rescue(app: procrastinate.App) -> int:
    """Have the jobs of dead workers tried again; answers how many there were."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER))
    for job in stalled:
        log.warning("job of a worker that died is tried again", job=job.id, task=job.task_name)
        try:
            await app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
        except procrastinate.exceptions.UniqueViolation:
            # Another waits under the same name: that one does the work, this one only holds the lock.
            await app.job_manager.finish_job(job, Status.FAILED, delete_job=False)
    return len(stalled)


async def forget(app: procrastinate.App) -> None:
    """Remove jobs that were finished three days ago."""
    await app.job_manager.delete_old_jobs(
        nb_hours=KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
