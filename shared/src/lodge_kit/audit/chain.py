"""The chain: a row's seal is an HMAC over the row and the seal before it, under a key that the database does not hold.

Rows that were altered, removed or put in between no longer verify. Seals are given after commit and in one place: a
place given at insert could commit out of order. The chain's head is logged each hour, so that one that is cut off or
made anew has its witness elsewhere.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import case, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit.tables import AuditEvent, Counter

_BATCH = 500
_TOLD = attrgetter(
    "id", "at", "actor", "client_id", "action", "subject_type", "subject_id", "facts", "request_id"
)  # fmt: skip
# An instant that Python has none for, such as infinity, was never sealed: it is nothing here, and fits no seal.
_KNOWN = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_AT = case((col(AuditEvent.at).between(*_KNOWN), col(AuditEvent.at))).label("at")
PLACES = select(
    col(AuditEvent.seq), col(AuditEvent.seal),
    col(AuditEvent.id), _AT, col(AuditEvent.actor), col(AuditEvent.client_id), col(AuditEvent.action),
    col(AuditEvent.subject_type), col(AuditEvent.subject_id), col(AuditEvent.facts), col(AuditEvent.request_id),
).where(col(AuditEvent.seq).is_not(None))  # fmt: skip
"""The chain: a row's place in it, its seal, and all that it is sealed by."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last place in the chain, its seal in hexadecimal, and when what it seals was done."""

    seq: int = 0
    seal: str = ""
    at: datetime | None = None


async def head(session: AsyncSession) -> Head:
    """Answer the chain's head, 0 and nothing before the first row: what is kept elsewhere."""
    last = (await session.execute(PLACES.order_by(col(AuditEvent.seq).desc()).limit(1))).one_or_none()
    return Head(last.seq, (last.seal or b"").hex(), last.at) if last else Head()


async def counted(session: AsyncSession) -> int:
    """Answer how many places were given: more than there are rows means that rows are gone."""
    value: int = (await session.execute(select(col(Counter.value)).where(col(Counter.name) == "audit"))).scalar_one()
    return value


async def seal(session: AsyncSession, key: bytes) -> int:
    """Give the unsealed rows their place in the chain; answers how many. One sealer at a time."""
    got = await session.execute(text("SELECT pg_try_advisory_xact_lock(hashtextextended('lodge audit', 0))"))
    if not got.scalar_one():
        return 0
    unsealed = select(AuditEvent).where(col(AuditEvent.seq).is_(None)).order_by(col(AuditEvent.id)).limit(_BATCH)
    rows = list((await session.execute(unsealed)).scalars())
    if not rows:
        return 0
    last = await head(session)
    previous = bytes.fromhex(last.seal)
    # Places are never given twice: where the end was cut off, or its seals were taken away, a gap stays to be found.
    seq = max(last.seq, await counted(session))
    for row in rows:
        seq += 1
        previous = sealed(key, previous, seq, _TOLD(row))
        row.seq, row.seal = seq, previous
    await session.execute(update(Counter).where(col(Counter.name) == "audit").values(value=seq))
    return len(rows)


def sealed(key: bytes, previous: bytes, seq: int, told: Sequence[Any]) -> bytes:
    """Answer the seal at the place `seq`, after the seal `previous`, of a row that tells this, as `PLACES` has it."""
    row_id, at, *rest = told
    written = json.dumps([seq, row_id, at.astimezone(UTC).isoformat() if at else None, *rest])
    return hmac.digest(key, previous + written.encode(), "sha256")
