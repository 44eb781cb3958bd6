"""/enquiry/v1/enquiries/{id}/clock, and what turns it: pause, resume, extend, review, retract."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import clocks, enquiries
from enquiry_service.clock.profiles import Cause, ProfileName
from enquiry_service.clock.stages import StageName, State, Wait
from enquiry_service.clock.telling import summary
from enquiry_service.clocks import Reckoned
from enquiry_service.routes.enquiries import EnquiryOut, now_is
from enquiry_service.tables import Enquiry, EnquiryEvent
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated
from lodge_kit.tables import KnownName
from lodge_kit.texts import Words
from lodge_kit.world import Here, Now, Today

router = APIRouter(tags=["enquiries"], route_class=IdempotentRoute)

OnDay = Annotated[
    date | None, Field(description="The day on which it was; today where it is left out. It may be before its entry.")
]
Reason = Annotated[Words, Field(min_length=1, max_length=2_000, description="Why; the requester may read it.")]


class Pausing(BaseModel):
    """What is waited for."""

    model_config = ConfigDict(extra="forbid")

    cause: Cause = Field(description="clarification: what is meant; fee: a fees notice was issued; identity: a proof.")
    reason: Reason
    on: OnDay = None


class Resuming(BaseModel):
    """That it came."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=2_000)
    on: OnDay = None


class Extending(BaseModel):
    """Why the clock is extended, and by how much."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    more: int | None = Field(
        default=None, ge=1, le=60,
        description="Working days (months for subject access) more; all that the law allows where it is left out.",
    )  # fmt: skip
    on: OnDay = Field(default=None, description="When the requester was told; today where it is left out.")


class ReviewRequest(BaseModel):
    """That the requester wants the answer reviewed."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason
    on: OnDay = Field(default=None, description="When the request for a review was received.")


class Retraction(BaseModel):
    """Why the last step of a clock is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class ClockDay(BaseModel):
    """A day of a clock."""

    on: date
    counted: bool
    number: int | None = Field(description="Which of the counted days it is.")
    reason: str


class ClockPause(BaseModel):
    """A time in which the clock stood still; both days belong to it."""

    cause: Cause
    first_on: date
    last_on: date | None
    reason: str
    paused_by: Reference
    paused_at: datetime = Field(description="When it was entered.")
    resumed_by: Reference | None
    resumed_at: datetime | None


class ClockStage(BaseModel):
    """One clock: of the request, or of an internal review."""

    stage: StageName
    profile: ProfileName
    title: str
    law: str
    state: State
    received_on: date
    counted_from: date = Field(description="The day after which counting began, or began anew.")
    to_count: int = Field(description="How many days are counted from then on.")
    extended_by: int
    due_on: date | None
    ended_on: date | None
    in_time: bool | None = Field(description="Whether it ended by then; null while it runs, or without a date.")
    summary: str
    pauses: list[ClockPause]
    days: list[ClockDay]


class ClockOut(BaseModel):
    """Why an enquiry is due by the day it is due by."""

    enquiry: str
    due_on: date | None
    overdue: bool
    summary: str
    stages: list[ClockStage]


@router.get("/enquiries/{enquiry_id}/clock")
async def get_clock(
    enquiry_id: str, session: Session, by: Authenticated, here: Here, now: Now, today: Today
) -> ClockOut:
    """Explain day by day when an enquiry is due: each day with its number, or why it does not count."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    found = await clocks.reckoned(session, enquiry, world=here, now=now)
    entered = await _entered(session, enquiry)
    stages = [_stage(one, entered) for one in found]
    last = stages[-1]
    overdue = enquiry.status in clocks.OPEN and last.due_on is not None and last.due_on < today
    return ClockOut(enquiry=enquiry.id, due_on=last.due_on, overdue=overdue, summary=last.summary, stages=stages)


Entered = dict[str, tuple[Reference, datetime]]
"""Who entered a step and when, by its id."""


async def _entered(session: AsyncSession, enquiry: Enquiry) -> Entered:
    logged = select(EnquiryEvent, col(KnownName.name)).outerjoin(
        KnownName, col(KnownName.id) == col(EnquiryEvent.actor)
    )
    rows = (await session.execute(logged.where(col(EnquiryEvent.enquiry_id) == enquiry.id))).all()
    return {row[0].id: (Reference(id=row[0].actor, name=row[1] or ""), row[0].occurred_at) for row in rows}


def _stage(one: Reckoned, entered: Entered) -> ClockStage:
    stage, profile, reckoning = one.stage, one.profile, one.reckoning
    ended_on = stage.ended.on if stage.ended else None
    return ClockStage(
        stage=stage.name, profile=profile.name, title=profile.title, law=profile.law, state=stage.state,
        received_on=stage.started, counted_from=reckoning.start, to_count=reckoning.target, extended_by=stage.extended,
        due_on=one.due_on, ended_on=ended_on,
        in_time=ended_on <= one.due_on if ended_on and one.due_on else None,
        summary=summary(profile, reckoning, extended=stage.extended),
        pauses=[_pause(wait, entered) for wait in stage.waits],
        days=[ClockDay(on=d.on, counted=d.is_counted, number=d.number, reason=d.reason) for d in reckoning.days],
    )  # fmt: skip


def _pause(wait: Wait, entered: Entered) -> ClockPause:
    by, at = entered[wait.asked.id]
    resumed_by, resumed_at = entered[wait.came.id] if wait.came else (None, None)
    return ClockPause(
        cause=wait.cause, first_on=wait.asked.on, last_on=wait.came.on if wait.came else None,
        reason=str(wait.asked.facts.get("reason", "")), paused_by=by, paused_at=at, resumed_by=resumed_by,
        resumed_at=resumed_at,
    )  # fmt: skip


@router.post("/enquiries/{enquiry_id}/pause", response_model=EnquiryOut)
async def pause_clock(
    request: Request, enquiry_id: str, wanted: Pausing, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Stop the clock: something was asked for, and is waited for. The enquiry is then `waiting`."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    facts = wanted.model_dump()
    await clocks.pause(session, enquiry, **facts, by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/resume", response_model=EnquiryOut)
async def resume_clock(
    request: Request, enquiry_id: str, wanted: Resuming, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Let the clock go on: what was asked for has come. Some laws count anew from that day."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await clocks.resume(session, enquiry, **wanted.model_dump(), by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/extend", response_model=EnquiryOut)
async def extend_clock(
    request: Request, enquiry_id: str, wanted: Extending, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Extend the clock as its law allows, before its date: for the public interest, for complexity."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await clocks.extend(session, enquiry, **wanted.model_dump(), by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/review", response_model=EnquiryOut)
async def review_enquiry(
    request: Request, enquiry_id: str, wanted: ReviewRequest, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Open an answered enquiry for an internal review; a clock of its own begins."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await clocks.start_review(session, enquiry, **wanted.model_dump(), by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)


@router.post("/enquiries/{enquiry_id}/retract", response_model=EnquiryOut)
async def retract_clock_step(
    request: Request, enquiry_id: str, wanted: Retraction, session: Session, by: Authenticated, here: Here, now: Now
) -> Response:
    """Take back the last pause, resumption or extension of the clock, entered by mistake. Both stay in the log."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await clocks.retract(session, enquiry, reason=wanted.reason, by=by, world=here, now=now)
    return await now_is(request, session, enquiry_id)
