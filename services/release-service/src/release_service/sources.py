"""Watched sources: registered, changed, paused; when each is due, and how its last check went."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import audit, ids, notices
from lodge_kit.addresses import place
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.outbound import Failed, Outbound, Refused
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem
from release_service import events, rules
from release_service.conditional import Remembered
from release_service.releases import WATCH
from release_service.tables import Product, SourceCheck, WatchedSource

LEASE = timedelta(minutes=5)
"""How long a check that was ordered may take before the source is due again: its worker is dead, or far behind."""
_AT_ONCE = 200


class SourcePaused(Problem):
    """A source that is paused is not checked."""

    status, code = HTTPStatus.CONFLICT, "source-paused"


async def get(session: AsyncSession, source_id: str) -> WatchedSource:
    """Read a source. Raises `NotFound`."""
    source = await session.get(WatchedSource, source_id)
    if source is None:
        raise NotFound(f"There is no source {source_id}.")
    return source


async def demand_callable(outbound: Outbound, url: str) -> None:
    """Refuse with 422 an address that is never called, or that does not resolve."""
    try:
        await outbound.check(url)
    except Refused as why:
        raise Invalid.at("/url", str(why), "address-refused") from why
    except Failed as why:
        raise Invalid.at("/url", why.reason, "address-unresolved") from why


async def register(
    session: AsyncSession, product: Product, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> WatchedSource:
    """Have an address watched, from now on. The same one twice for a product is a conflict."""
    source = WatchedSource(id=ids.new("wch"), product=product.id, created_at=now, updated_at=now, **facts)
    session.add(source)
    await session.flush()
    session.add(SourceCheck(source=source.id, host=str(place(source.url)), next_check_at=now))
    audit.record(session, "source.registered", kind="source", of=source.id, by=by, now=now, url=source.url)
    return source


async def change(
    session: AsyncSession, source: WatchedSource, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change what `facts` names. Another address is another source: nothing is remembered of the old one."""
    check = await held_check(session, source.id)
    moved = facts.get("url", source.url) != source.url
    if moved:
        check.host = str(place(facts["url"]))
        check.etag = check.last_modified = check.body_hash = check.defect = None
    if not source.paused and (moved or facts.get("every", source.every) != source.every):
        check.next_check_at = now
    for name, value in facts.items():
        setattr(source, name, value)
    source.updated_at = now
    await session.flush()
    audit.record(session, "source.changed", kind="source", of=source.id, by=by, now=now, changed=sorted(facts))


async def pause(session: AsyncSession, source: WatchedSource, *, by: Caller, now: datetime) -> None:
    """Check a source no more until it is resumed."""
    if source.paused:
        raise Conflict("This source is paused already.")
    await _set_paused(session, source, paused=True, by=by, now=now)


async def resume(session: AsyncSession, source: WatchedSource, *, by: Caller, now: datetime) -> None:
    """Check a source again, from now on."""
    if not source.paused:
        raise Conflict("This source is not paused.")
    await _set_paused(session, source, paused=False, by=by, now=now)


async def _set_paused(session: AsyncSession, source: WatchedSource, *, paused: bool, by: Caller, now: datetime) -> None:
    check = await held_check(session, source.id)
    source.paused, source.updated_at = paused, now
    check.next_check_at = None if paused else now
    await session.flush()
    action = "source.paused" if paused else "source.resumed"
    audit.record(session, action, kind="source", of=source.id, by=by, now=now)


def demand_watched(source: WatchedSource) -> None:
    """Refuse to check what is paused."""
    if source.paused:
        raise SourcePaused("This source is paused. Resume it first: that has it checked, too.")


async def held_check(session: AsyncSession, source_id: str) -> SourceCheck:
    """Read how a source's checks go, and keep others from writing it down at the same time."""
    found = select(SourceCheck).where(col(SourceCheck.source) == source_id).with_for_update()
    check: SourceCheck = (await session.execute(found.execution_options(populate_existing=True))).scalar_one()
    return check


async def claim(session: AsyncSession, source_id: str, *, now: datetime) -> None:
    """Note that a check was ordered, so that nobody orders another."""
    (await held_check(session, source_id)).next_check_at = now + LEASE


async def due(session: AsyncSession, *, now: datetime, gap: timedelta) -> list[str]:
    """Claim the sources that are to be checked now, at most one of a host within `gap`; the others come later."""
    found = select(SourceCheck).where(col(SourceCheck.next_check_at) <= now)
    found = found.order_by(col(SourceCheck.next_check_at)).limit(_AT_ONCE).with_for_update(skip_locked=True)
    checks = list((await session.execute(found)).scalars())
    hosts = {check.host for check in checks}
    asked = select(col(SourceCheck.host), func.max(col(SourceCheck.last_checked_at)))
    asked = asked.where(col(SourceCheck.host).in_(hosts))
    rows = (await session.execute(asked.group_by(col(SourceCheck.host)))).all()
    last = {host: at for host, at in rows if at is not None}
    starts = rules.spaced([(check.source, check.host) for check in checks], last, now=now, gap=gap)
    for check in checks:
        start = starts[check.source]
        check.next_check_at = now + LEASE if start <= now else start
    return [check.source for check in checks if starts[check.source] <= now]


async def failed(
    session: AsyncSession, source: WatchedSource, check: SourceCheck, failure: rules.Failure, *, chance: float,
    now: datetime,
) -> None:  # fmt: skip
    """Write down why a check came to nothing; after a day of that the owner is told."""
    check.failures += 1
    check.failing_since = check.failing_since or now
    check.last_checked_at, check.last_error = now, failure.reason
    check.next_check_at = rules.next_check(
        now, source.every, chance=chance, failures=check.failures, wait=failure.retry_after
    )
    if rules.owner_is_to_be_told(check.failing_since, check.owner_told_at, now=now):
        fact = events.SourceFailing(product=source.product, failing_since=check.failing_since, reason=failure.reason)
        event = await publish(session, fact, of=source.id, version=source.version, actor=WATCH, now=now)
        title = f"A watched source has failed since {_day(check.failing_since)}: {place(source.url)}"
        await notices.tell(session, source.owner, event, title=title, path=f"/sources/{source.id}", now=now)
        check.owner_told_at = now


async def went_well(
    session: AsyncSession, source: WatchedSource, check: SourceCheck, remembered: Remembered, *, chance: float,
    now: datetime,
) -> None:  # fmt: skip
    """Write down that a source was read, or has nothing new."""
    if check.failing_since and check.owner_told_at:
        fact = events.SourceRecovered(product=source.product, failing_since=check.failing_since)
        await publish(session, fact, of=source.id, version=source.version, actor=WATCH, now=now)
        await notices.settle(session, events.SourceFailing.type, [source.id], now=now)
    check.failures, check.failing_since, check.owner_told_at, check.last_error = 0, None, None, None
    check.last_checked_at = check.last_ok_at = now
    check.etag, check.last_modified, check.body_hash = (
        remembered.etag, remembered.last_modified, remembered.body_hash,
    )  # fmt: skip
    check.next_check_at = rules.next_check(now, source.every, chance=chance)


def _day(instant: datetime) -> date:
    return instant.date()
