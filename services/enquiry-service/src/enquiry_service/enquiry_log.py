"""The log of an enquiry: each step on record for good, and told where the world is to know."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from enquiry_service.tables import Enquiry, EnquiryEvent
from lodge_kit import audit, ids, notices
from lodge_kit.events import Fact, publish
from lodge_kit.identity import Caller
from lodge_kit.tables import Event


async def happened(
    session: AsyncSession, enquiry: Enquiry, what: str, *, by: Caller | str, now: datetime,
    kept: Mapping[str, Any] | None = None, **facts: Any,
) -> EnquiryEvent:  # fmt: skip
    """Put a step on record: in the enquiry's own log and in the audit. `kept` is for the log alone."""
    enquiry.updated_at = now
    actor = by if isinstance(by, str) else by.id
    step = EnquiryEvent(
        id=ids.new("eev"),
        enquiry_id=enquiry.id,
        type=what,
        actor=actor,
        occurred_at=now,
        facts=facts | dict(kept or {}),
    )
    session.add(step)
    audit.record(
        session, f"enquiry.{what}", kind="enquiry", of=enquiry.id, by=by, now=now, personal=["reason"],
        about=enquiry.requester, **facts,
    )  # fmt: skip
    await session.flush()
    return step


async def publish_of(session: AsyncSession, enquiry: Enquiry, fact: Fact, *, by: Caller | str, now: datetime) -> Event:
    """Tell the world of a step that was put on record."""
    return await publish(session, fact, of=enquiry.id, version=enquiry.version, actor=by, now=now)


async def tell(
    session: AsyncSession, person: str | None, event: Event, title: str, enquiry: Enquiry, *, by: Caller | str,
    now: datetime,
) -> None:  # fmt: skip
    """Tell somebody of what an event says, unless it was their own doing."""
    if person and person != (by if isinstance(by, str) else by.id):
        await notices.tell(session, person, event, title=title, path=f"/enquiries/{enquiry.id}", now=now)
