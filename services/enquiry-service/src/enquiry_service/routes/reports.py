"""/enquiry/v1/reports and their versions."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from enquiry_service import parameters, reports, rights
from enquiry_service.parameters import Parameter
from enquiry_service.sources import Column
from enquiry_service.tables import DataSource, Report, ReportVersion
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Name, Words
from lodge_kit.world import Here, Now

router = APIRouter(tags=["reports"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.REPORTS_READ)]
Writer = Annotated[Caller, requires(rights.REPORTS_WRITE)]
Runner = Annotated[Caller, requires(rights.RUN)]
Approver = Annotated[Caller, requires(rights.APPROVE)]


class ReportChange(Change):
    """What may be changed of a report."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=5_000)


class ReportIn(ReportChange):
    """A report to make."""

    name: Name = Field(examples=["Enrolments by faculty"])
    source: Id


class ReportOut(BaseModel):
    """A question that is asked again and again."""

    id: str
    etag: str
    name: str
    description: str
    source: Reference
    owner: Reference
    approved_version: int | None = Field(description="The version that runs; null while none was approved.")
    created_at: datetime
    updated_at: datetime


class VersionIn(BaseModel):
    """SQL with its typed parameters, each written `:name` in it."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(min_length=1, max_length=100_000, examples=["SELECT faculty, count(*) FROM enrolment GROUP BY 1"])
    parameters: list[Parameter] = Field(default=[], max_length=50)


class VersionOut(BaseModel):
    """One state of a report."""

    id: str
    etag: str
    number: int
    state: Literal["draft", "review", "approved", "retired"]
    sql: str
    parameters: list[dict[str, Any]]
    result_columns: list[Column]
    author: Reference
    approver: Reference | None
    approved_at: datetime | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class Reason(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = Field(min_length=1, max_length=2_000)


REPORTS = Listing(
    ReportOut,
    key=col(Report.id),
    orders={"name": col(Report.name), "created_at": col(Report.created_at)},
    default="name",
)
VERSIONS = Listing(
    VersionOut, key=col(ReportVersion.id), orders={"number": col(ReportVersion.number)}, default="-number"
)

_Author, _Approver = aliased(KnownName), aliased(KnownName)


def _reports() -> Select[Report, str, str | None, int | None]:
    runs = select(col(ReportVersion.number)).where(
        col(ReportVersion.report_id) == col(Report.id), col(ReportVersion.state) == "approved"
    )
    return (
        select(Report, col(DataSource.name), col(KnownName.name), runs.scalar_subquery())
        .join(DataSource, col(DataSource.id) == col(Report.source_id))
        .outerjoin(KnownName, col(KnownName.id) == col(Report.owner))
    )


def shown(row: Row[Report, str, str | None, int | None]) -> ReportOut:
    """Show a report with its source and the version that runs."""
    report = row[0]
    references = {
        "etag": etags.etag(report),
        "source": {"id": report.source_id, "name": row[1]},
        "owner": {"id": report.owner, "name": row[2] or ""},
        "approved_version": row[3],
    }
    return ReportOut.model_validate(report.model_dump() | references)


def _versions() -> Select[ReportVersion, str | None, str | None]:
    return (
        select(ReportVersion, col(_Author.name), col(_Approver.name))
        .outerjoin(_Author, col(_Author.id) == col(ReportVersion.author))
        .outerjoin(_Approver, col(_Approver.id) == col(ReportVersion.approver))
    )


def _version(row: Row[ReportVersion, str | None, str | None]) -> VersionOut:
    version = row[0]
    references = {
        "etag": etags.etag(version),
        "author": {"id": version.author, "name": row[1] or ""},
        "approver": {"id": version.approver, "name": row[2] or ""} if version.approver else None,
        "result_columns": version.result_columns or [],
    }
    return VersionOut.model_validate(version.model_dump() | references)


async def _now_is(request: Request, session: AsyncSession, report_id: str, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_reports().where(col(Report.id) == report_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no report {report_id}.")
    location = f"/enquiry/v1/reports/{report_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


async def _version_is(request: Request, session: AsyncSession, version: ReportVersion, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_versions().where(col(ReportVersion.id) == version.id))).one()
    path = f"/enquiry/v1/reports/{version.report_id}/versions/{version.number}"
    return etags.answer(request, _version(row), status=status, location=path if status == 201 else None)  # noqa: PLR2004 - Created


@router.post("/reports", status_code=201, response_model=ReportOut)
async def create_report(request: Request, wanted: ReportIn, session: Session, by: Writer, now: Now) -> Response:
    """Make a report on a data source; then POST its SQL to /versions."""
    facts = wanted.model_dump(exclude={"source"}) | {"source_id": wanted.source}
    report = await reports.create(session, facts, by=by, now=now)
    return await _now_is(request, session, report.id, 201)


@router.get("/reports", responses=REPORTS.responses)
async def list_reports(
    request: Request, by: Reader, ask: Annotated[Ask, REPORTS.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of the name or the description.")] = None,
    source: Id | None = None,
    owner: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
) -> Response:  # fmt: skip
    """List the reports."""
    found = _reports().where(col(Report.archived_at).is_(None))
    if q:
        found = found.where(contains(q, col(Report.name), col(Report.description)))
    if source:
        found = found.where(col(Report.source_id) == source)
    if owner:
        found = found.where(col(Report.owner) == by.named(owner))
    return await REPORTS.answer(request, ask, found, shown, filename="reports")


@router.get("/reports/{report_id}", response_model=ReportOut)
async def get_report(request: Request, report_id: str, session: Session, _by: Reader) -> Response:
    """Read a report."""
    return await _now_is(request, session, report_id)


@router.patch("/reports/{report_id}", response_model=ReportOut)
async def change_report(
    request: Request, report_id: str, wanted: ReportChange, session: Session, by: Writer, if_match: IfMatch, now: Now
) -> Response:
    """Rename or describe a report."""
    report = await reports.get(session, report_id)
    etags.demand(report, if_match)
    await reports.change(session, report, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return await _now_is(request, session, report_id)


@router.post("/reports/{report_id}/versions", status_code=201, response_model=VersionOut)
async def create_report_version(
    request: Request, report_id: str, wanted: VersionIn, session: Session, by: Writer, here: Here, now: Now
) -> Response:
    """Write a version: refused unless it can only read, and the source itself understands it."""
    version = await reports.write(session, report_id, wanted.sql, wanted.parameters, world=here, by=by, now=now)
    return await _version_is(request, session, version, 201)


@router.get("/reports/{report_id}/versions", responses=VERSIONS.responses)
async def list_report_versions(
    request: Request, report_id: str, session: Session, _by: Reader, ask: Annotated[Ask, VERSIONS.ask]
) -> Response:
    """List a report's versions, the newest first."""
    await reports.get(session, report_id)
    found = _versions().where(col(ReportVersion.report_id) == report_id)
    return await VERSIONS.answer(request, ask, found, _version, filename="versions")


