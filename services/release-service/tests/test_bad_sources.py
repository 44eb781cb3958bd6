"""Sources that fail: the source shows the reason, and nothing else breaks."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

OFFICER = "per_01J00000000000000000000FFC"
Work = Callable[[], Awaitable[None]]
GOOD = (
    b'<rss version="2.0"><channel><title>News</title><item><title>Records 9.7.1</title>'
    b"<pubDate>Tue, 14 Apr 2026 10:00:00 GMT</pubDate></item></channel></rss>"
)


async def product(officer: Client) -> str:
    supplier = await officer.made("/release/v1/suppliers", name="Meridian")
    made = await officer.made("/release/v1/products", supplier=supplier["id"], name="Campus Records", owner=OFFICER)
    return str(made["id"])


async def after_a_check(officer: Client, work: Work, url: str) -> dict[str, Any]:
    """Watch `url` beside a good source; answer how it stands after its first check."""
    source = await officer.made("/release/v1/sources", product=await product(officer), url=url)
    await work()
    found: dict[str, Any] = (await officer.get(f"/release/v1/sources/{source['id']}")).json()
    assert found["state"] == "failing"
    assert found["failures"] == 1
    assert found["failing_since"] == found["last_checked_at"]
    assert found["next_check_at"] > found["last_checked_at"]
    assert found["last_ok_at"] is None
    assert (await officer.get("/release/v1/releases")).json()["items"] == []
    return found


async def test_what_is_no_xml_is_said_to_be_none(officer: Client, supplier: Any, work: Work) -> None:
    supplier.shows("/page", b"<!doctype html><title>Releases</title>", kind="text/html")
    assert "HTML page" in (await after_a_check(officer, work, supplier.url("/page")))["last_error"]


@pytest.mark.parametrize("body", [b"PK\x03\x04\x00\x00", b"\x00" * 500, b'{"releases": []}', b"  "])
async def test_other_things_than_feeds_are_refused(officer: Client, supplier: Any, work: Work, body: bytes) -> None:
    supplier.shows("/thing", body)
    assert (await after_a_check(officer, work, supplier.url("/thing")))["last_error"].endswith(".")


async def test_fifty_megabytes_are_not_read_to_the_end(officer: Client, supplier: Any, work: Work) -> None:
    sent = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionResetError):
            for _ in range(50):
                await response.write(b"<!-- -->" * 125_000)
                sent += 1
        return response

    supplier.pages["/huge"] = endless
    found = await after_a_check(officer, work, supplier.url("/huge"))
    assert "20,000,000 bytes" in found["last_error"]
    assert sent < 50


@pytest.mark.parametrize("fetch_seconds", [0.3])
async def test_one_that_hangs_is_given_up(officer: Client, supplier: Any, work: Work) -> None:
    leave = asyncio.Event()

    async def hangs(_request: web.BaseRequest) -> web.StreamResponse:
        await leave.wait()
        return web.Response()

    supplier.pages["/hangs"] = hangs
    found = await after_a_check(officer, work, supplier.url("/hangs"))
    leave.set()
    assert "did not answer in full within 0.3 s" in found["last_error"]


@pytest.mark.parametrize("target", ["http://10.0.0.8/feed", "http://169.254.169.254/latest/", "http://127.0.0.1:1/x"])
async def test_a_redirect_to_a_private_address_is_refused(
    officer: Client, supplier: Any, work: Work, target: str
) -> None:
    async def moved(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    supplier.pages["/moved"] = moved
    found = await after_a_check(officer, work, supplier.url("/moved"))
    assert "redirects" in found["last_error"]
    assert target.split("/")[2].split(":", maxsplit=1)[0] in found["last_error"]


async def test_a_redirect_to_an_allowed_address_is_followed(officer: Client, supplier: Any, work: Work) -> None:
    async def moved(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=301, headers={"Location": "/good"})

    supplier.pages["/moved"] = moved
    supplier.shows("/good", GOOD)
    await officer.made("/release/v1/sources", product=await product(officer), url=supplier.url("/moved"))
    await work()
    assert len((await officer.get("/release/v1/releases")).json()["items"]) == 1


async def test_a_supplier_that_asks_us_to_wait_is_left_alone(officer: Client, supplier: Any, work: Work) -> None:
    async def busy(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": "36000"})

    supplier.pages["/busy"] = busy
    found = await after_a_check(officer, work, supplier.url("/busy"))
    assert "503" in found["last_error"]
    pause = datetime.fromisoformat(found["next_check_at"]) - datetime.fromisoformat(found["last_checked_at"])
    assert pause >= timedelta(hours=10)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:1/feed", "address-refused"),
        ("http://10.1.2.3/feed", "address-refused"),
        ("file:///etc/passwd", "address-refused"),
        ("http://user:secret@supplier.example/", "address-refused"),
        ("https://no-such-host.invalid/feed", "address-unresolved"),
    ],
)
async def test_an_address_that_is_never_called_is_not_registered(officer: Client, url: str, code: str) -> None:
    body = {"product": await product(officer), "url": url}
    answer = await officer.post("/release/v1/sources", json=body)
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [("/url", code)]
    assert "secret" not in answer.text


async def test_one_bad_source_does_not_hold_up_a_good_one(officer: Client, supplier: Any, work: Work) -> None:
    supplier.shows("/bad", b"\xff\xfe<feed>")
    supplier.shows("/good", GOOD)
    of = await product(officer)
    for path in ("/bad", "/missing", "/good"):
        await officer.made("/release/v1/sources", product=of, url=supplier.url(path))
    await work()
    items = (await officer.get("/release/v1/sources?sort=url")).json()["items"]
    assert [one["state"] for one in items] == ["failing", "healthy", "failing"]
    assert "404" in items[2]["last_error"]
    failing = (await officer.get("/release/v1/sources?state=failing&count=true")).json()
    assert failing["count"] == 2


async def test_a_source_that_fails_for_a_day_tells_its_owner_once_and_says_when_it_is_well(
    officer: Client, supplier: Any, work: Work, clock: Any
) -> None:
    supplier.shows("/feed", GOOD)
    source = await officer.made("/release/v1/sources", product=await product(officer), url=supplier.url("/feed"))
    await work()
    del supplier.pages["/feed"]

    async def after(pause: timedelta) -> list[str]:
        clock.ahead += pause
        await officer.post(f"/release/v1/sources/{source['id']}/check")
        await work()
        tasks = (await officer.get("/release/v1/tasks?for=me")).json()["items"]
        return [one["event_type"] for one in tasks if one["event_type"].startswith("source")]

    assert await after(timedelta()) == []
    assert await after(timedelta(hours=23)) == []
    assert await after(timedelta(hours=1)) == ["source.failing"]
    assert await after(timedelta(hours=5)) == ["source.failing"]
    found = (await officer.get(f"/release/v1/sources/{source['id']}")).json()
    assert (found["failures"], found["state"]) == (4, "failing")
    supplier.shows("/feed", GOOD)
    assert await after(timedelta(hours=1)) == []
    found = (await officer.get(f"/release/v1/sources/{source['id']}")).json()
    assert (found["state"], found["last_error"], found["failing_since"]) == ("healthy", None, None)
