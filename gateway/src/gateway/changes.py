"""What goes on in the background: following access-service's stream of changes, finding it at start, sweeping."""

import asyncio
import random
from contextlib import aclosing

import aiohttp

from gateway.access import AccessService
from gateway.callers import Callers
from gateway.metrics import Metrics
from lodge_kit import logs

_SLOWEST_RETRY = 5.0
_FIRST_RETRY = 0.1
_SWEEP_EVERY = 30.0
_log = logs.logger("gateway.changes")


class Readiness:
    """What is still missing before callers can be served."""

    def __init__(self) -> None:
        self.access_answered = False

    def missing(self) -> str | None:
        """Say what is missing; None when nothing is. Once ready it stays so: known callers outlive an outage."""
        return None if self.access_answered else "access-service has not answered yet."


async def find(access: AccessService, readiness: Readiness) -> None:
    """Ask access-service until it answers once."""
    wait = _FIRST_RETRY
    while not await access.answers():
        await asyncio.sleep(_with_jitter(wait))
        wait = min(wait * 1.5, 1.0)
    readiness.access_answered = True


async def follow(access: AccessService, callers: Callers, metrics: Metrics) -> None:
    """Drop the entries that access-service names, for good; reconnect with back-off.

    What changed while the stream was away is not told again: as it opens, everybody is asked for anew.
    """
    wait = _FIRST_RETRY
    while True:
        try:
            async with aclosing(access.changes()) as changes:
                is_open = False
                async for names in changes:
                    if not is_open:
                        callers.doubt()
                        is_open = True
                    metrics.following(open_=True)
                    wait = _FIRST_RETRY
                    if names:
                        callers.drop(names)
            reason = "it ended"
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
        metrics.following(open_=False)
        _log.info("the stream of changes is closed; connecting again", reason=reason, seconds=wait)
        await asyncio.sleep(_with_jitter(wait))
        wait = min(wait * 2, _SLOWEST_RETRY)


async def sweep(callers: Callers) -> None:
    """Let go of dead entries now and then."""
    while True:
        await asyncio.sleep(_SWEEP_EVERY)
        callers.sweep()


def _with_jitter(seconds: float) -> float:
    return seconds * random.uniform(0.7, 1.3)  # noqa: S311 - spreads retries, guards nothing
