"""Whom a credential belongs to and what that one may do in Lodge: what the gateway asks before each new caller."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import decisions, org_units
from access_service.rules import Scope, joined
from access_service.tables import ApiKey, Person, ServiceAccount
from lodge_kit.problems import Problem

_USE_NOTED = timedelta(minutes=5)


class KeyUnknown(Problem):
    """No such key, or one that was revoked or has expired: the answer does not say which."""

    status, code = HTTPStatus.UNAUTHORIZED, "key-unknown"


class PersonUnknown(Problem):
    """The institution vouches for somebody whom access-service does not know."""

    status, code = HTTPStatus.FORBIDDEN, "person-unknown"


class CallerInactive(Problem):
    """Known, and no longer active."""

    status, code = HTTPStatus.FORBIDDEN, "caller-inactive"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A caller with all rights in Lodge, by the service that they are for."""

    id: str
    name: str
    client_id: str | None
    permissions: dict[str, dict[str, Scope]]


def digest(key: str) -> bytes:
    """Hash a key. Its secret has 256 random bits, so that a plain SHA-256 cannot be turned round by trying."""
    return hashlib.sha256(key.encode()).digest()


async def by_key(session: AsyncSession, sha256: bytes, *, now: datetime) -> Resolved:
    """Answer whose key this is. Raises `KeyUnknown`, `CallerInactive`."""
    key = (await session.execute(select(ApiKey).where(col(ApiKey.sha256) == sha256))).scalar_one_or_none()
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise KeyUnknown("This API key is not valid. Ask for a new one, or sign in.")
    if key.last_used_at is None or now - key.last_used_at > _USE_NOTED:
        # Only where nobody else does: a call must never wait for another call with the same key.
        free = select(col(ApiKey.id)).where(col(ApiKey.id) == key.id).with_for_update(skip_locked=True)
        await session.execute(
            update(ApiKey).where(col(ApiKey.id) == free.scalar_subquery()).values(last_used_at=now),
            execution_options={"synchronize_session": False},
        )
    return await _resolved(session, key.owner, client_id=key.id, scopes=key.scopes, now=now)


async def by_external_id(session: AsyncSession, external_id: str, *, client_id: str | None, now: datetime) -> Resolved:
    """Answer who it is that an OpenID provider vouches for. Raises `PersonUnknown`, `CallerInactive`."""
    found = select(col(Person.id)).where(col(Person.external_id) == external_id, col(Person.deleted_at).is_(None))
    person = (await session.execute(found)).scalar_one_or_none()
    if person is None:
        raise PersonUnknown(
            "Your institution vouches for you, but Lodge does not know you. Ask an administrator to add you with the"
            " external id that your institution's provider sends."
        )
    return await by_id(session, person, client_id=client_id, now=now)


async def by_id(session: AsyncSession, who: str, *, client_id: str | None, now: datetime) -> Resolved:
    """Answer a person or service account with its rights, as far as its key goes. Raises `CallerInactive`."""
    scopes = await decisions.scopes_of(session, who, client_id)
    return await _resolved(session, who, client_id=client_id, scopes=scopes, now=now)


async def held_by(session: AsyncSession, who: str, *, scopes: Sequence[str] | None, now: datetime) -> dict[str, Scope]:
    """Answer what `who` may do in Lodge and where; with `scopes` no more than these."""
    held = await decisions.held_in_lodge(session, who, at=now)
    within = {name: units for name, units in held.items() if scopes is None or name in scopes}
    parents = await org_units.parents(session) if any(unit for units in within.values() for unit in units) else {}
    return {name: joined(units, parents) for name, units in within.items()}


async def _resolved(
    session: AsyncSession, who: str, *, client_id: str | None, scopes: Sequence[str] | None, now: datetime
) -> Resolved:
    kind = Person if who.startswith("per_") else ServiceAccount
    row = (await session.execute(select(col(kind.name), col(kind.status)).where(col(kind.id) == who))).one_or_none()
    if row is None or row.status != "active":
        raise CallerInactive("This account is not active any more. Ask an administrator if that is a mistake.")
    permissions: dict[str, dict[str, Scope]] = {}
    for name, scope in (await held_by(session, who, scopes=scopes, now=now)).items():
        permissions.setdefault(name.partition(".")[0], {})[name] = scope
    return Resolved(who, row.name, client_id, permissions)
