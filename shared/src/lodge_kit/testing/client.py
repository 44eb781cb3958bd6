"""An HTTP client for tests: every call is made as somebody, with just the rights that the test names."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
from fastapi import FastAPI

from lodge_kit.application import Service
from lodge_kit.identity import Permission
from lodge_kit.testing.issuer import Issuer

Held = Iterable[Permission] | Mapping[str, Literal["*"] | list[str]]


class Client:
    """Speaks HTTP to one app."""

    def __init__(self, http: httpx.AsyncClient, issuer: Issuer, service: str) -> None:
        self.http = http
        self._issuer = issuer
        self._service = service
        self._headers: dict[str, str] = {}

    @property
    def headers(self) -> Mapping[str, str]:
        """Answer what says who calls."""
        return self._headers

    def acting(self, subject: str, held: Held = (), **claims: Any) -> "Client":
        """Answer a client that calls as `subject`, who holds these permissions everywhere, or where `held` says."""
        permissions = held if isinstance(held, Mapping) else {one.name: "*" for one in held}
        one = Client(self.http, self._issuer, self._service)
        one._headers = self._issuer.headers(subject, audience=self._service, permissions=permissions, **claims)
        return one

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Make a call; `headers` are added to the caller's own."""
        headers = self._headers | options.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """GET."""
        return await self.call("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """POST."""
        return await self.call("POST", path, **options)

    async def patch(self, path: str, **options: Any) -> httpx.Response:
        """PATCH."""
        return await self.call("PATCH", path, **options)

    async def made(self, path: str, **body: Any) -> dict[str, Any]:
        """POST what must succeed; answers the body."""
        answer = await self.post(path, json=body)
        assert answer.status_code in (200, 201, 202), answer.text  # noqa: S101 - for tests
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def opened(app: FastAPI, issuer: Issuer) -> AsyncIterator[Client]:
    """Open an app and a client to it."""
    service: Service = app.state.service
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://lodge.test") as http,
    ):
        yield Client(http, issuer, service.name)
