"""Versions of reports: written and edited as drafts, checked by their source, judged by another, then unchanged."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import (
    column_classes,
    data_sources,
    dialects,
    events,
    lifecycle,
    reports,
    rights,
    sources,
    statements,
)
from enquiry_service.checked import Checked
from enquiry_service.column_classes import DataClass, ResultColumn
from enquiry_service.parameters import DEFINITIONS, Parameter, demand_distinct
from enquiry_service.settings import Settings
from enquiry_service.settings import of as settings_of
from enquiry_service.sources import Column
from enquiry_service.statements import Allowance
from enquiry_service.tables import DataSource, Report, ReportVersion, Run
from lodge_kit import audit, directory, etags, ids
from lodge_kit.events import Fact, publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem
from lodge_kit.world import World


class NothingApproved(Problem):
    """The report has no version that was approved."""

    status, code = HTTPStatus.CONFLICT, "nothing-approved"


class Unclassified(Problem):
    """Columns of the result have no class yet."""

    status, code = HTTPStatus.CONFLICT, "unclassified-columns"


class Draft(NamedTuple):
    """What a version is made of."""

    sql: str
    parameters: Sequence[Parameter]
    classes: Mapping[str, DataClass]


class ValidationFinding(BaseModel):
    """One thing for which the source would not run a version as it stands."""

    pointer: str
    code: str
    detail: str


class Validation(BaseModel):
    """What the check and the source say of a version today."""

    valid: bool = Field(description="Whether it could run; whether it may be submitted needs its classes too.")
    findings: list[ValidationFinding]
    tables: list[str] = Field(description="The relations that it reads, as they are written.")
    result_columns: list[ResultColumn]
    unclassified: list[str] = Field(description="The columns that need a class before it is submitted.")
    moved: bool = Field(description="Whether the source answers other columns than when it was written.")


async def get(session: AsyncSession, report_id: str, number: int, *, lock: bool = False) -> ReportVersion:
    """Read one version of a report, and with `lock` let nobody change it meanwhile. Raises `NotFound`."""
    found = select(ReportVersion).where(col(ReportVersion.report_id) == report_id, col(ReportVersion.number) == number)
    version: ReportVersion | None = (
        await session.execute(found.with_for_update() if lock else found)
    ).scalar_one_or_none()
    if version is None:
        raise NotFound(f"Report {report_id} has no version {number}.")
    return version


async def approved(session: AsyncSession, report: Report) -> ReportVersion:
    """Answer the version that runs. Raises `NothingApproved`."""
    found = select(ReportVersion).where(
        col(ReportVersion.report_id) == report.id, col(ReportVersion.state) == "approved"
    )
    version: ReportVersion | None = (await session.execute(found)).scalar_one_or_none()
    if version is None:
        raise NothingApproved("No version of this report was approved yet. Submit one, and have another approve it.")
    return version


def checked(version_sql: str, parameters: Sequence[Parameter], source: DataSource) -> Checked:
    """Check a report's SQL against what its source allows. Raises `UnsafeSql`."""
    allowance = Allowance(schemas=tuple(source.allowed_schemas), functions=frozenset(source.allowed_functions))
    dialect = dialects.of(source.adapter)
    return statements.check(version_sql, parameters=parameters, allowance=allowance, dialect=dialect)


def columns(version: ReportVersion) -> list[Column]:
    """Answer the columns as the source described them when the version was written."""
    return [Column.model_validate(one) for one in version.result_columns or []]


def classified(version: ReportVersion, source: DataSource) -> list[ResultColumn]:
    """Answer a version's columns with the classes that they have today."""
    return column_classes.classified(columns(version), said=version.classes, known=source.column_classes)


