"""/enquiry/v1/enquiries."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import Row, Select, and_, false, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from enquiry_service import clocks, enquiries, kinds, rights
from enquiry_service.routes.kinds import Key
from enquiry_service.tables import Enquiry
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains, several
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Line, Words
from lodge_kit.world import Here, Now, Today

router = APIRouter(tags=["enquiries"], route_class=IdempotentRoute)

Filer = Annotated[Caller, requires(rights.FILE)]

Fields = Annotated[dict[str, Any], Field(description="What the kind asks for: see `fields` of /enquiry/v1/kinds.")]
Status = Literal["new", "open", "waiting", "answered", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]


class EnquiryChange(Change):
    """What may be changed of an enquiry."""

    title: Line = Field(default="", min_length=3, max_length=300)
    description: str = Field(default="", max_length=20_000)
    purpose: str = Field(default="", max_length=2_000, description="What the answer is needed for.")
    org_unit: Id | None = Field(default=None, description="For whom it is asked.")
    priority: Priority = "normal"
    received_on: date = Field(default=date.min, description="When it was received: its clock counts from there.")
    kind: Key = Field(default="data", description="Another kind has another clock, and asks for other fields.")
    fields: Fields = Field(default={}, description="A merge patch: null takes a field away, others stay.")


class EnquiryIn(BaseModel):
    """An enquiry to file."""

    model_config = ConfigDict(extra="forbid")

    kind: Key = Field(default="data", description="The key of one of /enquiry/v1/kinds.")
    fields: Fields = Field(default={})
    title: Line = Field(min_length=3, max_length=300, examples=["Students enrolled this term, by faculty"])
    description: str = Field(default="", max_length=20_000)
    purpose: str = Field(default="", max_length=2_000, description="What the answer is needed for.")
    org_unit: Id | None = Field(default=None, description="For whom it is asked.")
    priority: Priority = "normal"
    received_on: date | None = Field(default=None, description="When it was received; today where it is left out.")
    requester: Id | None = Field(default=None, description="Who asks; you where it is left out.")


class EnquiryOut(BaseModel):
    """What somebody wants to know."""

    id: str
    etag: str
    kind: str
    fields: Fields
    fields_version: int | None = Field(description="Which state of the kind's fields they were held against.")
    title: str
    description: str
    purpose: str
    requester: Reference
    assignee: Reference | None
    team: Reference | None
    org_unit: Reference | None
    priority: Priority
    status: Status
    received_on: date
    due_on: date | None = Field(description="By when it is due; null while something is waited for. See its /clock.")
    clock_state: Literal["running", "paused", "ended"] | None
    answered_at: datetime | None
    outcome: str | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


class Assignment(BaseModel):
    """Who is to answer; null takes it from everybody."""

    model_config = ConfigDict(extra="forbid")

    assignee: str | None = Field(description="A person's id, or `me`.")


class Answer(BaseModel):
    """The answer to an enquiry."""

    model_config = ConfigDict(extra="forbid")

    body: Words = Field(min_length=1, max_length=50_000)
    runs: list[Id] = Field(default=[], max_length=20, description="Finished runs whose files the requester may fetch.")


class Closing(BaseModel):
    """How an enquiry ended."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["answered", "refused", "withdrawn", "duplicate", "not-held"]
    reason: str = Field(default="", max_length=2_000)


