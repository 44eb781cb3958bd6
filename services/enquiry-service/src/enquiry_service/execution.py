"""The worker's side of a run: held by a lease, executed in a process of its own, brought to its end.

A lease says, by the database's clock, until when a worker has a run to itself. Each second it is renewed; where that
fails for long, the worker ends its query before the lease does, so that whoever takes the run up is alone with it.
Every attempt writes a file of its own name, and only the one that still holds the run puts its file on record.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select, update
from sqlmodel import col

from enquiry_service import artifacts, data_sources, parameters, runs, versions
from enquiry_service.export.messages import NOT_AS_IT_IS, Outcome, Progress, Spec
from enquiry_service.export.parent import run_in_child
from enquiry_service.settings import of as settings_of
from enquiry_service.sources import Limits
from enquiry_service.statements import UnsafeSql
from enquiry_service.tables import DataSource, Report, ReportVersion, Run
from lodge_kit import database, logs
from lodge_kit.problems import Problem, Unavailable
from lodge_kit.world import World

log = logs.logger(__name__)

LEASE = timedelta(seconds=30)
_FENCE = 0.6
"""The part of a lease after which a worker that cannot renew it ends its query: cancelling takes its time."""
_LOOK = 1.0
"""Seconds between two renewals, which also tell whether the run was cancelled."""
_LONGEST_WAIT = 5.0

T = TypeVar("T")


async def execute(world: World, run_id: str, *, lease: timedelta = LEASE) -> None:
    """Execute a run that waits, or one whose worker died; any other is left alone, so that calling twice is safe."""
    hold = Hold(world, run_id, lease)
    if not await hold.take():
        return
    keeping = asyncio.create_task(hold.keep())
    try:
        await _remove(world, f"{run_id}.*")  # what an attempt that was cut off left behind
        outcome = await _outcome(world, hold)
        if outcome.status == "cancelled" and not hold.cancelled:
            log.warning("a run was let go of, since its lease could not be renewed", run=run_id)
        else:
            await _persistently(lambda: _finish(world, hold, outcome))
    except asyncio.CancelledError:
        await asyncio.shield(hold.let_go())
        raise
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


class Hold:
    """One worker's hold on one run."""

    def __init__(self, world: World, run_id: str, lease: timedelta) -> None:
        self.run_id = run_id
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.file = f"{run_id}.{secrets.token_hex(4)}.csv"
        self.stop = asyncio.Event()
        """Set when the query is to be ended."""
        self.cancelled = False
        """Whether somebody asked for that."""
        self._world = world
        self._lease = lease
        self._ours = update(Run).where(col(Run.id) == run_id, col(Run.lease_holder) == self.holder)

    async def take(self) -> bool:
        """Lease the run; says whether it is ours."""
        dead = col(Run.status).in_(("running", "spooling")) & (col(Run.lease_until) < func.now())
        free = update(Run).where(col(Run.id) == self.run_id, (col(Run.status) == "queued") | dead)
        now = self._world.clock()
        taken = free.values(
            status="running", phase="starting", rows=0, bytes=0, started_at=now, updated_at=now,
            lease_holder=self.holder, lease_until=func.now() + self._lease, version=col(Run.version) + 1,
        )  # fmt: skip
        async with self._world.database.transaction() as session:
            row = (await session.execute(taken.returning(col(Run.cancel_requested_at)))).first()
        self._heed(row.cancel_requested_at if row else None)
        return row is not None

    async def keep(self) -> None:
        """Renew the lease, and see whether somebody wants the run ended."""
        renew = self._ours.values(lease_until=func.now() + self._lease).returning(col(Run.cancel_requested_at))
        renewed = time.monotonic()
        while True:
            try:
                async with self._world.database.transaction() as session:
                    row = (await session.execute(renew)).first()
            except Exception as error:  # noqa: BLE001 - while our database is away the run goes on, for as long as it may
                log.warning("the lease of a run could not be renewed", run=self.run_id, reason=type(error).__name__)
                if time.monotonic() - renewed > self._lease.total_seconds() * _FENCE:
                    self.stop.set()
            else:
                renewed = time.monotonic()
                if row is None:
                    self.stop.set()  # another has it
                else:
                    self._heed(row.cancel_requested_at)
            await asyncio.sleep(_LOOK)

    def _heed(self, cancel_requested_at: object) -> None:
        if cancel_requested_at is not None:
            self.cancelled = True
            self.stop.set()

    async def note(self, progress: Progress) -> None:
        """Show where the run is. What cannot be noted now is noted a second later."""
        status = "spooling" if progress.phase == "spooling" else "running"
        at = self._ours.values(
            status=status, phase=progress.phase, rows=progress.rows, bytes=progress.bytes,
            updated_at=self._world.clock(), version=col(Run.version) + 1,
        )  # fmt: skip
        with contextlib.suppress(Exception):
            async with self._world.database.transaction() as session:
                await session.execute(at)

    async def let_go(self) -> None:
        """Leave the run to another worker at once, when this one is told to stop."""
        with contextlib.suppress(Exception):
            async with self._world.database.transaction() as session:
                await session.execute(self._ours.values(lease_until=func.now() - timedelta(seconds=1)))


