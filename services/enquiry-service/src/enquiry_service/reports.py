"""Reports: SQL with typed parameters, written by one, approved by another, and from then on unchanged."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import data_sources, dialects, events, sources, statements
from enquiry_service.checked import Checked
from enquiry_service.parameters import DEFINITIONS, Parameter, demand_distinct
from enquiry_service.settings import Settings
from enquiry_service.settings import of as settings_of
from enquiry_service.sources import Column
from enquiry_service.statements import Allowance
from enquiry_service.tables import DataSource, Report, ReportVersion
from lodge_kit import audit, directory, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Forbidden, Invalid, NotFound, Problem
from lodge_kit.world import World


class NothingApproved(Problem):
    """The report has no version that was approved."""

    status, code = HTTPStatus.CONFLICT, "nothing-approved"


async def get(session: AsyncSession, report_id: str) -> Report:
    """Read a report. Raises `NotFound`."""
    report = await session.get(Report, report_id)
    if report is None:
        raise NotFound(f"There is no report {report_id}.")
    return report


async def get_version(session: AsyncSession, report_id: str, number: int) -> ReportVersion:
    """Read one version of a report. Raises `NotFound`."""
    found = select(ReportVersion).where(col(ReportVersion.report_id) == report_id, col(ReportVersion.number) == number)
    version: ReportVersion | None = (await session.execute(found)).scalar_one_or_none()
    if version is None:
        raise NotFound(f"Report {report_id} has no version {number}.")
    return version


async def create(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> Report:
    """Make a report on a data source; what it asks is written in its versions."""
    if await session.get(DataSource, facts["source_id"]) is None:
        raise Invalid.at("/source", f"There is no data source {facts['source_id']}.", "unknown-source")
    await directory.remember_caller(session, by, now=now)
    report = Report(id=ids.new("rpt"), owner=by.id, created_at=now, updated_at=now, **facts)
    session.add(report)
    audit.record(session, "report.created", kind="report", of=report.id, by=by, now=now, name=report.name)
    await session.flush()
    return report


async def change(session: AsyncSession, report: Report, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> None:
    """Rename or describe a report."""
    for name, value in facts.items():
        setattr(report, name, value)
    report.updated_at = now
    audit.record(
        session, "report.changed", kind="report", of=report.id, by=by, now=now, personal=["description"], about=by.id,
        **facts,
    )  # fmt: skip


def checked(version_sql: str, parameters: Sequence[Parameter], source: DataSource) -> Checked:
    """Check a report's SQL against what its source allows. Raises `UnsafeSql`."""
    allowance = Allowance(schemas=tuple(source.allowed_schemas), functions=frozenset(source.allowed_functions))
    dialect = dialects.of(source.adapter)
    return statements.check(version_sql, parameters=parameters, allowance=allowance, dialect=dialect)


async def write(
    session: AsyncSession, report_id: str, sql: str, parameters: Sequence[Parameter], *,
    world: World, by: Caller, now: datetime,
) -> ReportVersion:  # fmt: skip
    """Write a new version: checked here, then described by the source itself, which runs nothing for that.

    The source may take its time: nothing of our database is held meanwhile, `session` is first used afterwards.
    """
    async with world.database.transaction() as reading:
        source = await data_sources.get(reading, (await get(reading, report_id)).source_id)
    data_sources.demand_proven(source)
    demand_distinct(parameters)
    safe = await asyncio.to_thread(checked, sql, parameters, source)  # long SQL takes a while to read
    columns = await _described(safe, source, settings_of(world))
    # Locked: two versions written at once must not get the same number.
    await session.execute(select(col(Report.id)).where(col(Report.id) == report_id).with_for_update())
    last = select(func.coalesce(func.max(col(ReportVersion.number)), 0)).where(
        col(ReportVersion.report_id) == report_id
    )
    await directory.remember_caller(session, by, now=now)
    version = ReportVersion(
        id=ids.new("rpv"), report_id=report_id, number=(await session.execute(last)).scalar_one() + 1, sql=sql,
        parameters=DEFINITIONS.dump_python(list(parameters), mode="json"),
        result_columns=[one.model_dump() for one in columns], author=by.id, created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(version)
    audit.record(session, "report.written", kind="report", of=report_id, by=by, now=now, version=version.number)
    await session.flush()
    return version


async def _described(safe: Checked, source: DataSource, settings: Settings) -> list[Column]:
    """Have the source say what columns it would answer. Raises `Invalid` with its reason, or `SourceAway`."""
    adapter = sources.adapter(source.adapter)
    try:
        return await asyncio.to_thread(adapter.columns, data_sources.target(source, settings), safe)
    except sources.Refused as error:
        raise Invalid.at("/sql", str(error), "refused-by-source") from error
    except sources.SourceError as error:
        raise data_sources.SourceAway(str(error)) from error


async def submit(session: AsyncSession, version: ReportVersion, *, by: Caller, now: datetime) -> None:
    """Offer a draft for approval."""
    if version.state != "draft":
        raise Conflict(f"This version is {version.state}; only a draft is submitted.")
    version.state, version.updated_at = "review", now
    _record(session, version, "report.submitted", by=by, now=now)


async def approve(session: AsyncSession, version: ReportVersion, *, by: Caller, now: datetime) -> None:
    """Approve what another wrote: it is the version that runs from now on, the one before is retired."""
    if version.state != "review":
        raise Conflict(f"This version is {version.state}; only one under review is approved.")
    if version.author == by.id:
        raise Forbidden("Nobody approves what he or she has written. Ask another who may approve reports.")
    before = update(ReportVersion).where(
        col(ReportVersion.report_id) == version.report_id, col(ReportVersion.state) == "approved"
    )
    superseded = {"state": "retired", "reason": "Superseded.", "version": ReportVersion.version + 1}
    await session.execute(before.values(superseded))
    version.state, version.approver, version.approved_at, version.updated_at = "approved", by.id, now, now
    await directory.remember_caller(session, by, now=now)
    _record(session, version, "report.approved", by=by, now=now)
    await session.flush()
    report = await get(session, version.report_id)
    await publish(
        session, events.ReportApproved(version=version.number), of=report.id, version=report.version, actor=by, now=now
    )


async def send_back(session: AsyncSession, version: ReportVersion, *, reason: str, by: Caller, now: datetime) -> None:
    """Send a version under review back to its author."""
    if version.state != "review":
        raise Conflict(f"This version is {version.state}; only one under review is sent back.")
    version.state, version.reason, version.updated_at = "draft", reason, now
    _record(session, version, "report.sent-back", by=by, now=now)


async def approved(session: AsyncSession, report: Report) -> ReportVersion:
    """Answer the version that runs. Raises `NothingApproved`."""
    found = select(ReportVersion).where(
        col(ReportVersion.report_id) == report.id, col(ReportVersion.state) == "approved"
    )
    version: ReportVersion | None = (await session.execute(found)).scalar_one_or_none()
    if version is None:
        raise NothingApproved("No version of this report was approved yet. Submit one, and have another approve it.")
    return version


def _record(session: AsyncSession, version: ReportVersion, deed: str, *, by: Caller, now: datetime) -> None:
    audit.record(session, deed, kind="report", of=version.report_id, by=by, now=now, version=version.number)
