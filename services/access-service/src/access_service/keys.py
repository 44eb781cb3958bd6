"""API keys: made, shown once, rotated, revoked; and their owners told before they expire.

A key has its owner's rights, or those of them that its scopes name. Nobody gets more by making one than he has.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import callers, decisions, events, freshness, present, rights
from access_service.rules import exceeding, warning_due
from access_service.tables import ApiKey, Permission, ServiceAccount, System
from lodge_kit import audit, ids, notices
from lodge_kit.events import publish
from lodge_kit.identity import EVERYWHERE, Caller
from lodge_kit.problems import Conflict, Forbidden, Invalid, InvalidValue, NotFound

LIVE_AT_ONCE = 2
"""Two live keys an owner and label are enough to rotate without a gap."""


@dataclass(frozen=True, slots=True)
class Made:
    """A key just made, with the text that nobody can read again."""

    row: ApiKey
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key is to be: `scopes` None is all that its owner may do, `expires_at` None is never."""

    label: str
    scopes: Sequence[str] | None = None
    expires_at: datetime | None = None


async def make(
    session: AsyncSession, owner: str, wanted: Wanted, *, by: Caller | str, now: datetime,
    longest: timedelta | None = None,
) -> Made:  # fmt: skip
    """Make a key for a person or a service account: `lodge_<id>_<secret>`, the secret 256 random bits.

    One's own, and those of the accounts that one answers for, need no right; another's need `access.keys`. `longest`
    is how long any key may live. Raises `Invalid`, `Forbidden`, `Conflict`.
    """
    await _demand_owner(session, owner)
    await _demand_known(session, wanted.scopes)
    if isinstance(by, Caller):
        await _demand_may_keep(session, owner, by)
        await _demand_no_more(session, owner, wanted.scopes, by=by, now=now)
    expires_at = _end(wanted.expires_at, longest, now)
    await _demand_room(session, owner, wanted.label, now)
    key_id = ids.new("key")
    text_ = f"lodge_{key_id.removeprefix('key_')}_{secrets.token_urlsafe(32)}"
    scopes = sorted(set(wanted.scopes)) if wanted.scopes is not None else None
    row = ApiKey(
        id=key_id, owner=owner, label=wanted.label, scopes=scopes, sha256=callers.digest(text_), created_at=now,
        expires_at=expires_at, warned_days=warning_due(expires_at - now) if expires_at else None,
    )  # fmt: skip
    session.add(row)
    audit.record(
        session, "key.made", kind="key", of=key_id, by=by, now=now, personal=["label"], about=owner, owner=owner,
        label=wanted.label, scopes=scopes,
    )  # fmt: skip
    await session.flush()
    return Made(row, text_)


async def rotate(
    session: AsyncSession, row: ApiKey, *, overlap: timedelta, expires_at: datetime | None, by: Caller, now: datetime,
    longest: timedelta | None = None,
) -> Made:  # fmt: skip
    """Make the key's successor, alike in all; the old one expires after `overlap`, or sooner where it would anyway.

    The new one lives as long as the old one was made to, where `expires_at` says nothing else. Raises what `make`
    raises, and `Conflict` for a key that does not live any more or has a successor that lives.
    """
    # Locked: two who rotate it at the same moment would make two successors.
    await session.refresh(row, with_for_update=True)
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise Conflict("This key does not live any more. Make a new one instead.")
    life = row.expires_at - row.created_at if row.expires_at else None
    if life is not None and longest is not None:
        life = min(life, longest)
    ends = expires_at or (now + life if life else None)
    made = await make(session, row.owner, Wanted(row.label, row.scopes, ends), by=by, now=now, longest=longest)
    row.expires_at = min(row.expires_at, now + overlap) if row.expires_at else now + overlap
    row.warned_days = 0
    fact = events.KeyRotated(owner=row.owner, successor=made.row.id, expires_at=row.expires_at)
    await publish(session, fact, of=row.id, version=1, actor=by, now=now)
    audit.record(session, "key.rotated", kind="key", of=row.id, by=by, now=now, successor=made.row.id)
    await _ends(session, row, now=now)
    return made


async def get(session: AsyncSession, key_id: str, *, by: Caller) -> ApiKey:
    """Read a key that the caller may keep. Raises `NotFound`: others' keys are not even hinted at."""
    row = await session.get(ApiKey, key_id)
    if row is None or not await may_keep(session, row.owner, by):
        raise NotFound(f"There is no key {key_id} of yours.")
    return row


