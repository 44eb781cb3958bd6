"""The events themselves, in order, for those who cannot be called; and the catalogue of their types."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import or_, select
from sqlmodel import col

from lodge_kit.database import Session
from lodge_kit.events import EventType, Fact
from lodge_kit.tables import Event
from lodge_kit.webhooks.endpoints import Subscriber

_MOST = 200


class Events(BaseModel):
    """Events in order. Ask again with `next_after`: none is ever skipped."""

    items: list[dict[str, object]]
    next_after: str


class EventTypes(BaseModel):
    """What a service tells of."""

    items: list[EventType]


router = APIRouter(tags=["events"])


@router.get("/events", response_model=Events)
async def list_events(
    session: Session,
    _by: Subscriber,
    after: Annotated[str, Query(pattern=r"^\d{1,18}$", description="`next_after` of the answer before.")] = "0",
    types: Annotated[str | None, Query(description="Comma-separated types, grant.* included.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
) -> Response:
    """Read events in the order in which they were sequenced: the bodies that webhooks carry, with their ids."""
    found = select(Event).where(col(Event.seq) > int(after)).order_by(col(Event.seq)).limit(limit)
    if types and "*" not in types.split(","):
        exact = [one for one in types.split(",") if not one.endswith(".*")]
        families = [one[:-1] for one in types.split(",") if one.endswith(".*")]
        wanted = [col(Event.type).startswith(family, autoescape=True) for family in families]
        found = found.where(or_(col(Event.type).in_(exact), *wanted))
    rows = list((await session.execute(found)).scalars())
    # The bodies are put together as text: parsed and written again they might no longer be what was signed.
    items = ",".join(f'{{"id":"{row.id}",{row.body[1:]}' for row in rows)
    last = rows[-1].seq if rows else after
    return Response(f'{{"items":[{items}],"next_after":"{last}"}}', media_type="application/json")


@router.get("/event-types")
async def list_event_types(request: Request, _by: Subscriber) -> EventTypes:
    """List the kinds of event that this service tells of."""
    facts: list[type[Fact]] = request.app.state.service.facts
    return EventTypes(
        items=[EventType(type=f.type, description=f.__doc__ or "", subject=f.subject, v=f.v) for f in facts]
    )
