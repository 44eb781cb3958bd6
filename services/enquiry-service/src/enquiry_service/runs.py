"""Runs: a report asked with values, executed by the worker in a process of its own, its file kept for a while."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import data_sources, enquiries, events, parameters, reports, rights
from enquiry_service.export.messages import Outcome, Progress, Spec
from enquiry_service.export.parent import run_in_child
from enquiry_service.settings import Settings
from enquiry_service.settings import of as settings_of
from enquiry_service.sources import Limits
from enquiry_service.tables import Artifact, DataSource, Enquiry, Report, ReportVersion, Run
from lodge_kit import audit, directory, ids, logs
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, NotFound, Problem
from lodge_kit.world import World

log = logs.logger(__name__)

LEASE = timedelta(seconds=30)
"""A worker that has not renewed it by then is taken for dead."""
HOLDER = f"{socket.gethostname()}:{os.getpid()}"
_LOOK = 1.0
"""Seconds between looks whether the run was cancelled."""

UNDER_WAY = ("queued", "running", "spooling")
WITH_FILE = ("done", "truncated")


class FileGone(Problem):
    """The run left no file, or it was destroyed on its day."""

    status, code = HTTPStatus.GONE, "file-gone"


async def get(session: AsyncSession, run_id: str, *, by: Caller) -> Run:
    """Read a run: one's own, with the right to read reports any, and the requester that of an answered enquiry."""
    run = await session.get(Run, run_id)
    if run is None or not (run.requested_by == by.id or by.may(rights.REPORTS_READ, run.org_unit or "")):
        if run is not None and await _answered_with(session, run, by):
            return run
        raise NotFound(f"There is no run {run_id} that you may see.")
    return run


async def _answered_with(session: AsyncSession, run: Run, by: Caller) -> bool:
    enquiry = await session.get(Enquiry, run.enquiry_id) if run.enquiry_id else None
    return enquiry is not None and enquiry.requester == by.id and enquiry.status in ("answered", "closed")


