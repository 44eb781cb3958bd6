"""Having every gateway forget what it knows of a caller as soon as that has changed."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL = "lodge_callers"
EVERYBODY = "*"
_MANY = 500
"""From here on it costs less to ask anew for everybody than to tell of each."""
_TELL = text("SELECT pg_notify(:channel, who) FROM unnest(CAST(:told AS text[])) AS who")


async def forget(session: AsyncSession, who: Iterable[str] | str) -> None:
    """Have every gateway ask anew for these callers (or `EVERYBODY`) once the transaction has committed."""
    told = [who] if isinstance(who, str) else list(who)
    if len(told) > _MANY:
        told = [EVERYBODY]
    if told:
        await session.execute(_TELL, {"channel": CHANNEL, "told": told})
