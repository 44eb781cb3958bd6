"""/enquiry/v1/enquiries/{id}/messages and /events: what was said, and what happened."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, select
from sqlmodel import col

from enquiry_service import enquiries
from enquiry_service.tables import EnquiryEvent, Message
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated
from lodge_kit.listing import Ask, Listing
from lodge_kit.tables import KnownName
from lodge_kit.texts import Words
from lodge_kit.world import Now

router = APIRouter(tags=["enquiries"], route_class=IdempotentRoute)


class MessageIn(BaseModel):
    """Something to say."""

    model_config = ConfigDict(extra="forbid")

    body: Words = Field(min_length=1, max_length=50_000)
    visibility: Literal["public", "internal"] = Field(
        description="Internal messages are for the team alone. Never changed afterwards."
    )


class MessageOut(BaseModel):
    """What was said."""

    id: str
    visibility: Literal["public", "internal"]
    author: Reference
    body: str
    created_at: datetime


class Step(BaseModel):
    """Something that happened to an enquiry."""

    id: str
    type: str
    actor: Reference
    occurred_at: datetime
    facts: dict[str, Any]


MESSAGES = Listing(
    MessageOut, key=col(Message.id), orders={"created_at": col(Message.created_at)}, default="created_at"
)
STEPS = Listing(
    Step, key=col(EnquiryEvent.id), orders={"occurred_at": col(EnquiryEvent.occurred_at)}, default="occurred_at"
)


@router.post("/enquiries/{enquiry_id}/messages", status_code=201)
async def create_message(
    enquiry_id: str, wanted: MessageIn, session: Session, by: Authenticated, now: Now
) -> MessageOut:
    """Say something: to the requester, or among the team."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    message = await enquiries.say(session, enquiry, wanted.body, wanted.visibility, by=by, now=now)
    return MessageOut.model_validate(message.model_dump() | {"author": {"id": by.id, "name": by.name}})


@router.get("/enquiries/{enquiry_id}/messages", responses=MESSAGES.responses)
async def list_messages(
    request: Request, enquiry_id: str, session: Session, by: Authenticated, ask: Annotated[Ask, MESSAGES.ask]
) -> Response:
    """List what was said; internal messages only to those who may read them."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    found = select(Message, col(KnownName.name)).outerjoin(KnownName, col(KnownName.id) == col(Message.author))
    found = found.where(col(Message.enquiry_id) == enquiry_id)
    if not enquiries.may_see_internal(by, enquiry):
        found = found.where(col(Message.visibility) == "public")

    def message(row: Row[Message, str | None]) -> MessageOut:
        return MessageOut.model_validate(row[0].model_dump() | {"author": {"id": row[0].author, "name": row[1] or ""}})

    return await MESSAGES.answer(request, ask, found, message, filename="messages")


@router.get("/enquiries/{enquiry_id}/events", responses=STEPS.responses)
async def list_enquiry_events(
    request: Request, enquiry_id: str, session: Session, by: Authenticated, ask: Annotated[Ask, STEPS.ask]
) -> Response:
    """List what happened to an enquiry, from its receipt on."""
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    found = select(EnquiryEvent, col(KnownName.name)).outerjoin(KnownName, col(KnownName.id) == col(EnquiryEvent.actor))
    found = found.where(col(EnquiryEvent.enquiry_id) == enquiry_id)
    if not enquiries.may_see_internal(by, enquiry):
        found = found.where(col(EnquiryEvent.type) != "message-internal")

    def step(row: Row[EnquiryEvent, str | None]) -> Step:
        return Step.model_validate(row[0].model_dump() | {"actor": {"id": row[0].actor, "name": row[1] or ""}})

    return await STEPS.answer(request, ask, found, step, filename="events")
