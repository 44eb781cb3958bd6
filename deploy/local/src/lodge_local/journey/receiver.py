"""The campus system: takes webhooks, and believes only those that the public library verifies."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook


@dataclass
class Receiver:
    """What came in, and the secrets by which it was verified: one an endpoint."""

    secrets: list[str] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        """Serve `/hooks/<number>`, the number being that of the secret."""
        served = web.Application()
        served.router.add_post("/hooks/{number}", self._take)
        return served

    async def _take(self, request: web.Request) -> web.Response:
        secret = self.secrets[int(request.match_info["number"])]
        # Raises, and so answers 500, when the signature is not right: the journey then waits in vain and says so.
        event = Webhook(secret).verify(await request.text(), dict(request.headers))
        self.got.append(event)
        self._came.set()
        return web.Response(status=204)

    async def until(self, kind: str, subject: str, *, patience: float) -> dict[str, Any]:
        """Wait for the event of this type about this subject; raises TimeoutError."""
        async with asyncio.timeout(patience):
            while True:
                for event in self.got:
                    if event["type"] == kind and subject in (
                        event["data"]["subject"]["id"],
                        event["data"].get("product"),
                    ):
                        return event
                self._came.clear()
                await self._came.wait()
