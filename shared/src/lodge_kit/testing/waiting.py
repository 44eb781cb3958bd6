"""Waiting for a condition, never for seconds."""

import asyncio
from collections.abc import Awaitable, Callable

_STEP = 0.01


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within: float = 15) -> None:
    """Come back as soon as `condition` holds; raise `TimeoutError` when it does not `within` so many seconds."""
    async with asyncio.timeout(within):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(_STEP)