async def write(
    session: AsyncSession, report_id: str, draft: Draft, *, world: World, by: Caller, now: datetime
) -> ReportVersion:
    """Write a new version: checked here, then described by the source itself, which runs nothing for that.

    The source may take its time: nothing of our database is held meanwhile, `session` is first used afterwards.
    """
    async with world.database.transaction() as reading:
        source = await data_sources.get(reading, (await reports.get(reading, report_id)).source_id)
    found = await _understood(draft, source, settings_of(world))
    # Locked: two versions written at once must not get the same number.
    await session.execute(select(col(Report.id)).where(col(Report.id) == report_id).with_for_update())
    last = select(func.coalesce(func.max(col(ReportVersion.number)), 0)).where(
        col(ReportVersion.report_id) == report_id
    )
    await directory.remember_caller(session, by, now=now)
    version = ReportVersion(
        id=ids.new("rpv"), report_id=report_id, number=(await session.execute(last)).scalar_one() + 1, author=by.id,
        editors=sorted(lifecycle.hands(by) - {by.id}), created_at=now, updated_at=now, **_kept(draft, found),
    )  # fmt: skip
    session.add(version)
    audit.record(session, "report.written", kind="report", of=report_id, by=by, now=now, version=version.number)
    await session.flush()
    return version


async def rewrite(
    session: AsyncSession, report_id: str, number: int, changes: Mapping[str, Any], *,
    if_match: str, world: World, by: Caller, now: datetime,
) -> ReportVersion:  # fmt: skip
    """Edit a draft, whoever wrote it: who does so may not approve it. The source is asked anew, as by `write`."""
    async with world.database.transaction() as reading:
        seen = await get(reading, report_id, number)
        source = await data_sources.get(reading, (await reports.get(reading, report_id)).source_id)
    etags.demand(seen, if_match)
    lifecycle.after(seen.state, "rewrite")
    draft = Draft(
        changes.get("sql", seen.sql),
        changes.get("parameters", DEFINITIONS.validate_python(seen.parameters)),
        changes.get("classes", seen.classes),
    )
    found = await _understood(draft, source, settings_of(world))
    version = await get(session, report_id, number, lock=True)
    ran = select(col(Run.id)).where(col(Run.report_version_id) == version.id).limit(1)
    if (await session.execute(ran)).first() is not None:
        raise Conflict("This draft was run as it stands, and stays so. Write a new version.")
    if version.version != seen.version:
        raise Conflict("This version was changed while the source was asked about yours. GET it again.")
    for name, value in _kept(draft, found).items():
        setattr(version, name, value)
    version.editors = sorted({*version.editors, *(lifecycle.hands(by) - {version.author})})
    version.updated_at = now
    await directory.remember_caller(session, by, now=now)
    _record(session, version, "report.edited", by=by, now=now, changed=sorted(changes))
    return version


async def _understood(draft: Draft, source: DataSource, settings: Settings) -> list[Column]:
    """Check a draft and have the source describe it. Raises `Invalid` with what is wrong, or `SourceAway`."""
    data_sources.demand_proven(source)
    demand_distinct(draft.parameters)
    safe = await asyncio.to_thread(checked, draft.sql, draft.parameters, source)  # long SQL takes a while to read
    found = await _described(safe, source, settings)
    column_classes.demand_fitting(found, said=draft.classes, known=source.column_classes)
    return found


async def _described(safe: Checked, source: DataSource, settings: Settings) -> list[Column]:
    """Have the source say what columns it would answer. Raises `Invalid` with its reason, or `SourceAway`."""
    adapter = sources.adapter(source.adapter)
    try:
        return await asyncio.to_thread(adapter.columns, data_sources.target(source, settings), safe)
    except sources.Refused as error:
        raise Invalid.at("/sql", str(error), "refused-by-source") from error
    except sources.SourceError as error:
        raise data_sources.SourceAway(str(error)) from error


def _kept(draft: Draft, found: Sequence[Column]) -> dict[str, Any]:
    return {
        "sql": draft.sql,
        "parameters": DEFINITIONS.dump_python(list(draft.parameters), mode="json"),
        "result_columns": [one.model_dump() for one in found],
        "classes": dict(draft.classes),
    }


async def validate(report_id: str, number: int, *, world: World) -> Validation:
    """Say whether a version would run on its source as both are today; nothing of it is run, nothing is changed."""
    async with world.database.transaction() as reading:
        version = await get(reading, report_id, number)
        source = await data_sources.get(reading, (await reports.get(reading, report_id)).source_id)
    data_sources.demand_proven(source)
    findings: list[ValidationFinding] = []
    tables, found = [], columns(version)
    try:
        definitions = DEFINITIONS.validate_python(version.parameters)
        safe = await asyncio.to_thread(checked, version.sql, definitions, source)
        tables, found = list(safe.tables), await _described(safe, source, settings_of(world))
    except Invalid as problem:
        findings = [ValidationFinding(pointer=one.pointer, code=one.code, detail=one.detail) for one in problem.errors]
    shown = column_classes.classified(found, said=version.classes, known=source.column_classes)
    return Validation(
        valid=not findings, findings=findings, tables=tables, result_columns=shown,
        unclassified=[one.name for one in shown if one.data_class is None], moved=found != columns(version),
    )  # fmt: skip


