"""An answered enquiry becomes a report: what answered it once is a draft to be asked again and again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import enquiries, reports, rights
from enquiry_service.enquiry_log import happened
from enquiry_service.tables import Report, ReportVersion, Run
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound

_ENDED_WELL = ("done", "truncated", "expired")


async def become(
    session: AsyncSession, facts: Mapping[str, Any], *, enquiry_id: str, run_id: str, by: Caller, now: datetime
) -> Report:
    """Make a report with one draft of what the run asked; enquiry and report name each other from then on.

    Who wrote what was run is on record as one who has written in the draft, and so is not the one to approve it.
    """
    by.demand(rights.REPORTS_READ)
    try:
        enquiry = await enquiries.get(session, enquiry_id, by=by)
    except NotFound as problem:
        raise Invalid.at("/enquiry", problem.detail, "unknown-enquiry") from problem
    if enquiry.status not in ("answered", "closed"):
        raise Conflict(f"This enquiry is {enquiry.status}. Answer it first.")
    found = (
        select(ReportVersion, col(Report.source_id))
        .join(Run, col(Run.report_version_id) == col(ReportVersion.id))
        .join(Report, col(Report.id) == col(ReportVersion.report_id))
        .where(
            col(Run.id) == run_id,
            col(Run.enquiry_id) == enquiry.id,
            col(Run.status).in_(_ENDED_WELL),
        )
    )
    row = (await session.execute(found)).one_or_none()
    if row is None:
        raise Invalid.at("/run", f"{run_id} is no finished run for this enquiry.", "unknown-run")
    asked, source_id = row
    report = await reports.create(session, {**facts, "source_id": source_id}, by=by, now=now)
    report.enquiry_id = enquiry.id
    wrote = {asked.author, *asked.editors, *((by.actor,) if by.actor else ())} - {by.id}
    version = ReportVersion(
        id=ids.new("rpv"), report_id=report.id, number=1, sql=asked.sql, parameters=asked.parameters,
        result_columns=asked.result_columns, classes=asked.classes, author=by.id, editors=sorted(wrote),
        created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(version)
    audit.record(session, "report.written", kind="report", of=report.id, by=by, now=now, version=1, run=run_id)
    await happened(session, enquiry, "became-report", by=by, now=now, report=report.id, run=run_id)
    return report
