"""For tests: a real gateway on a real port, and small real programs on its other side.

`Access` is the gateway's fake of access-service; a contract test holds it against the true one.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.app import create_app
from gateway.entry import Gate
from gateway.server import server_config
from gateway.settings import GatewaySettings

AnyKey = RSAKey | ECKey | OKPKey | OctKey
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def eventually(holds: Callable[[], bool], *, within: float = 5.0) -> None:
    """Wait until `holds`."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - anything may change it
            await asyncio.sleep(0.005)


async def eventually_true(holds: Callable[[], Awaitable[bool]], *, within: float = 5.0) -> None:
    """Ask again and again until the answer is yes."""
    async with asyncio.timeout(within):
        while not await holds():  # noqa: ASYNC110 - it is another process's state
            await asyncio.sleep(0.005)


@asynccontextmanager
async def listening(handler: Handler, port: int = 0) -> AsyncIterator[int]:
    """Serve `handler` and answer the port."""
    runner = web.ServerRunner(web.Server(handler, auto_decompress=False), shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Answer each value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: str) -> str:
        """Answer the value of a header that is there once."""
        (value,) = self.all(name)
        return value


class Service:
    """Stands for a service: records what arrives and answers as a test tells it."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.handler: Handler | None = None
        self.document: dict[str, Any] | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer as told; without a word, with what was asked for."""
        if request.path == "/openapi.json":
            return web.json_response(self.document) if self.document else web.Response(status=503)
        if self.handler is not None:
            return await self.handler(request)
        headers = [(name.decode(), value.decode()) for name, value in request.raw_headers]
        self.seen.append(Seen(request.method, request.raw_path, headers, await request.read()))
        return web.json_response({"seen": request.raw_path})

    @property
    def last(self) -> Seen:
        """Answer what arrived last."""
        return self.seen[-1]


class Access(Service):
    """Stands for access-service: resolves callers, tells of changes."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, dict[str, Any]] = {}
        self.people: dict[tuple[str, str], dict[str, Any]] = {}
        self.questions: list[dict[str, Any]] = []
        self.authorizations: list[str] = []
        self.followers: list[asyncio.Queue[dict[str, Any]]] = []
        self.away = False
        self.pause: asyncio.Event | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the gateway's own calls, and others as a service does."""
        match request.path:
            case "/internal/v1/callers/resolve":
                return await self._resolve(request)
            case "/internal/v1/changes":
                return await self._changes(request)
            case "/healthz":
                return web.json_response({"status": "ok"}, status=503 if self.away else 200)
        return await super().__call__(request)

    async def _resolve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.authorizations.append(request.headers["Authorization"])
        question = await request.json()
        self.questions.append(question)
        if self.pause is not None:
            await self.pause.wait()
        if self.away:
            return web.json_response({"code": "internal-error"}, status=500)
        if "key_sha256" in question:
            found = self.keys.get(question["key_sha256"])
            return web.json_response(found or {"code": "key-unknown"}, status=200 if found else 401)
        found = self.people.get((question["issuer"], question["external_id"]))
        answer = {**found, "client_id": question["client_id"]} if found else {"code": "person-unknown"}
        return web.json_response(answer, status=200 if found else 403)

    async def _changes(self, request: web.BaseRequest) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await stream.prepare(request)
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.followers.append(queue)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await stream.write(json.dumps(await asyncio.wait_for(queue.get(), 1.0)).encode() + b"\n")
                    continue
                await stream.write(b'{"ping": true}\n')
        finally:
            self.followers.remove(queue)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a line to all who follow the changes."""
        for queue in self.followers:
            queue.put_nowait(message)

    def knows(self, key: str, **caller: Any) -> None:
        """Take a key, and whom it belongs to."""
        self.keys[hashlib.sha256(key.encode()).hexdigest()] = a_caller() | caller


def a_caller() -> dict[str, Any]:
    """Answer a caller as access-service tells it."""
    return {
        "id": "per_01J0000000000000000000000A",
        "name": "Ada",
        "client_id": "key_01J0000000000000000000000K",
        "actor": None,
        "permissions": {"access": {"access.people.read": "*"}, "enquiry": {"enquiry.answer": ["org_1"]}},
    }


class Time:
    """Both clocks, which a test may move."""

    def __init__(self) -> None:
        self.moved = 0.0

    def clock(self) -> datetime:
        """Answer the present instant, moved."""
        return datetime.now(UTC) + timedelta(seconds=self.moved)

    def monotonic(self) -> float:
        """Answer seconds, moved."""
        return time.monotonic() + self.moved


@dataclass
class Lodge:
    """A gateway that runs, and what it is connected to."""

    port: int
    gate: Gate
    access: Access
    service: Service
    time: Time
    signing_key: OKPKey
    client: aiohttp.ClientSession
    key: str = "lodge_01J0000000000000000000000K_0123456789abcdefghij"
    sockets: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Answer where the gateway is."""
        return f"http://127.0.0.1:{self.port}"

    def bearer(self) -> dict[str, str]:
        """Answer the header of a good key."""
        return {"Authorization": f"Bearer {self.key}"}

    def claims(self, seen: Seen) -> dict[str, Any]:
        """Verify the internal token that a service got."""
        token = seen.one("authorization").removeprefix("Bearer ")
        return dict(jwt.decode(token, self.signing_key, algorithms=["Ed25519"]).claims)

    async def raw(self, sent: bytes, *, wait: float = 5.0) -> bytes:
        """Send bytes as they are, and answer all that comes back until the gateway closes or falls silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        got = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while piece := await reader.read(65536):
                    got += piece
                    if b"\r\n\r\n" in got and b"content-length" in got.lower():
                        head, _, body = got.partition(b"\r\n\r\n")
                        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                        if len(body) >= length:
                            break
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return got


@asynccontextmanager
async def opened(gate: Gate, settings: GatewaySettings) -> AsyncIterator[int]:
    """Serve a gateway as in production, but for the collector's settings, and answer its port."""
    server = uvicorn.Server(server_config(gate, settings, settings.read_config()))
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started or serving.done())
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


@dataclass
class World:
    """The other side of a gateway, and how to open one before it."""

    access: Access
    service: Service
    access_port: int
    service_port: int
    folder: Path

    @asynccontextmanager
    async def lodge(self, toml: str = "", **settings: Any) -> AsyncIterator[Lodge]:
        """Open a gateway with a TOML file and settings."""
        (self.folder / "gateway.toml").write_text(toml)
        key = OKPKey.generate_key("Ed25519", auto_kid=True)
        moving = Time()
        known: dict[str, Any] = {
            "port": 0,
            "admin_port": 0,
            "config": self.folder / "gateway.toml",
            "signing_key": json.dumps(key.as_dict(private=True)),
            "access_url": f"http://127.0.0.1:{self.access_port}",
            "enquiry_url": f"http://127.0.0.1:{self.service_port}",
            "release_url": f"http://127.0.0.1:{self.service_port}",
        }
        found = GatewaySettings(**known | settings)
        gate = create_app(found, clock=moving.clock, monotonic=moving.monotonic)
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            opened(gate, found) as port,
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as client,
        ):
            lodge = Lodge(port, gate, self.access, self.service, moving, key, client)
            self.access.knows(lodge.key)
            yield lodge
