"""/enquiry/v1/reports."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import answered, report_rights, reports, rights
from enquiry_service.report_rights import ReportRight
from enquiry_service.tables import DataSource, Report, ReportVersion
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Line, Name
from lodge_kit.world import Here, Now

router = APIRouter(tags=["reports"], route_class=IdempotentRoute)

Writer = Annotated[Caller, requires(rights.REPORTS_WRITE)]

Tag = Annotated[Line, Field(max_length=50, examples=["admissions"])]


def _each_once(tags: list[str]) -> list[str]:
    return sorted(set(tags))


class ReportChange(Change):
    """What may be changed of a report."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=5_000)
    tags: Annotated[list[Tag], AfterValidator(_each_once)] = Field(default=[], max_length=20)
    owner: Id = Field(default="", description="Who answers for it: changed by its owner and by those who approve.")


class ReportIn(BaseModel):
    """A report to make; it is its maker's."""

    model_config = ConfigDict(extra="forbid")

    description: str = Field(default="", max_length=5_000)
    tags: Annotated[list[Tag], AfterValidator(_each_once)] = Field(default=[], max_length=20)
    name: Name = Field(examples=["Enrolments by faculty"])
    source: Id | None = Field(default=None, description="Needed, but where it is made of an enquiry.")
    enquiry: Id | None = Field(default=None, description="The answered enquiry that it is made of, with `run`.")
    run: Id | None = Field(default=None, description="The run whose SQL becomes the first draft.")

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        if (self.enquiry is None) != (self.run is None) or (self.enquiry is None) == (self.source is None):
            raise ValueError("give a source, or an enquiry together with the run that answered it")
        return self


class ReportOut(BaseModel):
    """A question that is asked again and again."""

    id: str
    etag: str
    name: str
    description: str
    tags: list[str]
    source: Reference
    owner: Reference
    enquiry: str | None = Field(description="The id of the enquiry that it was made of.")
    approved_version: int | None = Field(description="The version that runs; null while none was approved.")
    created_at: datetime
    updated_at: datetime


class ReportRights(BaseModel):
    """What you may do with a report; what a right by role holds for some org units only is said by the call itself."""

    rights: list[ReportRight]


REPORTS = Listing(
    ReportOut,
    key=col(Report.id),
    orders={"name": col(Report.name), "created_at": col(Report.created_at)},
    default="name",
)


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
        "enquiry": report.enquiry_id,
        "approved_version": row[3],
    }
    return ReportOut.model_validate(report.model_dump() | references)


async def _now_is(request: Request, session: AsyncSession, report_id: str, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_reports().where(col(Report.id) == report_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no report {report_id}.")
    location = f"/enquiry/v1/reports/{report_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


@router.post("/reports", status_code=201, response_model=ReportOut)
async def create_report(request: Request, wanted: ReportIn, session: Session, by: Writer, now: Now) -> Response:
    """Make a report on a data source, then POST its SQL to /versions; or of an enquiry that was answered by a run."""
    facts = wanted.model_dump(exclude={"source", "enquiry", "run"})
    if wanted.enquiry and wanted.run:
        report = await answered.become(session, facts, enquiry_id=wanted.enquiry, run_id=wanted.run, by=by, now=now)
    else:
        report = await reports.create(session, facts | {"source_id": wanted.source}, by=by, now=now)
    return await _now_is(request, session, report.id, 201)


@router.get("/reports", responses=REPORTS.responses)
async def list_reports(
    request: Request, by: Authenticated, here: Here, ask: Annotated[Ask, REPORTS.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of the name or the description.")] = None,
    source: Id | None = None,
    owner: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
    enquiry: Id | None = None,
    tag: Annotated[Tag | None, Query()] = None,
    state: Annotated[
        Literal["draft", "review", "approved", "retired"] | None, Query(description="Of one of its versions.")
    ] = None,
) -> Response:  # fmt: skip
    """List the reports that you may know of.

    They are all for those who read reports, those that run for those who run them, and those on which you were given a
    right in access-service.
    """
    found = _reports().where(col(Report.archived_at).is_(None), await reports.visible(here, by))
    if q:
        found = found.where(contains(q, col(Report.name), col(Report.description)))
    if source:
        found = found.where(col(Report.source_id) == source)
    if owner:
        found = found.where(col(Report.owner) == by.named(owner))
    if enquiry:
        found = found.where(col(Report.enquiry_id) == enquiry)
    if tag:
        found = found.where(col(Report.tags).contains([tag]))
    if state:
        one = select(col(ReportVersion.id)).where(
            col(ReportVersion.report_id) == col(Report.id), col(ReportVersion.state) == state
        )
        found = found.where(one.exists())
    return await REPORTS.answer(request, ask, found, shown, filename="reports")


@router.get("/reports/{report_id}", response_model=ReportOut)
async def get_report(request: Request, report_id: str, session: Session, by: Authenticated, here: Here) -> Response:
    """Read a report, without the SQL of its versions."""
    await reports.demand_visible(session, report_id, world=here, by=by)
    return await _now_is(request, session, report_id)


@router.get("/reports/{report_id}/rights")
async def get_report_rights(report_id: str, session: Session, by: Authenticated, here: Here) -> ReportRights:
    """Read what you may do with a report: by your roles, and by what you were given on this one."""
    await reports.demand_visible(session, report_id, world=here, by=by)
    return ReportRights(rights=sorted(await report_rights.held(here, report_id, by=by)))


@router.patch("/reports/{report_id}", response_model=ReportOut)
async def change_report(
    request: Request, report_id: str, wanted: ReportChange, session: Session, by: Writer, if_match: IfMatch,
    here: Here, now: Now,
) -> Response:  # fmt: skip
    """Change what a report is called, how it is found, and who answers for it."""
    report = await reports.get(session, report_id)
    etags.demand(report, if_match)
    await reports.change(session, report, wanted.model_dump(exclude_unset=True), world=here, by=by, now=now)
    return await _now_is(request, session, report_id)
