"""/enquiry/v1/runs: asked for, watched, fetched, cancelled."""

import base64
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from starlette.responses import FileResponse, StreamingResponse

from enquiry_service import artifacts, jobs, progress, reports, rights, runs
from enquiry_service.routes.report_callers import ReportRunner
from enquiry_service.tables import Enquiry, Report, ReportVersion, Run
from lodge_kit import etags
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, several
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Words
from lodge_kit.world import Here, Now

router = APIRouter(tags=["runs"], route_class=IdempotentRoute)

AdHocRunner = Annotated[Caller, requires(rights.ADHOC)]

RunStatus = Literal["queued", "running", "spooling", "done", "truncated", "failed", "cancelled", "expired"]


class RunIn(BaseModel):
    """A run to ask for."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(default={}, description="A value for each parameter, by name.")
    enquiry: Id | None = Field(default=None, description="The enquiry that it answers.")
    purpose: str = Field(default="", max_length=2_000)


class AdHocRunIn(BaseModel):
    """A run of a draft to ask for: for whom, and why."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(default={}, description="A value for each parameter, by name.")
    enquiry: Id = Field(description="The enquiry that it answers; the run is in its log.")
    purpose: Words = Field(min_length=1, max_length=2_000)


class RunOut(BaseModel):
    """One execution of a report."""

    id: str
    etag: str
    report: Reference
    version: int
    enquiry: Reference | None = Field(
        description="The enquiry that it answers. Its name tells no more than its kind and day."
    )
    parameters: dict[str, Any]
    purpose: str
    ad_hoc: bool = Field(description="Whether nobody had approved what was run.")
    requested_by: Reference
    status: RunStatus
    phase: str | None = Field(description="What a run under way is at.")
    rows: int
    bytes: int
    sha256: str | None
    reason: str | None
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime


RUNS = Listing(RunOut, key=col(Run.id), orders={"created_at": col(Run.created_at)}, default="-created_at")


def _runs() -> Select[Run, int, str, str, str | None, str | None, date | None]:
    return (
        select(
            Run,
            col(ReportVersion.number),
            col(Report.id),
            col(Report.name),
            col(KnownName.name),
            col(Enquiry.kind),
            col(Enquiry.received_on),
        )
        .join(ReportVersion, col(ReportVersion.id) == col(Run.report_version_id))
        .join(Report, col(Report.id) == col(ReportVersion.report_id))
        .outerjoin(KnownName, col(KnownName.id) == col(Run.requested_by))
        .outerjoin(Enquiry, col(Enquiry.id) == col(Run.enquiry_id))
    )


def shown(row: Row[Run, int, str, str, str | None, str | None, date | None]) -> RunOut:
    """Show a run with its report."""
    run = row[0]
    references = {
        "etag": etags.etag(run),
        "version": row[1],
        "report": {"id": row[2], "name": row[3]},
        "requested_by": {"id": run.requested_by, "name": row[4] or ""},
        # Not its title: who may see the run need not be one who may read the enquiry.
        "enquiry": {"id": run.enquiry_id, "name": f"{row[5]}, {row[6]}"} if run.enquiry_id else None,
    }
    return RunOut.model_validate(run.model_dump() | references)


