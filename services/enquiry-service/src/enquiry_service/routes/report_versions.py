"""/enquiry/v1/reports/{id}/versions: written, validated, judged, compared."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from enquiry_service import data_sources, differences, parameters, report_rights, reports, rights, versions
from enquiry_service.column_classes import DataClass, ResultColumn
from enquiry_service.differences import Differences
from enquiry_service.parameters import Parameter
from enquiry_service.routes.report_callers import ReportEditor, ReportReader, ReportRunner, ReportWriter
from enquiry_service.tables import DataSource, Report, ReportVersion
from enquiry_service.versions import Draft, Validation
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.listing import Ask, Listing
from lodge_kit.tables import KnownName
from lodge_kit.texts import Words
from lodge_kit.world import Here, Now, World

router = APIRouter(tags=["reports"], route_class=IdempotentRoute)

Approver = Annotated[Caller, requires(rights.APPROVE)]


class VersionChange(Change):
    """What may be changed of a draft, by whoever writes reports; who does so may not approve it."""

    sql: str = Field(default="", min_length=1, max_length=100_000, examples=["SELECT faculty FROM enrolment"])
    parameters: list[Parameter] = Field(default=[], max_length=50)
    classes: dict[str, DataClass] = Field(
        default={}, max_length=1_000,
        description="What the columns of the result tell of people, by name; those that show a classified column of the"
        " source unchanged are left out. All of them at once.",
    )  # fmt: skip


class VersionIn(VersionChange):
    """SQL with its typed parameters, each written `:name` in it."""

    sql: str = Field(min_length=1, max_length=100_000, examples=["SELECT faculty, count(*) FROM enrolment GROUP BY 1"])


class VersionOut(BaseModel):
    """One state of a report."""

    id: str
    etag: str
    number: int
    state: Literal["draft", "review", "approved", "retired"]
    sql: str | None = Field(description="null for who may not see it.")
    parameters: list[dict[str, Any]]
    result_columns: list[ResultColumn]
    author: Reference
    editors: list[str] = Field(description="The ids of those who have written in it beside the author.")
    approver: Reference | None
    approved_at: datetime | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class Reason(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = Field(min_length=1, max_length=2_000)


VERSIONS = Listing(
    VersionOut, key=col(ReportVersion.id), orders={"number": col(ReportVersion.number)}, default="-number"
)

_Author, _Approver = aliased(KnownName), aliased(KnownName)


def _versions() -> Select[ReportVersion, DataSource, str | None, str | None]:
    return (
        select(ReportVersion, DataSource, col(_Author.name), col(_Approver.name))
        .join(Report, col(Report.id) == col(ReportVersion.report_id))
        .join(DataSource, col(DataSource.id) == col(Report.source_id))
        .outerjoin(_Author, col(_Author.id) == col(ReportVersion.author))
        .outerjoin(_Approver, col(_Approver.id) == col(ReportVersion.approver))
    )


def _version(row: Row[ReportVersion, DataSource, str | None, str | None], *, with_sql: bool) -> VersionOut:
    version, source = row[0], row[1]
    references = {
        "etag": etags.etag(version),
        "author": {"id": version.author, "name": row[2] or ""},
        "approver": {"id": version.approver, "name": row[3] or ""} if version.approver else None,
        "result_columns": versions.classified(version, source),
        "sql": version.sql if with_sql else None,
    }
    return VersionOut.model_validate(version.model_dump() | references)


async def _version_is(
    request: Request, session: AsyncSession, version: ReportVersion, *, here: World, by: Caller, status: int = 200
) -> Response:
    with_sql = await report_rights.may(here, version.report_id, "see-sql", by=by)
    await session.flush()
    row = (await session.execute(_versions().where(col(ReportVersion.id) == version.id))).one()
    path = f"/enquiry/v1/reports/{version.report_id}/versions/{version.number}"
    location = path if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, _version(row, with_sql=with_sql), status=status, location=location)


@router.post("/reports/{report_id}/versions", status_code=201, response_model=VersionOut)
async def create_report_version(
    request: Request, report_id: str, wanted: VersionIn, session: Session, by: ReportWriter, here: Here, now: Now
) -> Response:
    """Write a version: refused unless it can only read, and the source itself understands it."""
    draft = Draft(wanted.sql, wanted.parameters, wanted.classes)
    version = await versions.write(session, report_id, draft, world=here, by=by, now=now)
    return await _version_is(request, session, version, here=here, by=by, status=201)


@router.get("/reports/{report_id}/versions", responses=VERSIONS.responses)
async def list_report_versions(
    request: Request, report_id: str, session: Session, _by: ReportReader, ask: Annotated[Ask, VERSIONS.ask]
) -> Response:
    """List a report's versions, the newest first."""
    await reports.get(session, report_id)
    found = _versions().where(col(ReportVersion.report_id) == report_id)
    return await VERSIONS.answer(request, ask, found, partial(_version, with_sql=True), filename="versions")