async def _outcome(world: World, hold: Hold) -> Outcome:
    """Run it; whatever happens becomes an outcome with a sentence."""
    try:
        spec = await _persistently(lambda: _spec(world, hold))
        if hold.stop.is_set():
            return Outcome(status="cancelled", reason="The run was cancelled before its query began.")
        return await run_in_child(spec, on_progress=hold.note, cancel=hold.stop)
    except UnsafeSql:  # in words of the SQL, and a run is seen by those who may not see that
        return Outcome(status="failed", reason=NOT_AS_IT_IS)
    except Problem as problem:
        return Outcome(status="failed", reason=problem.detail)
    except OSError as error:
        return Outcome(status="failed", reason=f"The result cannot be stored: {error.strerror}.")
    except Exception:  # a run that nobody ends would be taken up again for ever
        log.exception("a run failed on our side", run=hold.run_id)
        return Outcome(
            status="failed", reason="Something went wrong on Lodge's side. Its log tells what, by the run's id."
        )


async def _spec(world: World, hold: Hold) -> Spec:
    settings = settings_of(world)
    found = (
        select(Run, ReportVersion, DataSource)
        .join(ReportVersion, col(ReportVersion.id) == col(Run.report_version_id))
        .join(Report, col(Report.id) == col(ReportVersion.report_id))
        .join(DataSource, col(DataSource.id) == col(Report.source_id))
        .where(col(Run.id) == hold.run_id)
    )
    async with world.database.transaction() as session:
        run, version, source = (await session.execute(found)).one()
    data_sources.demand_proven(source)
    definitions = parameters.DEFINITIONS.validate_python(version.parameters)
    settings.storage.mkdir(parents=True, exist_ok=True)
    return Spec(
        target=data_sources.target(source, settings),
        checked=versions.checked(version.sql, definitions, source),
        values=run.parameters,
        limits=Limits(rows=min(source.row_limit, run.row_limit or source.row_limit), seconds=source.seconds_limit),
        path=str((settings.storage / hold.file).absolute()),
    )


async def _finish(world: World, hold: Hold, outcome: Outcome) -> None:
    """Put the outcome on record, where the run is still ours."""
    now = world.clock()
    ours = select(Run).where(col(Run.id) == hold.run_id, col(Run.lease_holder) == hold.holder)
    async with world.database.transaction() as session:
        run = (await session.execute(ours.with_for_update())).scalar_one_or_none()
        if run is None:
            log.warning("a run was taken over before it was finished here", run=hold.run_id)
            await _remove(world, hold.file)
            return
        if run.status not in runs.UNDER_WAY:
            return  # the try before was committed, though its answer was lost
        for name in ("status", "reason", "rows", "bytes", "sha256", "backend_gone"):
            setattr(run, name, getattr(outcome, name))
        if outcome.status in runs.WITH_FILE:
            artifacts.keep(session, run, hold.file, settings=settings_of(world), now=now)
        await runs.ended(session, run, now=now)


async def _remove(world: World, pattern: str) -> None:
    def remove(storage: Path) -> None:
        for path in storage.glob(pattern):
            path.unlink(missing_ok=True)

    await asyncio.to_thread(remove, settings_of(world).storage)


async def _persistently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Do it as often as our database needs to be there again."""
    wait = 0.2
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not isinstance(database.problem_of(error), Unavailable):
                raise
            log.warning("our database is away: a run waits for it", reason=type(error).__name__)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
