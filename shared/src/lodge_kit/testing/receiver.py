"""A receiver of webhooks for tests: a real server on a port of 127.0.0.1 that keeps what it got."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from lodge_kit.testing.waiting import until

Answer = Callable[["Received"], Awaitable[web.StreamResponse] | web.StreamResponse]


@dataclass(frozen=True)
class Received:
    """One call that came in."""

    headers: Mapping[str, str]
    body: str
    path: str

    @property
    def id(self) -> str:
        """The event's id, the same on every try."""
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Answer the body, verified by the public library; raises its error where the signature is wrong."""
        return Webhook(secret).verify(self.body, dict(self.headers))


class Receiver:
    """Keeps what it got, and answers 204, or what `answer` says."""

    def __init__(self) -> None:
        self.got: list[Received] = []
        self.answer: Answer = lambda _: web.Response(status=204)
        self.url = ""

    async def wait(self, count: int) -> list[Received]:
        """Answer what came in, once it is `count` calls."""
        await until(lambda: len(self.got) >= count)
        return self.got

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take one call."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        this = Received(headers, await request.text(), request.path)
        self.got.append(this)
        answered = self.answer(this)
        return answered if isinstance(answered, web.StreamResponse) else await answered


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Start a receiver; what still hangs at the end is broken off."""
    receiver = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
