"""The worker's round over keys that expire soon: the owner is told 14 days and one day before, once each."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import events
from access_service.rules import WARNED, warning_due
from access_service.tables import ApiKey, Person, ServiceAccount
from lodge_kit import notices
from lodge_kit.events import publish

BATCH = 200
"""How many keys one transaction tells of."""
BY = "lodge"


async def warn(session: AsyncSession, *, now: datetime) -> bool:
    """Tell of the keys that a warning is due for; answers whether there may be more.

    For a service account, whoever answers for it is told. A key that stopped with its owner ends unmourned.
    """
    owners = (select(col(kind.id)).where(col(kind.status) == "active") for kind in (Person, ServiceAccount))
    soon = (
        select(ApiKey)
        .where(or_(*(_due(days, now) for days in WARNED)), col(ApiKey.expires_at) > now)
        .where(col(ApiKey.revoked_at).is_(None), or_(*(col(ApiKey.owner).in_(kind) for kind in owners)))
        .order_by(col(ApiKey.id))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    keys = (await session.execute(soon)).scalars().all()
    for key in keys:
        await _tell(session, key, now=now)
    return len(keys) == BATCH


def _due(days: int, now: datetime) -> ColumnElement[bool]:
    told = or_(col(ApiKey.warned_days).is_(None), col(ApiKey.warned_days) > days)
    return (col(ApiKey.expires_at) <= now + timedelta(days=days)) & told


async def _tell(session: AsyncSession, key: ApiKey, *, now: datetime) -> None:
    assert key.expires_at is not None  # noqa: S101 - what is due has an end
    days = warning_due(key.expires_at - now, key.warned_days)
    assert days is not None  # noqa: S101 - the same rule, in SQL, found the key
    key.warned_days = days
    await notices.settle(session, events.KeyExpiring.type, [key.id], now=now)
    fact = events.KeyExpiring(owner=key.owner, expires_at=key.expires_at, days=days)
    event = await publish(session, fact, of=key.id, version=1, actor=BY, now=now)
    called = f"The API key “{key.label}”" if key.label else "An API key"
    title = f"{called} expires within {'a day' if days == 1 else f'{days} days'}. Rotate it, or let it go."
    await notices.tell(session, key.owner, event, title=title, path=f"/keys/{key.id}", now=now)