async def submit(session: AsyncSession, version: ReportVersion, *, by: Caller, now: datetime) -> None:
    """Offer a draft for approval: each of its columns has a class by then. Raises `Unclassified`, `Conflict`."""
    state = lifecycle.after(version.state, "submit")
    await demand_classified(session, version)
    version.state, version.updated_at = state, now
    _record(session, version, "report.submitted", by=by, now=now)
    await _tell(session, version, events.ReportSubmitted(version=version.number), by=by, now=now)


async def approve(session: AsyncSession, version: ReportVersion, *, by: Caller, now: datetime) -> None:
    """Approve what others wrote: it is the version that runs from now on, the one before is retired."""
    state = lifecycle.after(version.state, "approve")
    lifecycle.demand_other_eyes({version.author, *version.editors}, by)
    await demand_classified(session, version)
    before = update(ReportVersion).where(
        col(ReportVersion.report_id) == version.report_id, col(ReportVersion.state) == "approved"
    )
    superseded = {"state": "retired", "reason": "Superseded.", "version": ReportVersion.version + 1}
    await session.execute(before.values(superseded))
    version.state, version.approver, version.approved_at, version.updated_at = state, by.id, now, now
    # Kept: what the source tells of a column today it may tell no more when a file of this version is fetched.
    source = await data_sources.get(session, (await reports.get(session, version.report_id)).source_id)
    version.classes = column_classes.strictest(classified(version, source))
    await directory.remember_caller(session, by, now=now)
    _record(session, version, "report.approved", by=by, now=now)
    await _tell(session, version, events.ReportApproved(version=version.number), by=by, now=now)


async def send_back(session: AsyncSession, version: ReportVersion, *, reason: str, by: Caller, now: datetime) -> None:
    """Send a version under review back to its author."""
    version.state, version.reason = lifecycle.after(version.state, "send-back"), reason
    version.updated_at = now
    _record(session, version, "report.sent-back", by=by, now=now)
    await _tell(session, version, events.ReportSentBack(version=version.number), by=by, now=now)


async def retire(session: AsyncSession, version: ReportVersion, *, reason: str, by: Caller, now: datetime) -> None:
    """Take a version out of use for good; the one that runs only by those who may approve too."""
    state = lifecycle.after(version.state, "retire")
    if version.state == "approved":
        by.demand(rights.APPROVE)
    version.state, version.reason, version.updated_at = state, reason, now
    _record(session, version, "report.retired", by=by, now=now)
    await _tell(session, version, events.ReportRetired(version=version.number), by=by, now=now)


async def demand_classified(session: AsyncSession, version: ReportVersion) -> None:
    """Refuse a version of whose columns nobody has said what they tell of people. Raises `Unclassified`."""
    report = await reports.get(session, version.report_id)
    shown = classified(version, await data_sources.get(session, report.source_id))
    if missing := [one.name for one in shown if one.data_class is None]:
        where = "PATCH the draft's" if version.state in ("draft", "review") else "Have a new version approved with"
        raise Unclassified(
            f"Nobody has said what these columns tell of people: {', '.join(missing)[:500]}. {where} `classes`: none,"
            " personal, special or secret."
        )


async def _tell(session: AsyncSession, version: ReportVersion, fact: Fact, *, by: Caller, now: datetime) -> None:
    await session.flush()
    await publish(session, fact, of=version.report_id, version=version.version, actor=by, now=now)


def _record(
    session: AsyncSession, version: ReportVersion, deed: str, *, by: Caller, now: datetime,
    changed: list[str] | None = None,
) -> None:  # fmt: skip
    audit.record(
        session, deed, kind="report", of=version.report_id, by=by, now=now, version=version.number, changed=changed
    )