@router.get("/reports/{report_id}/versions/{number}", response_model=VersionOut)
async def get_report_version(request: Request, report_id: str, number: int, session: Session, _by: Reader) -> Response:
    """Read one version."""
    return await _version_is(request, session, await reports.get_version(session, report_id, number))


@router.get("/reports/{report_id}/parameters")
async def get_report_parameters(report_id: str, session: Session, _by: Runner) -> dict[str, Any]:
    """Read the JSON Schema (2020-12) of the parameters of the version that runs: what a portal draws a form from."""
    version = await reports.approved(session, await reports.get(session, report_id))
    return parameters.form(parameters.DEFINITIONS.validate_python(version.parameters))


@router.get("/reports/{report_id}/versions/{number}/parameters")
async def get_report_version_parameters(report_id: str, number: int, session: Session, _by: Reader) -> dict[str, Any]:
    """Read the JSON Schema (2020-12) of one version's parameters."""
    version = await reports.get_version(session, report_id, number)
    return parameters.form(parameters.DEFINITIONS.validate_python(version.parameters))


@router.post("/reports/{report_id}/versions/{number}/submit", response_model=VersionOut)
async def submit_report_version(
    request: Request, report_id: str, number: int, session: Session, by: Writer, now: Now
) -> Response:
    """Offer a draft for approval by another."""
    version = await reports.get_version(session, report_id, number)
    await reports.submit(session, version, by=by, now=now)
    return await _version_is(request, session, version)


@router.post("/reports/{report_id}/versions/{number}/approve", response_model=VersionOut)
async def approve_report_version(
    request: Request, report_id: str, number: int, session: Session, by: Approver, now: Now
) -> Response:
    """Approve what another wrote: it is the version that runs from now on."""
    version = await reports.get_version(session, report_id, number)
    await reports.approve(session, version, by=by, now=now)
    return await _version_is(request, session, version)


@router.post("/reports/{report_id}/versions/{number}/send-back", response_model=VersionOut)
async def send_back_report_version(
    request: Request, report_id: str, number: int, wanted: Reason, session: Session, by: Approver, now: Now
) -> Response:
    """Send a version back to its author."""
    version = await reports.get_version(session, report_id, number)
    await reports.send_back(session, version, reason=wanted.reason, by=by, now=now)
    return await _version_is(request, session, version)
