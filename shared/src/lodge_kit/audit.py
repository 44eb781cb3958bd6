"""Who did what, when: written in the transaction of the deed, sealed in order after it.

A row's seal is an HMAC over the row and the seal before it, under a key that the database does not hold: rows that
were altered, removed or put in between no longer verify. The chain's head is logged each hour.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import context, ids
from lodge_kit.identity import Caller
from lodge_kit.tables import AuditEvent, Counter

_BATCH = 500
_SEALED = select(AuditEvent).where(col(AuditEvent.seq).is_not(None))


def record(
    session: AsyncSession, action: str, *, kind: str, of: str, by: Caller | str, now: datetime, **facts: Any
) -> None:
    """Write down that `by` did `action` to the thing `of`."""
    session.add(
        AuditEvent(
            id=ids.new("aud"),
            at=now,
            actor=by if isinstance(by, str) else by.id,
            client_id=None if isinstance(by, str) else by.client_id,
            action=action,
            subject_type=kind,
            subject_id=of,
            facts=json.dumps(facts, ensure_ascii=False, sort_keys=True, default=str),
            request_id=context.request_id(),
        )
    )


async def head(session: AsyncSession) -> tuple[int, str]:
    """Answer the last place in the chain and its seal, 0 and nothing before the first: what is kept elsewhere."""
    last = (await session.execute(_SEALED.order_by(col(AuditEvent.seq).desc()).limit(1))).scalar_one_or_none()
    return (last.seq or 0, (last.seal or b"").hex()) if last else (0, "")


async def seal(session: AsyncSession, key: bytes) -> int:
    """Give the unsealed rows their place in the chain; answers how many. One sealer at a time."""
    got = await session.execute(text("SELECT pg_try_advisory_xact_lock(hashtextextended('lodge audit', 0))"))
    if not got.scalar_one():
        return 0
    unsealed = select(AuditEvent).where(col(AuditEvent.seq).is_(None)).order_by(col(AuditEvent.id)).limit(_BATCH)
    rows = list((await session.execute(unsealed)).scalars())
    if not rows:
        return 0
    seq, sealed = await head(session)
    previous = bytes.fromhex(sealed)
    for row in rows:
        seq += 1
        previous = _seal(key, previous, seq, row)
        row.seq, row.seal = seq, previous
    await session.execute(update(Counter).where(col(Counter.name) == "audit").values(value=seq))
    return len(rows)


def _seal(key: bytes, previous: bytes, seq: int, row: AuditEvent) -> bytes:
    told = [seq, row.id, row.at.astimezone(UTC).isoformat(), row.actor, row.client_id, row.action]
    told += [row.subject_type, row.subject_id, row.facts, row.request_id]
    return hmac.new(key, previous + json.dumps(told).encode(), hashlib.sha256).digest()


async def broken(session: AsyncSession, key: bytes) -> int | None:
    """Verify the whole chain; answers the first `seq` that does not verify, None when all do."""
    rows = await session.stream(_SEALED.order_by(col(AuditEvent.seq)).execution_options(yield_per=_BATCH))
    expected, previous = 0, b""
    try:
        async for row in rows.scalars():
            expected += 1
            previous = _seal(key, previous, expected, row)
            if row.seq != expected or not hmac.compare_digest(previous, row.seal or b""):
                return expected
    finally:
        await rows.close()
    counted = await session.execute(select(col(Counter.value)).where(col(Counter.name) == "audit"))
    return expected + 1 if counted.scalar_one() > expected else None
