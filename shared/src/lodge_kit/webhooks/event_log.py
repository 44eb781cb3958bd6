"""The events themselves, in order, for those who cannot be called; and the catalogue of their types."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import ColumnElement, literal, select
from sqlmodel import col

from lodge_kit.database import Session
from lodge_kit.events import EventType, Fact, matches
from lodge_kit.tables import Event
from lodge_kit.webhooks.endpoints import Subscriber, demand_types

_MOST = 200


class Events(BaseModel):
    """Events in order. Ask again with `next_after`: none is ever skipped."""

    items: list[dict[str, object]]
    next_after: str


class EventTypes(BaseModel):
    """What a service tells of."""

    items: list[EventType]


def _of(patterns: Sequence[str], facts: Sequence[type[Fact]]) -> ColumnElement[bool]:
    demand_types(patterns, facts, pointer="query/types")
    wanted = {fact.type for fact in facts for pattern in patterns if matches(pattern, fact.type)}
    return literal(value=True) if "*" in patterns else col(Event.type).in_(sorted(wanted))


router = APIRouter(tags=["events"])


@router.get("/events", response_model=Events)
async def list_events(
    request: Request,
    session: Session,
    _by: Subscriber,
    after: Annotated[str, Query(pattern=r"^\d{1,18}$", description="`next_after` of the answer before.")] = "0",
    types: Annotated[str | None, Query(description="Comma-separated types, grant.* included.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
) -> Response:
    """Read events in the order in which they were sequenced: the bodies that webhooks carry, with their ids."""
    found = select(Event).where(col(Event.seq) > int(after)).order_by(col(Event.seq)).limit(limit)
    if types is not None:
        found = found.where(_of(types.split(","), request.app.state.service.facts))
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
