"""Walks the journey: says each step with its time, stops at the first that fails."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from aiohttp import web

from lodge_local import ports
from lodge_local.failures import Failed
from lodge_local.home import Home
from lodge_local.journey import feed, steps
from lodge_local.journey.receiver import Receiver
from lodge_local.journey.steps import Journey, Person
from lodge_local.progress import tell


async def walk(home: Home, *, port: int) -> None:
    """Walk every step against the suite at `port`. Raises Failed with the sentence of the first that fails."""
    key_file = home.admin_key
    if not key_file.exists():
        raise Failed(f"there is no {key_file}: start the suite with `make run` first, with the same LODGE_HOME.")
    gateway = f"http://{ports.HOST}:{port}"
    receiver = Receiver()
    began = time.monotonic()
    async with (
        _served(receiver.app(), port + ports.RECEIVER) as receiver_url,
        _served(feed.app(), port + ports.FEED) as feed_url,
    ):
        journey = Journey(
            gateway, Person(gateway, key_file.read_text().strip()), receiver, receiver_url, f"{feed_url}/releases.atom"
        )
        try:
            await _take_steps(journey)
        finally:
            await journey.close()
    tell(f"\nThe journey was walked in {time.monotonic() - began:.1f} s.")


async def _take_steps(journey: Journey) -> None:
    for number, step in enumerate(steps.STEPS, start=1):
        sentence = (step.__doc__ or "").rstrip(".")
        began = time.monotonic()
        try:
            outcome = await step(journey)
        except Failed as failure:
            raise Failed(f"step {number} ({sentence.lower()}) failed: {failure}") from failure
        except httpx.TransportError as error:
            raise Failed(
                f"step {number} ({sentence.lower()}) failed: {journey.gateway} cannot be reached"
                f" ({type(error).__name__}). Start the suite with `make run` first."
            ) from error
        tell(f"{number}. {sentence:<64} {time.monotonic() - began:6.2f} s  {outcome}")
        sys.stdout.flush()


@asynccontextmanager
async def _served(app: web.Application, port: int) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, ports.HOST, port).start()
    except OSError as error:
        await runner.cleanup()
        raise Failed(f"port {port} is in use, and the journey needs it: {error.strerror}.") from error
    try:
        yield f"http://{ports.HOST}:{port}"
    finally:
        await runner.cleanup()
