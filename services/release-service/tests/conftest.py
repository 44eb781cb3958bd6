"""A running release-service with a database of its own, a supplier's web server, and people to act as."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from fastapi import FastAPI

import release_service.migrations
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer
from release_service import rights
from release_service.app import create_app
from release_service.settings import Settings
from release_service.tables import Row

OFFICER = "per_01J00000000000000000000FFC"
UNIT = "org_01J0000000000000000000VN1T"
SOMEBODY = "per_01J0000000000000000000SMBD"
FEEDS = Path(__file__).parent / "feeds"

Page = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Supplier:
    """A supplier's web server on a port of its own. It also answers who people are, as access-service would."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[web.BaseRequest] = []
        self.port = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def shows(self, path: str, body: bytes, *, kind: str = "application/atom+xml", etag: str = "") -> None:
        async def page(request: web.BaseRequest) -> web.StreamResponse:
            if etag and request.headers.get("if-none-match") == etag:
                return web.Response(status=304, headers={"ETag": etag})
            return web.Response(body=body, headers={"Content-Type": kind} | ({"ETag": etag} if etag else {}))

        self.pages[path] = page

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request)
        if request.path == "/access/v1/names":
            known = [{"id": SOMEBODY, "name": "Some Body"}, {"id": UNIT, "name": "Library"}]
            return web.json_response({"items": [one for one in known if one["id"] in request.query["id"].split(",")]})
        page = self.pages.get(request.path)
        return await page(request) if page else web.Response(status=404)


class Clock:
    """The present, moved as a test likes."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
async def supplier() -> AsyncIterator[Supplier]:
    found = Supplier()
    server = web.Server(found.answer)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetch_seconds() -> float:
    return 10


@pytest.fixture
def settings(databases: Databases, supplier: Supplier, fetch_seconds: float) -> Settings:
    url = databases.of("release", lambda found: migrate(found, release_service.migrations, Row.metadata))
    return Settings(
        database_url=url,
        sealing_keys=Fernet.generate_key().decode(),
        audit_key="a test's own",
        gateway_url=supplier.url(""),
        outbound_allow=(supplier.host,),
        fetch_seconds=fetch_seconds,
    )


@pytest.fixture
async def app(settings: Settings, issuer: Issuer, clock: Clock) -> FastAPI:
    return create_app(settings, clock=clock, keys=issuer.keys)


@pytest.fixture
async def client(app: FastAPI, issuer: Issuer) -> AsyncIterator[Client]:
    async with opened(app, issuer) as found:
        yield found


@pytest.fixture
def officer(client: Client) -> Client:
    return client.acting(OFFICER, rights.ALL, name="Olive Officer")


@pytest.fixture
def work(app: FastAPI) -> Callable[[], Awaitable[None]]:
    """Answer what does the jobs that wait, as the worker would."""

    async def done() -> None:
        queue = app.state.world.queue
        await asyncio.wait_for(queue.run_worker_async(wait=False, install_signal_handlers=False), 60)

    return done