class Reopening(BaseModel):
    """Why an enquiry is opened again."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = Field(min_length=1, max_length=2_000)


ENQUIRIES = Listing(
    EnquiryOut,
    key=col(Enquiry.id),
    orders={
        "created_at": col(Enquiry.created_at),
        "updated_at": col(Enquiry.updated_at),
        "received_on": col(Enquiry.received_on),
        "due_on": func.coalesce(col(Enquiry.due_on), date.max),
    },
    default="-created_at",
)
_Requester, _Assignee = aliased(KnownName), aliased(KnownName)
_Unit, _Team = aliased(KnownName), aliased(KnownName)

Named = tuple[Enquiry, str | None, str | None, str | None, str | None]
"""An enquiry, and what its requester, its assignee, its org unit and its team are called."""


def _enquiries() -> Select[*Named]:
    return (
        select(Enquiry, col(_Requester.name), col(_Assignee.name), col(_Unit.name), col(_Team.name))
        .outerjoin(_Requester, col(_Requester.id) == col(Enquiry.requester))
        .outerjoin(_Assignee, col(_Assignee.id) == col(Enquiry.assignee))
        .outerjoin(_Unit, col(_Unit.id) == col(Enquiry.org_unit))
        .outerjoin(_Team, col(_Team.id) == col(Enquiry.team))
    )


def shown(row: Row[*Named]) -> EnquiryOut:
    """Show an enquiry with the names of those concerned."""
    enquiry, requester, assignee, unit, team = row[0], row[1], row[2], row[3], row[4]
    references = {
        "etag": etags.etag(enquiry),
        "requester": {"id": enquiry.requester, "name": requester or ""},
        "assignee": reference(enquiry.assignee, assignee),
        "team": reference(enquiry.team, team),
        "org_unit": reference(enquiry.org_unit, unit),
    }
    return EnquiryOut.model_validate(enquiry.model_dump() | references)


async def now_is(request: Request, session: AsyncSession, enquiry_id: str, status: int = 200) -> Response:
    """Answer an enquiry as it is now."""
    await session.flush()
    row = (await session.execute(_enquiries().where(col(Enquiry.id) == enquiry_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no enquiry {enquiry_id} that you may see.")
    location = f"/enquiry/v1/enquiries/{enquiry_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


@router.post("/enquiries", status_code=201, response_model=EnquiryOut)
async def create_enquiry(
    request: Request, wanted: EnquiryIn, session: Session, by: Filer, here: Here, now: Now
) -> Response:
    """File an enquiry."""
    enquiry = await enquiries.file(session, wanted.model_dump(), by=by, world=here, now=now)
    return await now_is(request, session, enquiry.id, 201)


@router.get("/enquiries", responses=ENQUIRIES.responses)
async def list_enquiries(
    request: Request, session: Session, by: Authenticated, now: Now, today: Today, ask: Annotated[Ask, ENQUIRIES.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of the title or the description.")] = None,
    status: Annotated[list[Status] | None, BeforeValidator(several), Query(description="By comma.")] = None,
    kind: Key | None = None,
    requester: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
    assignee: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
    team: Annotated[Id | None, Query(description="A group.")] = None,
    org_unit: Id | None = None,
    updated_after: AwareDatetime | None = None,
    due_before: Annotated[date | None, Query(description="Due before this day.")] = None,
    overdue: Annotated[bool | None, Query(description="Open although the day by which it was due is over.")] = None,
) -> Response:  # fmt: skip
    """List the enquiries that you may see: your own, and with `enquiry.read` those of your org units."""
    if kind:
        await kinds.demand(session, kind, "query/kind", now=now)
    found = _enquiries()
    scope = by.scope(rights.READ)
    if scope != "*":
        found = found.where(or_(col(Enquiry.requester) == by.id, col(Enquiry.org_unit).in_(scope)))
    if q:
        found = found.where(contains(q, col(Enquiry.title), col(Enquiry.description)))
    if status:
        found = found.where(col(Enquiry.status).in_(status))
    for column, value in (
        (Enquiry.kind, kind), (Enquiry.org_unit, org_unit), (Enquiry.team, team), (Enquiry.requester, requester),
        (Enquiry.assignee, assignee),
    ):  # fmt: skip
        if value:
            found = found.where(col(column) == by.named(value))
    if updated_after:
        found = found.where(col(Enquiry.updated_at) > updated_after)
    found = _due(found, today, before=due_before, overdue=overdue)
    return await ENQUIRIES.answer(request, ask, found, shown, filename="enquiries")


def _due(found: Select[*Named], today: date, *, before: date | None, overdue: bool | None) -> Select[*Named]:
    """Narrow enquiries down by their dates."""
    if before:
        found = found.where(col(Enquiry.due_on) < before)
    if overdue is not None:
        late = and_(col(Enquiry.status).in_(clocks.OPEN), func.coalesce(col(Enquiry.due_on) < today, false()))
        found = found.where(late if overdue else not_(late))
    return found


@router.get("/enquiries/{enquiry_id}", response_model=EnquiryOut)
async def get_enquiry(request: Request, enquiry_id: str, session: Session, by: Authenticated) -> Response:
    """Read an enquiry."""
    await enquiries.get(session, enquiry_id, by=by)
    return await now_is(request, session, enquiry_id)


@router.patch("/enquiries/{enquiry_id}", response_model=EnquiryOut)
async def change_enquiry(
    request: Request, enquiry_id: str, wanted: EnquiryChange, session: Session, by: Authenticated,
    here: Here, if_match: IfMatch, now: Now,
) -> Response:  # fmt: skip
    """Change an enquiry. With another kind, priority or day of receipt its date follows."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    etags.demand(enquiry, if_match)
    await enquiries.change(session, enquiry, wanted.model_dump(exclude_unset=True), by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/assign", response_model=EnquiryOut)
async def assign_enquiry(
    request: Request, enquiry_id: str, wanted: Assignment, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Give an enquiry to somebody."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    assignee = by.named(wanted.assignee) if wanted.assignee else None
    await enquiries.assign(session, enquiry, assignee, by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/answer", response_model=EnquiryOut)
async def answer_enquiry(
    request: Request, enquiry_id: str, wanted: Answer, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Answer an enquiry; the requester is told."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await enquiries.answer(session, enquiry, wanted.body, wanted.runs, by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/close", response_model=EnquiryOut)
async def close_enquiry(
    request: Request, enquiry_id: str, wanted: Closing, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Close an enquiry."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await enquiries.close(session, enquiry, **wanted.model_dump(), by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/reopen", response_model=EnquiryOut)
async def reopen_enquiry(
    request: Request, enquiry_id: str, wanted: Reopening, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Open an answered or closed enquiry again."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await enquiries.reopen(session, enquiry, reason=wanted.reason, by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)