async def revoke(session: AsyncSession, row: ApiKey, *, by: Caller, now: datetime) -> None:
    """Revoke a key: at once, and within the stated bound at every gateway whatever happens."""
    await session.refresh(row, with_for_update=True)
    if row.revoked_at is not None:
        raise Conflict("This key is revoked already.")
    row.revoked_at = now
    await publish(session, events.KeyRevoked(owner=row.owner), of=row.id, version=1, actor=by, now=now)
    audit.record(session, "key.revoked", kind="key", of=row.id, by=by, now=now, owner=row.owner)
    await _ends(session, row, now=now)


async def may_keep(session: AsyncSession, owner: str, by: Caller) -> bool:
    """Say whether the caller keeps this one's keys: one's own, those of an account one answers for, or by right."""
    if owner == by.id or by.may(rights.KEYS, EVERYWHERE):
        return True
    account = await session.get(ServiceAccount, owner)
    return account is not None and account.owner == by.id


async def _demand_may_keep(session: AsyncSession, owner: str, by: Caller) -> None:
    if not await may_keep(session, owner, by):
        by.demand(rights.KEYS, EVERYWHERE)


async def _ends(session: AsyncSession, row: ApiKey, *, now: datetime) -> None:
    """Have it forgotten wherever it is known, and nobody reminded of it any more."""
    await notices.settle(session, events.KeyExpiring.type, [row.id], now=now)
    await freshness.forget(session, row.id)


async def _demand_owner(session: AsyncSession, owner: str) -> None:
    if await present.person(session, owner) is None and await session.get(ServiceAccount, owner) is None:
        raise Invalid.at("/owner", f"There is no person or service account {owner}.", "unknown-owner")


async def _demand_known(session: AsyncSession, scopes: Sequence[str] | None) -> None:
    if not scopes:
        return
    found = (
        select(col(Permission.name))
        .join(System, col(System.id) == col(Permission.system_id))
        .where(col(System.key) == decisions.LODGE, col(Permission.name).in_(scopes))
    )
    known = set((await session.execute(found)).scalars())
    wrong = [
        InvalidValue(pointer=f"/scopes/{place}", code="unknown-permission", detail=f"Lodge has no permission {name}.")
        for place, name in enumerate(scopes)
        if name not in known
    ]
    if wrong:
        raise Invalid("Some scopes are no permissions of Lodge. Each is named under errors.", errors=wrong)


async def _demand_no_more(
    session: AsyncSession, owner: str, scopes: Sequence[str] | None, *, by: Caller, now: datetime
) -> None:
    """Refuse a key that may do what the caller may not: whoever makes it could use it."""
    held_to = await decisions.scopes_of(session, by.id, by.client_id)
    if held_to is not None and (scopes is None or not set(scopes) <= set(held_to)):
        raise Forbidden(f"Your key is held to {', '.join(held_to)}. Name scopes for the new one, out of these.")
    if owner == by.id:
        return
    theirs = await callers.held_by(session, owner, scopes=scopes, now=now)
    mine = {**await callers.held_by(session, by.id, scopes=held_to, now=now), **by.permissions}
    more = exceeding(theirs, mine)
    if more:
        raise Forbidden(
            f"This key could do what you may not: {', '.join(more)}. Leave that out of its scopes, or ask one who may."
        )


def _end(expires_at: datetime | None, longest: timedelta | None, now: datetime) -> datetime | None:
    if expires_at is not None and expires_at <= now:
        raise Invalid.at("/expires_at", "A key cannot expire in the past.", "past")
    if longest is None:
        return expires_at
    if expires_at is not None and expires_at > now + longest:
        raise Invalid.at("/expires_at", f"A key lives {longest.days} days at most here.", "too-long")
    return expires_at or now + longest


async def _demand_room(session: AsyncSession, owner: str, label: str, now: datetime) -> None:
    # Locked: of two who make the same owner's keys, the second counts what the first has made.
    locked = text("SELECT pg_advisory_xact_lock(hashtextextended('lodge keys of ' || CAST(:owner AS text), 0))")
    await session.execute(locked, {"owner": owner})
    live = (
        select(func.count())
        .where(col(ApiKey.owner) == owner, col(ApiKey.label) == label, col(ApiKey.revoked_at).is_(None))
        .where(or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now))
    )
    if (await session.execute(live)).scalar_one() >= LIVE_AT_ONCE:
        raise Conflict(f"There are {LIVE_AT_ONCE} live keys with this label already. Revoke one, or use another label.")
