"""The database gone and back: 503 in between, and nobody restarts anything."""

import asyncio
import os
import signal
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import psycopg
import pytest
from aiohttp import web
from psycopg import sql
from sqlalchemy.engine import make_url

from lodge_kit import working
from lodge_kit.testing.client import Client
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer
from lodge_kit.testing.receiver import Receiver
from lodge_kit.testing.waiting import until
from lodge_kit.testing.wire import wired
from lodge_kit.webhooks.courier import Courier

pytestmark = pytest.mark.anyio


async def test_while_the_database_is_gone_calls_are_503_and_after_it_they_go_on(
    make_desk: Callable[..., Any], settings: Any, issuer: Issuer
) -> None:
    url = settings.database_url.get_secret_value()
    async with wired(url) as (wire, through):
        desk = make_desk(database_url=through)
        async with desk.opened(issuer) as clerk:
            seen: list[tuple[int, str, str | None]] = []
            going = True

            async def load() -> None:
                while going:
                    answer = await clerk.post("/desk/v1/slips", json={"text": "x"})
                    body = answer.json()
                    seen.append((answer.status_code, body.get("code", ""), answer.headers.get("retry-after")))

            async def is_ready() -> bool:
                return bool((await clerk.http.get("/readyz")).status_code == HTTPStatus.OK)

            callers = [asyncio.create_task(load()) for _ in range(8)]
            await until(lambda: len(seen) > 20)
            assert {status for status, *_ in seen} == {201}
            await wire.cut()
            seen.clear()
            await until(lambda: len(seen) > 20)
            assert {one for one in seen if one[0] != 201} == {(503, "unavailable", "2")}
            ready = await clerk.http.get("/readyz")
            assert (ready.status_code, ready.headers["content-type"]) == (503, "application/problem+json")
            assert (await clerk.http.get("/healthz")).status_code == 200
            assert (await clerk.get("/desk/v1/slips", headers={"Accept": "text/csv"})).status_code == 503
            await wire.mend()
            seen.clear()
            await until(lambda: [status for status, *_ in seen[-20:]] == [201] * 20)
            going = False
            await asyncio.gather(*callers)
            stored = (await clerk.get("/desk/v1/slips?count=true&limit=1")).json()["count"]
            assert stored > 0
            await until(is_ready)  # another pool than the calls', which has its own connections to make anew


async def test_the_courier_outlives_the_database(
    make_desk: Callable[..., Any], settings: Any, issuer: Issuer, receiver: Receiver
) -> None:
    async with wired(settings.database_url.get_secret_value()) as (wire, through):
        desk, direct = make_desk(database_url=through), make_desk(sealing_keys=settings.sealing_keys)
        async with direct.opened(issuer) as clerk, desk.world.opened():
            await clerk.made("/desk/v1/webhooks", url=receiver.url, event_types=["*"])
            running = asyncio.create_task(Courier(desk.world).run())
            try:
                await clerk.made("/desk/v1/slips", text="before")
                await receiver.wait(1)
                await wire.cut()
                await clerk.made("/desk/v1/slips", text="meanwhile")
                await wire.mend()
                await receiver.wait(2)
                assert not running.done()
            finally:
                running.cancel()
                await asyncio.wait([running])


async def test_what_was_under_way_when_the_database_went_is_noted_when_it_is_back(
    make_desk: Callable[..., Any], settings: Any, issuer: Issuer, receiver: Receiver
) -> None:
    async with wired(settings.database_url.get_secret_value()) as (wire, through):
        desk, direct = make_desk(database_url=through), make_desk(sealing_keys=settings.sealing_keys)
        async with direct.opened(issuer) as clerk, desk.world.opened():
            await clerk.made("/desk/v1/webhooks", url=receiver.url, event_types=["*"])
            await clerk.made("/desk/v1/slips", text="x")
            running = asyncio.create_task(Courier(desk.world).run())
            release = asyncio.Event()

            async def hang(_: Any) -> Any:
                await release.wait()

                return web.Response()

            receiver.answer = hang
            try:
                await receiver.wait(1)
                await wire.cut()
                release.set()
                await wire.mend()

                async def noted() -> bool:
                    items = (await clerk.get("/desk/v1/deliveries")).json()["items"]
                    return [(one["state"], one["attempts"]) for one in items] == [("delivered", 1)]

                await until(noted)
                assert len(receiver.got) == 1
            finally:
                running.cancel()
                await asyncio.wait([running])


async def test_a_loop_of_the_worker_that_fails_is_begun_again(clerk: Client, desk: Any) -> None:
    assert clerk is not None
    begun = 0

    async def stumbling(_world: Any) -> None:
        nonlocal begun
        begun += 1
        raise RuntimeError("stumbled")

    running = asyncio.create_task(working.forever(desk.world, stumbling))
    try:
        await until(lambda: begun >= 2)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_the_whole_worker_outlives_a_database_that_is_taken_away_by_its_server(
    make_desk: Callable[..., Any], databases: Databases, migrate_desk: Any, issuer: Issuer, receiver: Receiver
) -> None:
    url = databases.fresh("outage", "desk", migrate_desk)
    name = make_url(url).database or ""
    desk = make_desk(database_url=url)
    async with desk.opened(issuer) as clerk:
        await clerk.made("/desk/v1/webhooks", url=receiver.url, event_types=["*"])
        worker = asyncio.create_task(working.work(desk.world, ()))
        try:
            await clerk.made("/desk/v1/slips", text="before")
            await receiver.wait(1)
            await until(lambda: len(desk.noted) == 1)
            await _allowed(databases, name, allowed=False)
            assert (await clerk.http.get("/readyz")).status_code == 503
            await _allowed(databases, name, allowed=True)
            await clerk.made("/desk/v1/slips", text="after")
            await receiver.wait(2)
            await until(lambda: len(desk.noted) == 2, within=40)
            assert not worker.done()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(15):
                await worker


async def _allowed(databases: Databases, name: str, *, allowed: bool) -> None:
    async with await psycopg.AsyncConnection.connect(databases.url("postgres"), autocommit=True) as server:
        await server.execute(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.Literal(allowed))
        )
        if not allowed:
            await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
