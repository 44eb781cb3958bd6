"""Whose file is this, and which files hold this column: /artifacts/verify and /audit/subject-lookup."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import col

from enquiry_service import runs, versions
from enquiry_service.column_classes import ResultColumn
from enquiry_service.tables import AccessLog, Artifact, DataSource, Report, ReportVersion, Run
from lodge_kit.audit.routes import reading
from lodge_kit.directory import Reference
from lodge_kit.identity import Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.tables import KnownName

router = APIRouter(tags=["provenance"])

AuditReader = Annotated[Caller, requires(reading("enquiry"))]


class Provenance(BaseModel):
    """Where a file comes from, and until when it may be kept."""

    run: str
    report: Reference
    version: int
    source: Reference
    requested_by: Reference
    enquiry: str | None
    purpose: str
    ad_hoc: bool
    parameters: dict[str, Any]
    result_columns: list[ResultColumn]
    format: str
    rows: int
    bytes: int
    sha256: str
    truncated: bool = Field(description="Whether the result was cut at a limit of rows.")
    made_at: datetime
    destroyed_on: datetime = Field(description="When it is to be destroyed; copies too.")
    destroyed_at: datetime | None = Field(description="When ours was.")


class Fetch(BaseModel):
    """Somebody fetched it."""

    person: str
    at: datetime


class ColumnExport(BaseModel):
    """A file that holds a column of a source unchanged."""

    artifact: str
    run: str
    report: Reference
    version: int
    requested_by: Reference
    enquiry: str | None
    sha256: str
    rows: int
    made_at: datetime
    destroyed_on: datetime
    destroyed_at: datetime | None
    fetched: list[Fetch] = Field(description="By whom and when, where the column was classified then.")


FILES = Listing(Provenance, key=col(Artifact.id), orders={"made_at": col(Artifact.created_at)}, default="-made_at")
EXPORTS = Listing(ColumnExport, key=col(Artifact.id), orders={"made_at": col(Artifact.created_at)}, default="-made_at")

_Found = Row[Artifact, Run, ReportVersion, Report, DataSource, str | None]


def _files() -> Select[Artifact, Run, ReportVersion, Report, DataSource, str | None]:
    return (
        select(Artifact, Run, ReportVersion, Report, DataSource, col(KnownName.name))
        .join(Run, col(Run.id) == col(Artifact.run_id))
        .join(ReportVersion, col(ReportVersion.id) == col(Run.report_version_id))
        .join(Report, col(Report.id) == col(ReportVersion.report_id))
        .join(DataSource, col(DataSource.id) == col(Report.source_id))
        .outerjoin(KnownName, col(KnownName.id) == col(Run.requested_by))
    )


def _of(artifact: Artifact, run: Run, version: ReportVersion, report: Report, name: str | None) -> dict[str, Any]:
    return {
        "run": run.id, "report": {"id": report.id, "name": report.name}, "version": version.number,
        "requested_by": {"id": run.requested_by, "name": name or ""}, "enquiry": run.enquiry_id, "rows": run.rows,
        "sha256": artifact.sha256, "made_at": artifact.created_at, "destroyed_on": artifact.expires_at,
        "destroyed_at": artifact.destroyed_at,
    }  # fmt: skip


def _provenance(row: _Found) -> Provenance:
    artifact, run, version, report, source, name = row[:6]
    facts = {
        "source": {"id": source.id, "name": source.name}, "purpose": run.purpose, "ad_hoc": run.ad_hoc,
        "parameters": run.parameters, "result_columns": versions.classified(version, source),
        "format": artifact.format, "bytes": artifact.bytes, "truncated": artifact.truncated,
    }  # fmt: skip
    return Provenance.model_validate(facts | _of(artifact, run, version, report, name))


@router.get("/artifacts/verify", responses=FILES.responses)
async def verify_artifact(
    request: Request, by: Authenticated, ask: Annotated[Ask, FILES.ask],
    sha256: Annotated[str, Query(pattern=r"^[0-9a-f]{64}$", description="Of the file that you have.")],
) -> Response:  # fmt: skip
    """Say of a file, by its SHA-256, which run made it, of what, for whom, how it was cut, and when it is to go.

    Of runs that you may see; nothing is listed for a file that was changed by a byte.
    """
    found = _files().where(col(Artifact.sha256) == sha256, runs.visible(by))
    return await FILES.answer(request, ask, found, _provenance, filename="provenance")


@router.get("/audit/subject-lookup", responses=EXPORTS.responses)
async def look_up_column(
    request: Request, _by: AuditReader, ask: Annotated[Ask, EXPORTS.ask],
    column: Annotated[str, Query(max_length=200, description="`schema.table.column` of the source.")],
    source: Id | None = None,
) -> Response:  # fmt: skip
    """List the files that hold a column of a source as it is, for whom each was made and who fetched it.

    What was computed from it is not found: nobody can say of a number what it was made of.
    """
    fetches = (
        select(
            func.jsonb_agg(
                aggregate_order_by(
                    func.jsonb_build_object("person", col(AccessLog.person), "at", col(AccessLog.at)),
                    col(AccessLog.at),
                )
            )
        )
        .where(col(AccessLog.run_id) == col(Run.id), col(AccessLog.origin) == column)
        .scalar_subquery()
    )
    holds = col(ReportVersion.result_columns).contains([{"origin": column}])
    found = _files().add_columns(fetches).where(holds)
    if source:
        found = found.where(col(Report.source_id) == source)

    def shown(row: Row[Artifact, Run, ReportVersion, Report, DataSource, str | None, Any]) -> ColumnExport:
        facts = {"artifact": row[0].id, "fetched": row[6] or []}
        return ColumnExport.model_validate(facts | _of(row[0], row[1], row[2], row[3], row[5]))

    return await EXPORTS.answer(request, ask, found, shown, filename="exports")
