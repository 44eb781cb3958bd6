"""Telling of gaps before they open: the worker's round over what is known of the days to come."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import events, people
from access_service.responsibilities.coverage import Duty, Gap, GapKind, openings
from access_service.responsibilities.matrix import duties_from
from access_service.tables import Post, Responsibility, ResponsibilityGap, SupportFunction
from lodge_kit import notices
from lodge_kit.events import publish

BY = "lodge"
_TITLES = {
    GapKind.NO_ACCOUNTABLE: "nobody is accountable for {}",
    GapKind.NO_RESPONSIBLE: "nobody is responsible for {}",
    GapKind.NO_DEPUTY: "nobody stands in for who is accountable for {}",
}


async def look_ahead(session: AsyncSession, *, today: date, days: int, now: datetime) -> int:
    """Publish and tell of gaps of today and of the next `days` that nobody was told of; answers how many were new.

    A gap that went away is closed, so that it is told of anew when it comes back.
    """
    held, places = await duties_from(session, today)
    found = openings([duty for _, duty in held], places, today=today, until=today + timedelta(days=days))
    told = {_gap(row): row for row in (await session.execute(select(ResponsibilityGap))).scalars()}
    for gap, row in told.items():
        if gap not in found:
            await _close(session, gap, row, now=now)
    fresh = [gap for gap, opens_on in found.items() if gap not in told or _moved(told[gap], opens_on, today)]
    for gap in fresh:
        await _tell(session, gap, found[gap], told.get(gap), held, today=today, now=now)
    return len(fresh)


def _gap(row: ResponsibilityGap) -> Gap:
    return (row.function_id, row.product), GapKind(row.kind)


def _moved(row: ResponsibilityGap, opens_on: date, today: date) -> bool:
    """Say whether it opens on another day than was told; once it is open, today is no other day."""
    return row.opens_on != opens_on and not (row.opens_on <= today and opens_on <= today)


async def _close(session: AsyncSession, gap: Gap, row: ResponsibilityGap, *, now: datetime) -> None:
    (function_id, product), kind = gap
    await session.delete(row)
    function = await session.get_one(SupportFunction, function_id)
    fact = events.ResponsibilityGapClosed(product=product, gap=kind)
    await publish(session, fact, of=function_id, version=function.version, actor=BY, now=now)
    await notices.settle_event(session, row.event_id, now=now)


async def _tell(
    session: AsyncSession, gap: Gap, opens_on: date, row: ResponsibilityGap | None,
    held: Iterable[tuple[Responsibility, Duty]], *, today: date, now: datetime,
) -> None:  # fmt: skip
    (function_id, product), kind = gap
    function = await session.get_one(SupportFunction, function_id)
    kind_of_fact = events.ResponsibilityGapOpening if opens_on > today else events.ResponsibilityGapOpened
    fact = kind_of_fact(product=product, gap=kind, opens_on=opens_on)
    event = await publish(session, fact, of=function_id, version=function.version, actor=BY, now=now)
    if row is None:
        session.add(
            ResponsibilityGap(
                function_id=function_id, product=product, kind=kind, opens_on=opens_on, event_id=event.id, told_at=now
            )
        )  # fmt: skip
    else:
        await notices.settle_event(session, row.event_id, now=now)
        row.opens_on, row.event_id, row.told_at = opens_on, event.id, now
    what = _TITLES[kind].format(f"“{function.name}”")
    title = f"From {opens_on} on {what}." if opens_on > today else f"Now {what}."
    for person in await _concerned(session, (function_id, product), held, now=now):
        await notices.tell(
            session, person, event, title=title, path=f"/responsibilities?product={product}&on={opens_on}", now=now
        )


async def _concerned(
    session: AsyncSession, place: tuple[str, str], held: Iterable[tuple[Responsibility, Duty]], *, now: datetime
) -> list[str]:
    """Answer who is told: the accountable and the deputy, else the responsible people, else the administrators."""
    here = [row for row, duty in held if duty.place == place]
    for letter in "AR":
        named = [one for row in here if row.letter == letter for one in (row.holder, row.deputy) if one]
        found = [await _person(session, one) for one in named]
        concerned = sorted({person for person in found if person})
        if concerned:
            return concerned
    return [one.id for one in await people.administrators(session, now=now)]


async def _person(session: AsyncSession, holder: str) -> str | None:
    if holder.startswith("pst_"):
        post = await session.get(Post, holder)
        return post.holder if post else None
    return holder if holder.startswith("per_") else None
