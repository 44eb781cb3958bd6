"""The progress of a run as server-sent events."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI

from enquiry_service import execution, progress
from enquiry_service.export.messages import Progress
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def path(olive: Client, reporting: Any) -> str:
    report = await reporting("SELECT id FROM campus.student")
    run = await olive.made(f"/enquiry/v1/reports/{report['id']}/runs")
    return f"/enquiry/v1/runs/{run['id']}"


def read(text: str) -> list[dict[str, str]]:
    """Answer the fields of each event, as an EventSource would read them."""
    blocks = [block for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_a_run_is_watched_from_its_beginning_to_its_end(
    path: str, olive: Client, work: Callable[[], Awaitable[None]]
) -> None:
    watching = asyncio.ensure_future(olive.get(f"{path}/progress"))
    await asyncio.sleep(0.1)
    await work()
    answer = await watching
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    hint, first, *_, last = read(answer.text)
    assert list(hint) == ["retry"]
    assert (first["event"], json.loads(first["data"])["status"]) == ("progress", "queued")
    assert last["event"] == "end"
    run = (await olive.get(path)).json()
    shown = ("status", "phase", "rows", "bytes", "reason")
    assert json.loads(last["data"]) == {name: run[name] for name in shown}
    assert run["rows"] == 5_000
    assert last["id"] == run["etag"].strip('"')

    again = await olive.get(f"{path}/progress")
    assert read(again.text)[1:] == [last]
    seen = await olive.get(f"{path}/progress", headers={"Last-Event-ID": last["id"]})
    assert (seen.status_code, seen.content) == (204, b""), "an EventSource does not come back"


async def test_each_change_is_told_once_and_silence_is_kept_alive(path: str, app: FastAPI) -> None:
    world = app.state.world
    hold = execution.Hold(world, path.rpartition("/")[2], execution.LEASE)
    await hold.take()
    events = progress.stream(world.database, hold.run_id, closing=asyncio.Event(), life=4, keep_alive=1.5)
    assert (await anext(events)).startswith("retry: ")
    assert '"phase":"starting"' in await anext(events)
    assert await anext(events) == ": still there\n\n"
    await hold.note(Progress(phase="spooling", rows=7, bytes=70))
    changed = read(await anext(events))[0]
    assert json.loads(changed["data"]) | {"reason": 0} == {
        "status": "spooling", "phase": "spooling", "rows": 7, "bytes": 70, "reason": 0,
    }  # fmt: skip
    assert world.database.orm.pool.checkedout() == world.database.autocommit.pool.checkedout() == 0
    assert [one async for one in events][-1:] in ([], [": still there\n\n"]), "its life is over, the run's is not"


async def test_a_stream_ends_when_the_server_is_to_stop(path: str, app: FastAPI, olive: Client) -> None:
    watching = asyncio.ensure_future(olive.get(f"{path}/progress"))
    await asyncio.sleep(0.1)
    assert not watching.done()
    app.state.closing.set()
    answer = await asyncio.wait_for(watching, 2)
    assert [one.get("event") for one in read(answer.text)] == [None, "progress"]


async def test_only_those_who_may_see_a_run_watch_it(path: str, ada: Client) -> None:
    assert (await ada.get(f"{path}/progress")).status_code == 404
