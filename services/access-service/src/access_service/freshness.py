"""Having every gateway forget what it knows of a caller as soon as that has changed."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL = "lodge_callers"
EVERYBODY = "*"


async def forget(session: AsyncSession, who: Iterable[str] | str) -> None:
    """Have every gateway ask anew for these callers (or `EVERYBODY`) once the transaction has committed."""
    for one in [who] if isinstance(who, str) else who:
        await session.execute(text("SELECT pg_notify(:channel, :who)"), {"channel": CHANNEL, "who": one})