@router.get("/reports/{report_id}/versions/{number}", response_model=VersionOut)
async def get_report_version(
    request: Request, report_id: str, number: int, session: Session, by: ReportReader, here: Here
) -> Response:
    """Read one version."""
    return await _version_is(request, session, await versions.get(session, report_id, number), here=here, by=by)


@router.patch("/reports/{report_id}/versions/{number}", response_model=VersionOut)
async def change_report_version(
    request: Request, report_id: str, number: int, wanted: VersionChange, session: Session,
    by: ReportEditor, if_match: IfMatch, here: Here, now: Now,
) -> Response:  # fmt: skip
    """Edit a draft: its SQL, its parameters, the classes of its columns. Checked as a new one is.

    It takes the right to see the SQL too: what is wrong is told in the words of the draft.
    """
    changes = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    version = await versions.rewrite(session, report_id, number, changes, if_match=if_match, world=here, by=by, now=now)
    return await _version_is(request, session, version, here=here, by=by)


@router.get("/reports/{report_id}/versions/{number}/diff")
async def compare_report_versions(
    report_id: str, number: int, session: Session, _by: ReportReader,
    against: Annotated[int | None, Query(ge=1, description="The one before, where it is left out.")] = None,
) -> Differences:  # fmt: skip
    """Compare a version with another: its text as a unified diff, its parameters and columns by name."""
    report = await reports.get(session, report_id)
    source = await data_sources.get(session, report.source_id)
    after = await versions.get(session, report_id, number)
    before = await versions.get(session, report_id, against if against is not None else number - 1)
    was, now = ([one.model_dump() for one in versions.classified(two, source)] for two in (before, after))
    names = (f"version {before.number}", f"version {after.number}")
    return Differences(
        before=before.number, after=after.number,
        sql=await asyncio.to_thread(differences.unified, before.sql, after.sql, names=names),
        parameters=differences.between(before.parameters, after.parameters),
        result_columns=differences.between(was, now),
    )  # fmt: skip


@router.post("/reports/{report_id}/versions/{number}/validate")
async def validate_report_version(report_id: str, number: int, _by: ReportEditor, here: Here) -> Validation:
    """Ask whether a version would run on its source as both are today; nothing is run. It is told in its own words."""
    return await versions.validate(report_id, number, world=here)


@router.get("/reports/{report_id}/parameters")
async def get_report_parameters(report_id: str, session: Session, _by: ReportRunner) -> dict[str, Any]:
    """Read the JSON Schema (2020-12) of the parameters of the version that runs: what a portal draws a form from."""
    version = await versions.approved(session, await reports.get(session, report_id))
    return parameters.form(parameters.DEFINITIONS.validate_python(version.parameters))


@router.get("/reports/{report_id}/versions/{number}/parameters")
async def get_report_version_parameters(
    report_id: str, number: int, session: Session, _by: ReportReader
) -> dict[str, Any]:
    """Read the JSON Schema (2020-12) of one version's parameters."""
    version = await versions.get(session, report_id, number)
    return parameters.form(parameters.DEFINITIONS.validate_python(version.parameters))


@router.post("/reports/{report_id}/versions/{number}/submit", response_model=VersionOut)
async def submit_report_version(
    request: Request, report_id: str, number: int, session: Session, by: ReportWriter, here: Here, now: Now
) -> Response:
    """Offer a draft for approval by another."""
    version = await versions.get(session, report_id, number)
    await versions.submit(session, version, by=by, now=now)
    return await _version_is(request, session, version, here=here, by=by)


@router.post("/reports/{report_id}/versions/{number}/approve", response_model=VersionOut)
async def approve_report_version(
    request: Request, report_id: str, number: int, session: Session, by: Approver, here: Here, now: Now
) -> Response:
    """Approve what another wrote: it is the version that runs from now on."""
    version = await versions.get(session, report_id, number)
    await versions.approve(session, version, by=by, now=now)
    return await _version_is(request, session, version, here=here, by=by)


@router.post("/reports/{report_id}/versions/{number}/send-back", response_model=VersionOut)
async def send_back_report_version(
    request: Request, report_id: str, number: int, wanted: Reason, session: Session, by: Approver, here: Here,
    now: Now,
) -> Response:  # fmt: skip
    """Send a version back to its author."""
    version = await versions.get(session, report_id, number)
    await versions.send_back(session, version, reason=wanted.reason, by=by, now=now)
    return await _version_is(request, session, version, here=here, by=by)


@router.post("/reports/{report_id}/versions/{number}/retire", response_model=VersionOut)
async def retire_report_version(
    request: Request, report_id: str, number: int, wanted: Reason, session: Session, by: ReportWriter, here: Here,
    now: Now,
) -> Response:  # fmt: skip
    """Take a version out of use for good: the one that runs only by those who may approve too."""
    version = await versions.get(session, report_id, number)
    await versions.retire(session, version, reason=wanted.reason, by=by, now=now)
    return await _version_is(request, session, version, here=here, by=by)