async def request(
    session: AsyncSession, report: Report, values: Mapping[str, Any], *, enquiry_id: str | None, purpose: str,
    by: Caller, now: datetime,
) -> Run:  # fmt: skip
    """Ask for a run of the approved version. Raises `Invalid`, `SourceNotProven`, `NothingApproved`."""
    version = await reports.approved(session, report)
    data_sources.demand_proven(await data_sources.get(session, report.source_id))
    bound = parameters.bind(parameters.DEFINITIONS.validate_python(version.parameters), values)
    enquiry = await enquiries.get(session, enquiry_id, by=by) if enquiry_id else None
    org_unit = enquiry.org_unit if enquiry else None
    by.demand(rights.RUN, org_unit or "")
    await directory.remember_caller(session, by, now=now)
    run = Run(
        id=ids.new("run"), report_version_id=version.id, enquiry_id=enquiry_id, purpose=purpose, requested_by=by.id,
        parameters={name: parameters.written(value) for name, value in bound.items()}, org_unit=org_unit,
        created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(run)
    audit.record(
        session, "run.requested", kind="run", of=run.id, by=by, now=now, report=report.id, version=version.number
    )
    await session.flush()
    return run


async def cancel(session: AsyncSession, run: Run, *, by: Caller, now: datetime) -> None:
    """Have a run ended, at the source too. One that waits ends at once."""
    if run.requested_by != by.id:
        by.demand(rights.RUN, run.org_unit or "")
    if run.status not in UNDER_WAY:
        raise Conflict(f"This run is {run.status} already.")
    run.cancel_requested_at, run.updated_at = now, now
    if run.status == "queued":
        run.status, run.finished_at, run.reason = "cancelled", now, "Cancelled before it began."
    audit.record(session, "run.cancelled", kind="run", of=run.id, by=by, now=now)


async def file_of(
    session: AsyncSession, run: Run, *, settings: Settings, by: Caller, now: datetime
) -> tuple[Path, Artifact]:
    """Answer the file of a run, and put on record who fetched it. Raises `Conflict`, `FileGone`."""
    if run.status in UNDER_WAY:
        raise Conflict(f"This run is {run.status}. Ask for its file when it is done.")
    found = select(Artifact).where(col(Artifact.run_id) == run.id)
    artifact: Artifact | None = (await session.execute(found)).scalar_one_or_none()
    if artifact is None:
        raise FileGone(f"This run {run.status} and left no file. {run.reason or ''}".strip())
    path = settings.storage / artifact.path
    if artifact.destroyed_at is not None or artifact.expires_at <= now or not path.exists():
        raise FileGone("The file of this run was destroyed on its day. Run the report again.")
    audit.record(session, "run.fetched", kind="run", of=run.id, by=by, now=now, sha256=artifact.sha256)
    return path, artifact


async def execute(world: World, run_id: str) -> None:
    """Execute a run that waits, or one whose worker died; any other is left alone, so that calling twice is safe."""
    settings = settings_of(world)
    if not await _take(world, run_id):
        return
    cancel = asyncio.Event()
    looking = asyncio.create_task(_look(world, run_id, cancel))
    try:
        spec = await _spec(world, settings, run_id)

        async def told(progress: Progress) -> None:
            await _note_progress(world, run_id, progress)

        outcome = await run_in_child(spec, on_progress=told, cancel=cancel)
    except Problem as problem:
        outcome = Outcome(status="failed", reason=problem.detail)
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
    await _finish(world, settings, run_id, outcome)


async def _take(world: World, run_id: str) -> bool:
    """Lease the run by the database's clock; answers whether it is ours."""
    dead = col(Run.status).in_(("running", "spooling")) & (col(Run.lease_until) < func.now())
    mine = (
        update(Run)
        .where(col(Run.id) == run_id, (col(Run.status) == "queued") | dead)
        .values(
            status="running", phase="starting", rows=0, bytes=0, lease_holder=HOLDER, lease_until=func.now() + LEASE,
            started_at=world.clock(), version=Run.version + 1,
        )
    )  # fmt: skip
    async with world.database.transaction() as session:
        taken = await session.execute(mine.returning(col(Run.id)))
        return taken.first() is not None


async def _look(world: World, run_id: str, cancel: asyncio.Event) -> None:
    """Renew the lease, and see whether somebody wants the run ended."""
    renew = (
        update(Run)
        .where(col(Run.id) == run_id, col(Run.lease_holder) == HOLDER)
        .values(lease_until=func.now() + LEASE)
        .returning(col(Run.cancel_requested_at))
    )
    while True:
        try:
            async with world.database.transaction() as session:
                row = (await session.execute(renew)).first()
            if row is None or row.cancel_requested_at is not None:
                cancel.set()
        except Exception as error:  # noqa: BLE001 - while our database is away the run goes on, as long as its lease
            log.warning("the lease of a run could not be renewed", run=run_id, reason=type(error).__name__)
        await asyncio.sleep(_LOOK)


async def _spec(world: World, settings: Settings, run_id: str) -> Spec:
    async with world.database.transaction() as session:
        found = (
            select(Run, ReportVersion, DataSource)
            .join(ReportVersion, col(ReportVersion.id) == col(Run.report_version_id))
            .join(Report, col(Report.id) == col(ReportVersion.report_id))
            .join(DataSource, col(DataSource.id) == col(Report.source_id))
        )
        run, version, source = (await session.execute(found.where(col(Run.id) == run_id))).one()
    data_sources.demand_proven(source)
    definitions = parameters.DEFINITIONS.validate_python(version.parameters)
    settings.storage.mkdir(parents=True, exist_ok=True)
    return Spec(
        target=data_sources.target(source, settings),
        checked=reports.checked(version.sql, definitions, source),
        values=run.parameters,
        limits=Limits(rows=source.row_limit, seconds=source.seconds_limit),
        path=str((settings.storage / f"{run.id}.csv").absolute()),
    )


async def _note_progress(world: World, run_id: str, progress: Progress) -> None:
    status = "spooling" if progress.phase == "spooling" else "running"
    noted = update(Run).where(col(Run.id) == run_id, col(Run.lease_holder) == HOLDER)
    values = {"status": status, "phase": progress.phase, "rows": progress.rows, "bytes": progress.bytes}
    with contextlib.suppress(Exception):  # progress that cannot be noted now is noted a second later
        async with world.database.transaction() as session:
            await session.execute(noted.values(values | {"version": Run.version + 1}))


async def _finish(world: World, settings: Settings, run_id: str, outcome: Outcome) -> None:
    now = world.clock()
    async with world.database.transaction() as session:
        run = await session.get(Run, run_id, with_for_update=True)
        if run is None or run.lease_holder != HOLDER or run.status not in UNDER_WAY:
            log.warning("a run was taken over before it was finished here", run=run_id)
            return
        for name in ("status", "reason", "rows", "bytes", "sha256", "backend_gone"):
            setattr(run, name, getattr(outcome, name))
        run.phase, run.finished_at, run.lease_until, run.updated_at = None, now, None, now
        if outcome.status in WITH_FILE:
            session.add(_artifact(settings, run, outcome, now=now))
        await session.flush()
        version = await session.get(ReportVersion, run.report_version_id)
        fact = events.RunFinished(
            report=version.report_id if version else "", status=run.status, rows=run.rows, sha256=run.sha256,
            enquiry=run.enquiry_id,
        )  # fmt: skip
        await publish(session, fact, of=run.id, version=run.version, actor=run.requested_by, now=now)
        audit.record(
            session,
            "run.finished",
            kind="run",
            of=run.id,
            by=run.requested_by,
            now=now,
            status=run.status,
            rows=run.rows,
        )


def _artifact(settings: Settings, run: Run, outcome: Outcome, *, now: datetime) -> Artifact:
    return Artifact(
        id=ids.new("art"), run_id=run.id, path=f"{run.id}.csv", bytes=outcome.bytes, sha256=outcome.sha256 or "",
        expires_at=now + timedelta(days=settings.artifact_days), created_at=now, updated_at=now,
    )  # fmt: skip


async def destroy_expired(world: World) -> int:
    """Destroy the files whose day has come; answers how many."""
    settings = settings_of(world)
    now = world.clock()
    async with world.database.transaction() as session:
        due = select(Artifact).where(col(Artifact.expires_at) <= now, col(Artifact.destroyed_at).is_(None)).limit(500)
        artifacts = list((await session.execute(due.with_for_update(skip_locked=True))).scalars())
        for artifact in artifacts:
            (settings.storage / artifact.path).unlink(missing_ok=True)
            artifact.destroyed_at, artifact.updated_at = now, now
            gone = update(Run).where(col(Run.id) == artifact.run_id).values(status="expired", version=Run.version + 1)
            await session.execute(gone)
    return len(artifacts)
