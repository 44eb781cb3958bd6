"""The index of a process: what others change it hears of, and where it cannot know it does not answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from access_service import process, rights
from access_service.app import create_app
from access_service.index import Keeper
from access_service.settings import Settings
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.issuer import Issuer
from lodge_kit.testing.waiting import until
from lodge_kit.testing.wire import Wire, wired

pytestmark = pytest.mark.anyio

QUESTION = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "record", "id": "1"},
}


class Portal:
    """Asks a process of its own about alice, who may read records."""

    def __init__(self, app: FastAPI, client: Client) -> None:
        self.client = client.acting("svc_01J0000000000000000000P0RT", [rights.EVALUATE])
        self.keeper: Keeper = process.of(app.state.world).keeper  # type: ignore[assignment]  # an app that serves has one
        self.now = app.state.clock

    def trusts(self) -> bool:
        return self.keeper.current(self.now()) is not None

    async def status(self) -> int:
        return (await self.client.post("/access/v1/evaluation", json=QUESTION)).status_code

    async def permits(self) -> bool:
        answer = await self.client.post("/access/v1/evaluation", json=QUESTION)
        assert answer.status_code == 200, answer.text
        decision: bool = answer.json()["decision"]
        return decision

    async def denies(self) -> bool:
        return not await self.permits()


@pytest.fixture
async def alice(campus: Any) -> str:
    """Answer the grant by which she may."""
    await campus.system("records")
    await campus.permission("records", "read", "record")
    await campus.role("records", "reader", "record.read")
    await campus.person("alice")
    return str(await campus.give("alice", "reader"))


@asynccontextmanager
async def portal(settings: Settings, issuer: Issuer, time: Any) -> AsyncIterator[Portal]:
    app = create_app(settings, clock=time, keys=issuer.keys)
    async with opened(app, issuer) as client:
        found = Portal(app, client)
        await until(found.trusts)
        yield found


@asynccontextmanager
async def wired_portal(
    settings: Settings, issuer: Issuer, time: Any, *, setting: str
) -> AsyncIterator[tuple[Portal, Wire]]:
    """Have one whose database, as this setting names it, is reached by a wire."""
    async with (
        wired(settings.database_url.get_secret_value()) as (wire, url),
        portal(settings.model_copy(update={setting: SecretStr(url)}), issuer, time) as found,
    ):
        yield found, wire


async def end(admin: Client, grant: str) -> None:
    answer = await admin.post(f"/access/v1/grants/{grant}/end", json={"reason": "over"})
    assert answer.status_code == 200, answer.text


async def test_what_one_process_ends_the_index_of_another_hears_of(
    settings: Settings, issuer: Issuer, time: Any, admin: Client, alice: str
) -> None:
    async with portal(settings, issuer, time) as other:
        assert await other.permits()
        await end(admin, alice)
        await until(other.denies)
        await until(other.trusts)
        assert other.keeper.builds == 1  # the change was followed, not all read anew


async def test_what_somebody_changes_by_hand_is_heard_of_too(
    settings: Settings, issuer: Issuer, time: Any, alice: str
) -> None:
    async with portal(settings, issuer, time) as other:
        assert await other.permits()
        async with await psycopg.AsyncConnection.connect(settings.database_url.get_secret_value()) as hand:
            await hand.execute("UPDATE role_grant SET valid_to = valid_from WHERE id = %s", [alice])
        await until(other.denies)
        await until(other.trusts)
        assert other.keeper.builds == 1


async def test_an_index_whose_connections_broke_answers_nothing_and_is_built_anew(
    settings: Settings, issuer: Issuer, time: Any, admin: Client, alice: str
) -> None:
    async with wired_portal(settings, issuer, time, setting="listen_url") as (other, wire):
        assert await other.permits()
        await wire.cut()
        await until(lambda: not other.trusts())
        await end(admin, alice)
        assert await other.denies()  # asked of the database
        await wire.mend()
        await until(other.trusts)
        assert other.keeper.builds == 2
        assert await other.denies()


async def test_an_index_that_hears_nothing_any_more_is_not_believed(
    settings: Settings, issuer: Issuer, time: Any, admin: Client, alice: str
) -> None:
    async with wired_portal(settings, issuer, time, setting="listen_url") as (other, wire):
        assert await other.permits()
        wire.fall_silent()  # and no connection breaks
        await end(admin, alice)
        await until(other.denies)
        assert not other.trusts()
        wire.speak()
        await until(other.trusts)
        assert await other.denies()


async def test_without_a_database_nothing_is_decided_and_with_it_again_as_before(
    settings: Settings, issuer: Issuer, time: Any, alice: str
) -> None:
    async with wired_portal(settings, issuer, time, setting="database_url") as (other, wire):
        assert await other.permits(), alice
        await wire.cut()

        async def refused() -> bool:
            return await other.status() == 503

        await until(refused)
        await wire.mend()

        async def answered() -> bool:
            return await other.status() == 200

        await until(answered)
        await until(other.trusts)
        assert await other.permits()
