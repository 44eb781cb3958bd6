"""The worker's round over those whose last day is over: nobody has to remember to let them go."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import events, people, present
from access_service.tables import Person
from lodge_kit import logs, notices
from lodge_kit.events import publish
from lodge_kit.tables import Event

log = logs.logger(__name__)

BATCH = 100
"""How many people one transaction lets go."""
BY = "lodge"


async def let_go(session: AsyncSession, *, today: date, now: datetime) -> bool:
    """Let go whoever's last day is over; answers whether there may be more. The last administrator stays, and is told.

    One who is being changed at this moment is left for the next round.
    """
    due = (
        select(Person)
        .where(col(Person.left_on) < today, col(Person.status) == "active", present.PEOPLE)
        .order_by(col(Person.id))
        .limit(BATCH)
        .with_for_update(skip_locked=True, key_share=True)
    )
    leaving = (await session.execute(due)).scalars().all()
    gone = [person.id for person in leaving if await _let_go(session, person, now=now)]
    if gone:
        await notices.settle(session, events.PersonKept.type, gone, now=now)
    return bool(gone) and len(leaving) == BATCH


async def _let_go(session: AsyncSession, person: Person, *, now: datetime) -> bool:
    try:
        await people.deactivate(session, person, by=BY, now=now)
    except people.LastAdministrator:
        await _keep(session, person, now=now)
        return False
    return True


async def _keep(session: AsyncSession, person: Person, *, now: datetime) -> None:
    """Tell the last administrator, once for each last day."""
    assert person.left_on is not None  # noqa: S101 - who is due has one
    told = select(col(Event.id)).where(
        col(Event.subject_id) == person.id,
        col(Event.type) == events.PersonKept.type,
        col(Event.body).contains(f'"left_on":"{person.left_on}"'),
    )
    if (await session.execute(told.limit(1))).first():
        return
    log.warning("the only administrator's last day is over", person=person.id, left_on=str(person.left_on))
    fact = events.PersonKept(external_id=person.external_id, left_on=person.left_on)
    event = await publish(session, fact, of=person.id, version=person.version, actor=BY, now=now)
    title = "Your last day is over, and you are Lodge's only administrator. Give another person that role."
    await notices.tell(session, person.id, event, title=title, path=f"/people/{person.id}", now=now)
