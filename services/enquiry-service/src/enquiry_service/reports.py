"""Reports: questions that are asked again and again, each with an owner; what they ask is in their versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import events, report_rights, rights
from enquiry_service.tables import DataSource, Report, ReportVersion
from lodge_kit import audit, directory, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Invalid, NotFound
from lodge_kit.world import World


async def visible(world: World, by: Caller, *, one: str | None = None) -> ColumnElement[bool]:
    """Match the reports that the caller may know of.

    They are all, by those who read reports; what runs, by those who run them; and those on which one was given a right.
    With `one`, rights are looked up for that report alone. Raises `Forbidden` for who has no such permission. To run a
    report is not to see its SQL, which is in its versions.
    """
    if by.may(rights.REPORTS_READ):
        return true()
    if not by.may(rights.RUN) and not by.may(rights.GRANTED):
        by.demand(rights.REPORTS_READ)
    given = col(Report.id).in_(await _given(world, by, one))
    if not by.may(rights.RUN):
        return given
    approved = select(col(ReportVersion.id)).where(
        col(ReportVersion.report_id) == col(Report.id), col(ReportVersion.state) == "approved"
    )
    return or_(approved.exists(), given)


async def _given(world: World, by: Caller, one: str | None) -> list[str]:
    """Answer the reports, or whether it is this one, on which the caller was given a right."""
    if not by.may(rights.GRANTED):
        return []
    some = [one] if one else await _every(world)
    return [report for report, its in (await report_rights.given(world, some, by=by)).items() if its]


async def _every(world: World) -> list[str]:
    """Answer the ids of all reports, in a transaction that is over before access-service is asked."""
    async with world.database.transaction() as reading:
        return list((await reading.execute(select(col(Report.id)).where(col(Report.archived_at).is_(None)))).scalars())


async def demand_visible(session: AsyncSession, report_id: str, *, world: World, by: Caller) -> None:
    """Refuse a report that the caller may not know of. Raises `NotFound`, and as `visible` does."""
    known = select(col(Report.id)).where(col(Report.id) == report_id, await visible(world, by, one=report_id))
    if (await session.execute(known)).first() is None:
        raise NotFound(f"There is no report {report_id}.")


async def get(session: AsyncSession, report_id: str) -> Report:
    """Read a report. Raises `NotFound`."""
    report = await session.get(Report, report_id)
    if report is None:
        raise NotFound(f"There is no report {report_id}.")
    return report


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


async def change(
    session: AsyncSession, report: Report, facts: Mapping[str, Any], *, world: World, by: Caller, now: datetime
) -> None:
    """Change what a report is called and how it is found; to another owner by its own, and by those who approve."""
    owner = facts.get("owner", report.owner)
    if owner != report.owner:
        if by.id != report.owner:
            by.demand(rights.APPROVE)
        await directory.demand_known(session, world.directory, [("/owner", owner)], now=now)
    was = report.owner
    for name, value in facts.items():
        setattr(report, name, value)
    report.updated_at = now
    audit.record(
        session, "report.changed", kind="report", of=report.id, by=by, now=now, personal=["description"], about=by.id,
        **facts,
    )  # fmt: skip
    if owner != was:
        await session.flush()
        fact = events.ReportOwnerChanged(owner=owner, was=was)
        await publish(session, fact, of=report.id, version=report.version, actor=by, now=now)
