"""The dates of all open enquiries: read anew when calendars change, and told of before and after they are over."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from enquiry_service import clocks, enquiry_log, events
from enquiry_service.settings import of as settings_of
from enquiry_service.tables import Enquiry
from lodge_kit.world import World

_AT_ONCE = 100
WORKER = "worker"


async def refresh(world: World) -> int:
    """Read the clock of every open enquiry anew; answers how many dates have moved."""
    moved, last = 0, ""
    while True:
        async with world.database.transaction() as session:
            batch = await _batch(session, last)
            for enquiry in batch:
                was = enquiry.due_on
                found = await clocks.refresh(session, enquiry, by=WORKER, world=world, now=world.clock())
                moved += found != was
        if not batch:
            return moved
        last = batch[-1].id


async def _batch(session: AsyncSession, last: str) -> list[Enquiry]:
    """Lock the next ones. Those that have ended are read once only: their dates stand."""
    wanted = or_(col(Enquiry.status).in_(clocks.OPEN), col(Enquiry.clock_state).is_(None))
    ordered = select(Enquiry).where(wanted, col(Enquiry.id) > last).order_by(col(Enquiry.id)).limit(_AT_ONCE)
    return list((await session.execute(ordered.with_for_update())).scalars())


async def warn(world: World) -> int:
    """Tell of open enquiries that are due soon, and of those whose day is over: once for each date."""
    today = clocks.today(world, world.clock())
    soon = today + timedelta(days=settings_of(world).due_soon_days)
    async with world.database.transaction() as session:
        late = await _claimed(session, col(Enquiry.told_overdue), date.min, today - timedelta(days=1))
        for one in late:
            await _tell(session, one, world, is_over=True)
        near = await _claimed(session, col(Enquiry.told_due_soon), today, soon)
        for one in near:
            await _tell(session, one, world, is_over=False)
    return len(late) + len(near)


async def _claimed(session: AsyncSession, told: Mapped[date | None], first: date, last: date) -> Sequence[Enquiry]:
    """Find those that are due in these days and were not told of; from now on they are.

    By a statement, not by the rows: their versions are what people hold, who were not to be disturbed by this.
    """
    due = col(Enquiry.due_on)
    wanted = select(Enquiry).where(
        col(Enquiry.status).in_(clocks.OPEN), due.between(first, last), told.is_distinct_from(due)
    )
    ordered = wanted.order_by(due, col(Enquiry.id)).limit(_AT_ONCE).with_for_update(skip_locked=True)
    found = (await session.execute(ordered)).scalars().all()
    claimed = update(Enquiry).where(col(Enquiry.id).in_([one.id for one in found])).values({told: due})
    await session.execute(claimed.execution_options(synchronize_session=False))
    return found


async def _tell(session: AsyncSession, enquiry: Enquiry, world: World, *, is_over: bool) -> None:
    assert enquiry.due_on is not None  # noqa: S101 - it was found by its date
    kind = events.EnquiryOverdue if is_over else events.EnquiryDueSoon
    title = "An enquiry of yours is overdue." if is_over else "An enquiry of yours is due soon."
    fact = kind(due_on=enquiry.due_on, assignee=enquiry.assignee)
    now = world.clock()
    event = await enquiry_log.publish_of(session, enquiry, fact, by=WORKER, now=now)
    await enquiry_log.tell(session, enquiry.assignee, event, title, enquiry, by=WORKER, now=now)
