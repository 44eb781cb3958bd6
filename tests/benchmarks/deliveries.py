"""deliveries: webhooks a second, from 500 events that are committed to 2,000 that four receivers have taken.

Ours gives the events their numbers, fans them out to four endpoints, signs each, posts it and notes what came back,
with PostgreSQL underneath. The peer posts the same bodies to the same receiver, as many at a time, and that is all.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psycopg
from cryptography.fernet import Fernet

import access_service.migrations
from access_service.events import GrantCreated
from access_service.settings import Settings
from access_service.tables import Row
from access_service.world import create_world
from lodge_kit import events, ids
from lodge_kit.migrating import migrate
from lodge_kit.tables import WebhookEndpoint
from lodge_kit.webhooks.courier import AT_ONCE, Courier
from lodge_kit.world import World
from lodge_local import databases, ports
from lodge_local.failures import Failed
from tests.benchmarks.figures import Figure, Tell, in_turn
from tests.benchmarks.processes import database_server, program, started

EVENTS, ENDPOINTS = 500, 4


def measure(tell: Tell) -> Figure:
    """Measure."""
    with database_server() as (folder, cluster):
        url = databases.create_database(cluster.url, "access", password="bench")
        value, peer = asyncio.run(_measure(folder, url, tell))
    return Figure("deliveries", value, "webhooks a second", "aiohttp posting the same bodies", peer)


async def _measure(folder: Path, url: str, tell: Tell) -> tuple[float, float]:
    tell("making the database, starting the receiver")
    await asyncio.to_thread(migrate, url, access_service.migrations, Row.metadata)
    port = ports.free()
    address = f"http://{ports.HOST}:{port}/hook"
    settings = Settings(
        database_url=url, sealing_keys=Fernet.generate_key().decode(), audit_key="the bench's own",
        outbound_allow=("127.0.0.0/8",),
    )  # fmt: skip
    world = create_world(settings)
    with started(program("receiver", port), folder=folder, log="receiver") as receiver:
        await receiver.until_serving(port)
        async with world.opened(), aiohttp.ClientSession() as client:
            await _register(world, address)
            courier = Courier(world)

            async def ours() -> float:
                await _publish(world)
                began = time.perf_counter()
                await courier.drain()
                seconds = time.perf_counter() - began
                await asyncio.to_thread(_demand_delivered, url)
                return EVENTS * ENDPOINTS / seconds

            await ours()  # warm
            bodies = await asyncio.to_thread(_bodies, url)
            return await in_turn(ours, lambda: _posted(client, address, bodies), rounds=5, within=30, tell=tell)


async def _register(world: World, address: str) -> None:
    now = datetime.now(UTC)
    async with world.database.transaction() as session:
        for number in range(ENDPOINTS):
            endpoint = WebhookEndpoint(
                id=ids.new("whe"), url=f"{address}/{number}", event_types=["grant.*"], owner="per_1", created_at=now,
                secret=world.sealer.seal("whsec_bWFkZSBvZiAzMiBieXRlcywgbm90IG9mIGNoYW5jZQ=="), updated_at=now,
            )  # fmt: skip
            session.add(endpoint)


async def _publish(world: World) -> None:
    now = datetime.now(UTC)
    fact = GrantCreated(
        holder=ids.new("per"), role=ids.new("rol"), org_unit=None, environment=None, origin="request", anchor=None,
        valid_from=now, valid_to=None,
    )  # fmt: skip
    async with world.database.transaction() as session:
        for _ in range(EVENTS):
            await events.publish(session, fact, of=ids.new("grt"), version=1, actor="lodge", now=now)


def _demand_delivered(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall()
        # Each round begins with as little as the first: what is old is swept away in life too.
        connection.execute("TRUNCATE delivery CASCADE")
        connection.execute("VACUUM ANALYZE delivery, delivery_attempt, event")
    if rows != [("delivered", EVENTS * ENDPOINTS)]:
        raise Failed(f"Not everything was delivered: {rows}")


def _bodies(url: str) -> list[bytes]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT body FROM event ORDER BY id LIMIT %s", [EVENTS]).fetchall()
    return [body.encode() for (body,) in rows for _ in range(ENDPOINTS)]


async def _posted(client: aiohttp.ClientSession, address: str, bodies: Sequence[bytes]) -> float:
    coming = iter(bodies)

    async def post() -> None:
        for body in coming:  # shared: whoever is free takes the next
            async with client.post(address, data=body, headers={"Content-Type": "application/json"}) as answer:
                answer.raise_for_status()
                await answer.read()

    began = time.perf_counter()
    await asyncio.gather(*(post() for _ in range(AT_ONCE)))
    return len(bodies) / (time.perf_counter() - began)
