"""What was sent to whom and how that went: filtered, read whole, sent again."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import audit, database
from lodge_kit.database import Session
from lodge_kit.events import CHANNEL
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.tables import Delivery, DeliveryAttempt, Event, WebhookEndpoint
from lodge_kit.webhooks.endpoints import Subscriber, Whose
from lodge_kit.world import Now


class DeliveryOut(BaseModel):
    """One event on its way to one endpoint."""

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    request_id: str = Field(description="Of the call that caused the event.")
    state: Literal["pending", "delivered", "failed", "dropped"]
    attempts: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None


class AttemptOut(BaseModel):
    """One try."""

    number: int
    at: datetime
    milliseconds: int
    status: int | None = Field(description="What the receiver answered; null when it did not answer.")
    error: str | None
    answer: str = Field(description="The first 2 kB of the receiver's answer.")


class DeliveryWithAttempts(DeliveryOut):
    """A delivery, what was sent, and each try."""

    body: str = Field(description="The text that was signed and sent.")
    tries: list[AttemptOut]


DELIVERIES = Listing(
    DeliveryOut, key=col(Delivery.id), orders={"created_at": col(Delivery.created_at)}, default="-created_at"
)

router = APIRouter(tags=["events"], route_class=IdempotentRoute)


def _shown(row: Delivery, event: Event) -> DeliveryOut:
    return DeliveryOut.model_validate(row.model_dump() | {"event_type": event.type, "request_id": event.request_id})


def _deliveries(whose: str | None) -> Select[Delivery, Event]:
    found = select(Delivery, Event).join(Event, col(Event.id) == col(Delivery.event_id))
    if whose is None:
        return found
    endpoint = col(WebhookEndpoint.id) == col(Delivery.endpoint_id)
    return found.join(WebhookEndpoint, endpoint).where(col(WebhookEndpoint.owner) == whose)


async def _delivered(session: AsyncSession, delivery_id: str, whose: str | None) -> tuple[Delivery, Event]:
    row = (await session.execute(_deliveries(whose).where(col(Delivery.id) == delivery_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id} that you may see.")
    return row[0], row[1]


@router.get("/deliveries", responses=DELIVERIES.responses)
async def list_deliveries(
    request: Request, ask: Annotated[Ask, DELIVERIES.ask], whose: Whose,
    endpoint_id: str | None = None, event_id: str | None = None, request_id: str | None = None,
    state: Annotated[str | None, Query(pattern=r"^[a-z]+(,[a-z]+)*$")] = None,
) -> Response:  # fmt: skip
    """List what was sent to your endpoints, is being sent, or failed; the newest first."""
    found = _deliveries(whose)
    for column, value in ((Delivery.endpoint_id, endpoint_id), (Delivery.event_id, event_id)):
        if value:
            found = found.where(col(column) == value)
    if request_id:
        found = found.where(col(Event.request_id) == request_id)
    if state:
        found = found.where(col(Delivery.state).in_(state.split(",")))
    return await DELIVERIES.answer(request, ask, found, lambda r: _shown(r[0], r[1]), filename="deliveries")


@router.get("/deliveries/{delivery_id}")
async def get_delivery(delivery_id: str, session: Session, whose: Whose) -> DeliveryWithAttempts:
    """Read one delivery: what was sent, and each try with what came back."""
    row, event = await _delivered(session, delivery_id, whose)
    tries = select(DeliveryAttempt).where(col(DeliveryAttempt.delivery_id) == delivery_id)
    made = (await session.execute(tries.order_by(col(DeliveryAttempt.number)))).scalars()
    return DeliveryWithAttempts(
        **_shown(row, event).model_dump(),
        body=event.body,
        tries=[AttemptOut.model_validate(one.model_dump()) for one in made],
    )


@router.post("/deliveries/{delivery_id}/redeliver", status_code=202)
async def repeat_delivery(delivery_id: str, session: Session, by: Subscriber, whose: Whose, now: Now) -> DeliveryOut:
    """Send it once more, under the same webhook-id."""
    row, event = await _delivered(session, delivery_id, whose)
    # By the database's time, as leases are: a clock that is behind would hold it back.
    again = update(Delivery).where(col(Delivery.id) == row.id)
    await session.execute(again.values(state="pending", due_at=func.now(), finished_at=None))
    await session.refresh(row)
    audit.record(session, "delivery.repeated", kind="delivery", of=row.id, by=by, now=now)
    database.wake(session, CHANNEL)
    return _shown(row, event)
