"""The files that runs leave: fetched by those who may, destroyed on their day."""

from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import lifecycle, parameters, report_rights, rights, runs, versions
from enquiry_service.settings import Settings
from enquiry_service.settings import of as settings_of
from enquiry_service.tables import AccessLog, Artifact, DataSource, Report, ReportVersion, Run
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Forbidden, Problem
from lodge_kit.world import World

_AT_ONCE = 200


class FileGone(Problem):
    """The run left no file, or it was destroyed on its day."""

    status, code = HTTPStatus.GONE, "file-gone"


def keep(session: AsyncSession, run: Run, name: str, *, settings: Settings, now: datetime) -> None:
    """Keep what a finished run has left in the storage folder under `name`."""
    session.add(
        Artifact(
            id=ids.new("art"), run_id=run.id, path=name, bytes=run.bytes, sha256=run.sha256 or "",
            truncated=run.status == "truncated",
            expires_at=now + timedelta(days=settings.artifact_days), created_at=now, updated_at=now,
        )
    )  # fmt: skip


async def fetch(session: AsyncSession, run: Run, *, world: World, by: Caller, now: datetime) -> tuple[Path, Artifact]:
    """Answer the file of a run, and put on record who fetched it. Raises `Forbidden`, `Conflict`, `FileGone`.

    Whoever may run reports there may fetch it, who asked for it as long as he may run that report, and the requester of
    the enquiry that it answered. To see a run is not enough: its file holds what the source knows of people.
    """
    released = select(exists().where(col(Run.id) == run.id, runs.released_to(by)))
    if not (await session.execute(released)).scalar_one():
        await _demand_right(session, run, world=world, by=by)
        await _demand_scope(session, run, by=by)
    if run.status in runs.UNDER_WAY:
        raise Conflict(f"This run is {run.status}. Ask for its file when it is done.")
    found = select(Artifact).where(col(Artifact.run_id) == run.id)
    artifact: Artifact | None = (await session.execute(found)).scalar_one_or_none()
    if artifact is None:
        raise FileGone(f"This run is {run.status} and left no file. {run.reason or ''}".strip())
    path = settings_of(world).storage / artifact.path
    if artifact.destroyed_at is not None or artifact.expires_at <= now:
        raise FileGone("The file of this run was destroyed on its day. Run the report again.")
    if not path.is_file():
        raise FileGone("The file of this run is no longer in the storage. Run the report again.")
    await _log(session, run, by=by, now=now)
    audit.record(session, "run.fetched", kind="run", of=run.id, by=by, now=now, sha256=artifact.sha256)
    return path, artifact


async def _log(session: AsyncSession, run: Run, *, by: Caller, now: datetime) -> None:
    """Put on record which columns that tell something of people are seen, and by whom; a deputy too."""
    version = await session.get_one(ReportVersion, run.report_version_id)
    report = await session.get_one(Report, version.report_id)
    source = await session.get_one(DataSource, report.source_id)
    seen = [one for one in versions.classified(version, source) if one.data_class not in (None, "none")]
    for person in sorted(lifecycle.hands(by)):
        session.add_all(
            AccessLog(
                id=ids.new("acl"), at=now, person=person, run_id=run.id, column_name=one.name, origin=one.origin,
                data_class=str(one.data_class),
            )
            for one in seen
        )  # fmt: skip


async def _demand_right(session: AsyncSession, run: Run, *, world: World, by: Caller) -> None:
    """Refuse who may not run reports where the run belongs, but for one's own runs of a report that one was given."""
    if by.may(rights.RUN, run.org_unit or ""):
        return
    version = await session.get_one(ReportVersion, run.report_version_id)
    if run.requested_by != by.id or run.ad_hoc or not await report_rights.given_run(world, version.report_id, by=by):
        by.demand(rights.RUN, run.org_unit or "")


async def _demand_scope(session: AsyncSession, run: Run, *, by: Caller) -> None:
    """Refuse a file filled for more org units than the caller may run reports for now, also to who asked for it."""
    scope = by.scope(rights.RUN)
    if scope == "*":
        return
    version = await session.get_one(ReportVersion, run.report_version_id)
    if not parameters.scope_of(parameters.DEFINITIONS.validate_python(version.parameters), run.parameters) <= scope:
        raise Forbidden("This file covers org units that you may not run reports for. Run the report yourself.")


async def destroy_expired(world: World) -> int:
    """Destroy the files whose day has come; answers how many."""
    storage = settings_of(world).storage
    now = world.clock()
    async with world.database.transaction() as session:
        due = (
            select(Artifact, Run)
            .join(Run, col(Run.id) == col(Artifact.run_id))
            .where(col(Artifact.expires_at) <= now, col(Artifact.destroyed_at).is_(None))
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        pairs = (await session.execute(due)).all()
        for artifact, run in pairs:
            # The file first: what is not on record as destroyed is gone through again, whatever breaks between.
            (storage / artifact.path).unlink(missing_ok=True)
            artifact.destroyed_at, artifact.updated_at = now, now
            run.status, run.updated_at = "expired", now
            audit.record(session, "run.file-destroyed", kind="run", of=run.id, by="worker", now=now)
    return len(pairs)
