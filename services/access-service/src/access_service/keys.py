"""API keys and the service accounts that hold them: made, shown once, revoked."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import callers, events, freshness, rights
from access_service.tables import ApiKey, Person, ServiceAccount
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import EVERYWHERE, Caller
from lodge_kit.problems import Conflict, Invalid, NotFound

LIVE_AT_ONCE = 2
"""Two live keys an owner and label are enough to rotate without a gap."""


@dataclass(frozen=True, slots=True)
class Made:
    """A key just made, with the text that nobody can read again."""

    row: ApiKey
    text: str


async def make(
    session: AsyncSession, owner: str, *, label: str, expires_at: datetime | None, by: Caller | str, now: datetime
) -> Made:
    """Make a key for a person or a service account: `lodge_<id>_<secret>`, the secret 256 random bits.

    One's own needs no right; another's needs `access.keys`.
    """
    if isinstance(by, Caller) and owner != by.id:
        by.demand(rights.KEYS, EVERYWHERE)
    kind = Person if owner.startswith("per_") else ServiceAccount
    if await session.get(kind, owner) is None:
        raise Invalid.at("/owner", f"There is no person or service account {owner}.", "unknown-owner")
    if expires_at is not None and expires_at <= now:
        raise Invalid.at("/expires_at", "A key cannot expire in the past.", "past")
    await _demand_room(session, owner, label, now)
    key_id = ids.new("key")
    text = f"lodge_{key_id.removeprefix('key_')}_{secrets.token_urlsafe(32)}"
    row = ApiKey(
        id=key_id, owner=owner, label=label, sha256=callers.digest(text), created_at=now, expires_at=expires_at
    )
    session.add(row)
    audit.record(session, "key.made", kind="key", of=key_id, by=by, now=now, owner=owner, label=label)
    await session.flush()
    return Made(row, text)


async def _demand_room(session: AsyncSession, owner: str, label: str, now: datetime) -> None:
    live = (
        select(func.count())
        .where(col(ApiKey.owner) == owner, col(ApiKey.label) == label, col(ApiKey.revoked_at).is_(None))
        .where(or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now))
    )
    if (await session.execute(live)).scalar_one() >= LIVE_AT_ONCE:
        raise Conflict(f"There are {LIVE_AT_ONCE} live keys with this label already. Revoke one, or use another label.")


async def get(session: AsyncSession, key_id: str, *, by: Caller) -> ApiKey:
    """Read one's own key, or with `access.keys` another's. Raises `NotFound`: others' keys are not even hinted at."""
    row = await session.get(ApiKey, key_id)
    if row is None or (row.owner != by.id and not by.may(rights.KEYS, EVERYWHERE)):
        raise NotFound(f"There is no key {key_id} of yours.")
    return row


async def revoke(session: AsyncSession, row: ApiKey, *, by: Caller, now: datetime) -> None:
    """Revoke a key: at once, and within the stated bound at every gateway whatever happens."""
    if row.revoked_at is not None:
        raise Conflict("This key is revoked already.")
    row.revoked_at = now
    await publish(session, events.KeyRevoked(owner=row.owner), of=row.id, version=1, actor=by, now=now)
    audit.record(session, "key.revoked", kind="key", of=row.id, by=by, now=now, owner=row.owner)
    await freshness.forget(session, row.id)


async def add_service_account(
    session: AsyncSession, *, name: str, description: str, owner: str | None, by: Caller | str, now: datetime
) -> ServiceAccount:
    """Add a service account; what it may do is granted like anybody's."""
    if owner is not None and await session.get(Person, owner) is None:
        raise Invalid.at("/owner", f"There is no person {owner}.", "unknown-person")
    row = ServiceAccount(
        id=ids.new("svc"), name=name, description=description, owner=owner, created_at=now, updated_at=now
    )
    session.add(row)
    audit.record(session, "service-account.added", kind="service-account", of=row.id, by=by, now=now, name=name)
    await session.flush()
    return row
