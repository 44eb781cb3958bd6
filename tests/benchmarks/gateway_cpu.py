"""gateway-cpu: what one request costs the gateway's process that verifies an RS256 token and forwards a GET of 1 KB.

A thousand people, each with a token of their own; the load and all stand-ins run in other processes. The gateway
asks about each caller before the rounds and not within them: it does so every 20 s, and a round is shorter.
The peer verifies at each request, as most would write it; both write their access log.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey

from gateway.testing import Access, a_caller, listening
from lodge_local import ports
from tests.benchmarks.figures import Figure, Tell, in_turn
from tests.benchmarks.load import fire, request
from tests.benchmarks.processes import Started, cpu_seconds, demand_accounts, home, module, program, started

PEOPLE = 1_000
CONNECTIONS = 64
OURS, PEERS = 5_000, 500
"""Requests a round: enough for the kernel's account, which ticks a hundred times a second."""


def measure(tell: Tell) -> Figure:
    """Measure."""
    demand_accounts()
    with home() as folder:
        value, peer = asyncio.run(_measure(folder, tell))
    return Figure("gateway-cpu", value, "µs of CPU a request", "FastAPI + httpx as most would write it", peer)


async def _measure(folder: Path, tell: Tell) -> tuple[float, float]:
    tell("starting the gateway, the peer, and what stands behind them")
    async with AsyncExitStack() as stack:
        issuer = Issuer()
        access = Access()
        issuer.port = await stack.enter_async_context(listening(issuer))
        access_port = await stack.enter_async_context(listening(access))
        tokens = [issuer.token(number) for number in range(PEOPLE)]
        for number in range(PEOPLE):
            known = {"id": f"per_{number:026}", "client_id": None}
            access.people[issuer.url, f"person-{number}"] = a_caller() | known
        upstream, gate, peer = ports.free(), ports.free(), ports.free()
        behind = stack.enter_context(started(program("upstream", upstream), folder=folder, log="upstream"))
        await behind.until_serving(upstream)
        environment = _gateway_environment(folder, gate, access_port, upstream, issuer.url)
        ours = stack.enter_context(
            started(module("gateway", "serve"), folder=folder, log="gateway", environment=environment)
        )
        (folder / "jwks.json").write_text(json.dumps(issuer.jwks))
        command = program("forwarding", peer, f"http://{ports.HOST}:{upstream}", folder / "jwks.json", issuer.url)
        theirs = stack.enter_context(started(command, folder=folder, log="peer"))
        await ours.until_serving(gate, "/healthz")
        await theirs.until_serving(peer, "/docs")
        sent = [
            request("GET", "/enquiry/v1/things?limit=3", headers={"Authorization": f"Bearer {token}", "Accept": "*/*"})
            for token in tokens
        ]

        async def asked_anew() -> None:
            access.tell({"drop": "*"})
            await fire(gate, sent, connections=CONNECTIONS)

        async def nothing() -> None:
            pass

        await fire(peer, sent[:200], connections=CONNECTIONS)  # warm
        return await in_turn(
            _round(ours, gate, sent, OURS, asked_anew), _round(theirs, peer, sent, PEERS, nothing),
            rounds=3, within=25, tell=tell,
        )  # fmt: skip


def _round(
    process: Started, port: int, sent: list[bytes], count: int, before: Callable[[], Awaitable[None]]
) -> Callable[[], Awaitable[float]]:
    requests = [sent[number % len(sent)] for number in range(count)]

    async def measured() -> float:
        await before()
        spent = cpu_seconds(process.pid)
        await fire(port, requests, connections=CONNECTIONS)
        return (cpu_seconds(process.pid) - spent) / count * 1e6

    return measured


def _gateway_environment(folder: Path, port: int, access: int, upstream: int, issuer: str) -> dict[str, str]:
    (folder / "gateway.toml").write_text(f'[[issuers]]\nissuer = "{issuer}"\naudience = "lodge"\n')
    return {
        "LODGE_GATEWAY_PORT": str(port),
        "LODGE_GATEWAY_ADMIN_PORT": str(ports.free()),
        "LODGE_GATEWAY_CONFIG": str(folder / "gateway.toml"),
        "LODGE_GATEWAY_SIGNING_KEY": json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True)),
        "LODGE_ACCESS_URL": f"http://{ports.HOST}:{access}",
        "LODGE_ENQUIRY_URL": f"http://{ports.HOST}:{upstream}",
        "LODGE_RELEASE_URL": f"http://{ports.HOST}:{upstream}",
        "LODGE_OUTBOUND_ALLOW": "127.0.0.0/8",
    }


class Issuer:
    """An OpenID issuer with one RSA key: its two documents, and tokens for an hour."""

    def __init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self.port = 0

    @property
    def url(self) -> str:
        """Answer its name."""
        return f"http://{ports.HOST}:{self.port}"

    @property
    def jwks(self) -> dict[str, Any]:
        """Answer its public key."""
        return {"keys": [self._key.as_dict(private=False)]}

    def token(self, number: int) -> str:
        """Make the token of a person."""
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": "lodge", "sub": f"person-{number}", "iat": now, "exp": now + 3600,
            "jti": os.urandom(8).hex(),
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key)

    async def __call__(self, asked: web.BaseRequest) -> web.StreamResponse:
        """Answer a document."""
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        return web.json_response(self.jwks if asked.path == "/jwks" else discovery)