async def _now_is(request: Request, session: AsyncSession, run_id: str, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_runs().where(col(Run.id) == run_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no run {run_id} that you may see.")
    location = f"/enquiry/v1/runs/{run_id}" if status == 202 else None  # noqa: PLR2004 - Accepted
    return etags.answer(request, shown(row), status=status, location=location)


@router.post("/reports/{report_id}/runs", status_code=202, response_model=RunOut)
async def create_run(
    request: Request, report_id: str, wanted: RunIn, session: Session, by: ReportRunner, here: Here, now: Now
) -> Response:
    """Ask for a run of a report's approved version. `Location` says where its progress is."""
    report = await reports.get(session, report_id)
    run = await runs.request(
        session, report, wanted.parameters, enquiry_id=wanted.enquiry, purpose=wanted.purpose, world=here, by=by,
        now=now,
    )  # fmt: skip
    await jobs.defer_run(session, run.id)
    return await _now_is(request, session, run.id, 202)


@router.post("/reports/{report_id}/versions/{number}/runs", status_code=202, response_model=RunOut)
async def create_ad_hoc_run(
    request: Request, report_id: str, number: int, wanted: AdHocRunIn, session: Session, by: AdHocRunner, here: Here,
    now: Now,
) -> Response:  # fmt: skip
    """Ask for a run of a draft for a named enquiry, without approval: its source's limit for that is a lower one."""
    report = await reports.get(session, report_id)
    run = await runs.request_ad_hoc(
        session, report, number, wanted.parameters, enquiry_id=wanted.enquiry, purpose=wanted.purpose, world=here,
        by=by, now=now,
    )  # fmt: skip
    await jobs.defer_run(session, run.id)
    return await _now_is(request, session, run.id, 202)


@router.get("/runs", responses=RUNS.responses)
async def list_runs(
    request: Request, by: Authenticated, ask: Annotated[Ask, RUNS.ask],
    report: Id | None = None, enquiry: Id | None = None,
    status: Annotated[list[RunStatus] | None, BeforeValidator(several), Query(description="By comma.")] = None,
    requested_by: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
) -> Response:  # fmt: skip
    """List the runs that you may see.

    They are your own, those that answered your enquiries, and with `enquiry.reports.read` those of your org units.
    """
    found = _runs().where(runs.visible(by))
    for column, value in ((Report.id, report), (Run.enquiry_id, enquiry)):
        if value:
            found = found.where(col(column) == value)
    if status:
        found = found.where(col(Run.status).in_(status))
    if requested_by:
        found = found.where(col(Run.requested_by) == by.named(requested_by))
    return await RUNS.answer(request, ask, found, shown, filename="runs")


@router.get("/runs/{run_id}", response_model=RunOut)
async def get_run(request: Request, run_id: str, session: Session, by: Authenticated) -> Response:
    """Read a run: its status, and while it is under way its progress."""
    await runs.get(session, run_id, by=by)
    return await _now_is(request, session, run_id)


@router.delete("/runs/{run_id}", status_code=202, response_model=RunOut)
async def cancel_run(request: Request, run_id: str, session: Session, by: Authenticated, now: Now) -> Response:
    """Cancel a run: its query is ended at the source too. Its status says when that is done."""
    await runs.cancel(session, run_id, by=by, now=now)
    return await _now_is(request, session, run_id, 202)


@router.get("/runs/{run_id}/file", response_class=FileResponse, responses={200: {"content": {"text/csv": {}}}})
async def get_run_file(run_id: str, session: Session, by: Authenticated, here: Here, now: Now) -> FileResponse:
    """Fetch what a run found, as CSV.

    `Repr-Digest` (RFC 9530) is the SHA-256 that the run recorded. `Lodge-Truncated: ?1` says that the result was cut
    at its source's limit of rows.
    """
    run = await runs.get(session, run_id, by=by)
    path, artifact = await artifacts.fetch(session, run, world=here, by=by, now=now)
    digest = base64.b64encode(bytes.fromhex(artifact.sha256)).decode()
    headers = {
        "Repr-Digest": f"sha-256=:{digest}:", "ETag": f'"{artifact.sha256}"', "Cache-Control": "private, no-store",
        "Lodge-Truncated": "?1" if run.status == "truncated" else "?0",
    }  # fmt: skip
    return FileResponse(
        path, media_type="text/csv; charset=utf-8; header=present", filename=f"{run.id}.csv", headers=headers
    )


@router.get(
    "/runs/{run_id}/progress",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "You have seen the end: an EventSource does not come back after this."},
    },
)
async def watch_run(
    request: Request, run_id: str, session: Session, by: Authenticated, here: Here,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:  # fmt: skip
    """Watch a run, as server-sent events: `progress` at each change of its row, then `end`.

    The data is `{status, phase, rows, bytes, reason}`. A stream ends after 20 s, with a `retry` that says when to open
    the next one: each is authorised anew.
    """
    run = await runs.get(session, run_id, by=by)
    if run.status not in runs.UNDER_WAY and last_event_id == str(run.version):
        return Response(status_code=204)
    events = progress.stream(here.database, run_id, closing=request.app.state.closing)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)
