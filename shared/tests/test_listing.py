"""The laws of a list: every row once, in order, whatever the limit, in JSON as in CSV."""

import asyncio
import base64
import csv
import io
import json
import tracemalloc
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import delete, insert, text
from starlette.types import ASGIApp, Message

from lodge_kit import database
from lodge_kit.listing import preferred
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
WHEN = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
SLIPS = st.lists(
    st.tuples(st.one_of(TEXT, st.sampled_from(["a", "A", "ä", "aa"])), st.integers(-3, 3), WHEN), max_size=25
)


async def replaced(desk: Any, rows: list[tuple[str, int, datetime]]) -> list[dict[str, Any]]:
    made = [
        {
            "id": f"slp_{number:03}", "text": words, "number": count, "created_at": at, "updated_at": at, "version": 1,
        }
        for number, (words, count, at) in enumerate(rows)
    ]  # fmt: skip
    async with desk.world.database.transaction() as session:
        await session.execute(delete(desk.slip))
        if made:
            await session.execute(insert(desk.slip), made)
    return made


async def pages(clerk: Client, query: str) -> list[dict[str, Any]]:
    """Follow the `Link` headers to the end."""
    found: list[dict[str, Any]] = []
    here: str | None = f"/desk/v1/slips?{query}"
    while here:
        answer = await clerk.get(here)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        here = answer.links.get("next", {}).get("url")
        assert (here is None) == (answer.json()["next_cursor"] is None)
    return found


def test_paging_returns_every_row_once_and_in_order(make_desk: Callable[..., Any], issuer: Issuer) -> None:
    with anyio.from_thread.start_blocking_portal() as portal:
        desk = portal.call(_made, make_desk)
        opened = desk.opened(issuer)
        clerk = portal.call(opened.__aenter__)

        @given(rows=SLIPS, limit=st.integers(1, 7), sort=st.sampled_from(["text", "number", "created_at"]))
        @examples(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def law(rows: list[tuple[str, int, datetime]], limit: int, sort: str) -> None:
            portal.call(_holds, desk, clerk, rows, limit, sort)

        law()
        portal.call(opened.__aexit__, None, None, None)


async def _made(make_desk: Callable[..., Any]) -> Any:
    return make_desk()


async def _holds(desk: Any, clerk: Client, rows: list[tuple[str, int, datetime]], limit: int, sort: str) -> None:
    made = await replaced(desk, rows)
    rising = await pages(clerk, f"sort={sort}&limit={limit}")
    falling = await pages(clerk, f"sort=-{sort}&limit={limit}")
    assert sorted(one["id"] for one in rising) == [one["id"] for one in made]
    assert [one["id"] for one in falling] == [one["id"] for one in rising][::-1]
    if sort != "text":  # texts sort as the database's collation has it
        keys = [(one["created_at"] if sort == "created_at" else one["number"], one["id"]) for one in rising]
        by_id = {one["id"]: one for one in made}
        assert [key[1] for key in keys] == sorted(by_id, key=lambda one: (by_id[one][sort], one))
    table = await clerk.get(f"/desk/v1/slips?sort={sort}", headers={"Accept": "text/csv"})
    read = list(csv.DictReader(io.StringIO(table.content.decode(), newline="")))
    assert [(row["id"], int(row["number"]), row["created_at"]) for row in read] == [
        (one["id"], one["number"], one["created_at"]) for one in rising
    ]
    counted = (await clerk.get("/desk/v1/slips?count=true&limit=1")).json()
    assert (counted["count"], counted["count_exact"]) == (len(made), True)


async def test_rows_that_come_in_while_one_pages_are_neither_doubled_nor_lost(clerk: Client) -> None:
    for number in range(6):
        await clerk.made("/desk/v1/slips", text=f"{number}0")
    first = (await clerk.get("/desk/v1/slips?sort=text&limit=2")).json()
    for words in ("05", "15", "99"):
        await clerk.made("/desk/v1/slips", text=words)
    rest = await pages(clerk, f"sort=text&limit=2&cursor={first['next_cursor']}")
    assert [one["text"] for one in first["items"] + rest] == ["00", "10", "15", "20", "30", "40", "50", "99"]


async def test_a_count_ends_at_a_thousand(clerk: Client, desk: Any) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await replaced(desk, [("x", 0, at)] * 1_001)
    found = (await clerk.get("/desk/v1/slips?count=true")).json()
    assert (found["count"], found["count_exact"], len(found["items"])) == (1_000, False, 50)
    assert "count" not in (await clerk.get("/desk/v1/slips")).json()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("50%", ["50% done"]), ("50_", ["50_done"]), ("%", ["50% done"]), ("_", ["50_done"]), ("\\", ["back\\slash"]),
        ("done 50", ["50% done", "50 done", "50_done"]), ("DONE", ["50% done", "50 done", "50_done"]), ("", None),
        ("ZÜRICH", ["Zürich"]), ("/", ["a/b"]), ("'; DROP", []),
    ],
)  # fmt: skip
async def test_words_are_found_as_they_are_written(
    clerk: Client, desk: Any, asked: str, found: list[str] | None
) -> None:
    texts = ["50% done", "50 done", "50_done", "back\\slash", "Zürich", "a/b"]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await replaced(desk, [(words, 0, at) for words in texts])
    items = (await clerk.get("/desk/v1/slips", params={"q": asked})).json()["items"]
    assert sorted(one["text"] for one in items) == sorted(texts if found is None else found)


async def test_the_link_keeps_the_filter(clerk: Client) -> None:
    for number in range(4):
        await clerk.made("/desk/v1/slips", text=f"a&b {number}", number=1)
    answer = await clerk.get("/desk/v1/slips", params={"q": "a&b", "number": 1, "limit": 3})
    following = await clerk.get(answer.links["next"]["url"])
    assert [one["text"] for one in following.json()["items"]] == ["a&b 3"]


def _cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


async def test_a_made_up_cursor_is_refused(clerk: Client) -> None:
    for _ in range(2):
        await clerk.made("/desk/v1/slips", text="x")
    good = (await clerk.get("/desk/v1/slips?limit=1&sort=number")).json()["next_cursor"]
    mark = json.loads(base64.urlsafe_b64decode(good + "=="))[2]
    wrong = ["x", "é", "AAAA", _cursor(), _cursor(1, 2, mark), _cursor("x", "slp_1", mark), _cursor(None, "a", mark),
             _cursor({"a": 1}, "a", mark), _cursor(2**70, "slp_1", mark), good[:-4],
             _cursor(1, "a\0", mark)]  # fmt: skip
    for cursor in wrong:
        answer = await clerk.get("/desk/v1/slips", params={"limit": 1, "sort": "number", "cursor": cursor})
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), cursor
    for query in ("limit=0", "limit=201", "limit=x", "sort=-id", "sort=version", "count=maybe"):
        assert (await clerk.get(f"/desk/v1/slips?{query}")).status_code == 422, query


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"), ("*/*", "json"), ("text/csv", "csv"), ("application/json", "json"),
        ("text/csv, application/json", "csv"), ("application/json, text/csv", "json"),
        ("application/json;q=0.5, text/csv", "csv"), ("text/csv;q=0.1, application/json", "json"),
        ("text/html, text/csv;q=0.9, */*;q=0.1", "csv"), ("TEXT/CSV", "csv"), ("text/csv;q=0", "json"),
        ("text/csv; charset=utf-8", "csv"), ("application/x-ndjson", "ndjson"),
        ("text/csv;q=0.5, application/x-ndjson;q=0.6, application/json;q=0.4", "ndjson"),
        ("application/x-ndjson;q=0", "json"),
    ],
)  # fmt: skip
def test_accept_is_weighed(accept: str, form: str) -> None:
    assert preferred(accept) == form


async def test_a_list_as_lines_has_every_item_just_as_its_pages_have_it(clerk: Client, desk: Any) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await replaced(desk, [(words, 7, at) for words in ["a", "b\nc", "ü\u2028", *["x" * 500] * 400]])
    answer = await clerk.get("/desk/v1/slips?sort=text", headers={"Accept": "application/x-ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="slips.ndjson"'
    assert answer.headers["vary"] == "Accept"
    *lines, end = answer.content.split(b"\n")
    assert end == b""
    assert [json.loads(line) for line in lines] == await pages(clerk, "sort=text&limit=200")


async def test_a_list_without_an_item_has_no_lines(clerk: Client) -> None:
    answer = await clerk.get("/desk/v1/slips", headers={"Accept": "application/x-ndjson"})
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("form", ["text/csv", "application/x-ndjson"])
async def test_a_reader_who_leaves_half_way_holds_no_connection(clerk: Client, desk: Any, form: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    await replaced(desk, [("x" * 1_000, 0, at)] * 2_000)
    for _ in range(12):  # more than the pool has
        async with clerk.http.stream(
            "GET",
            "/desk/v1/slips",
            headers=clerk._headers | {"Accept": form},  # noqa: SLF001 - httpx streams
        ) as answer:
            assert answer.status_code == 200
    await asyncio.sleep(0)
    assert (await clerk.get("/desk/v1/slips?limit=1")).status_code == 200


async def drained(app: ASGIApp, path: str, headers: dict[str, str]) -> int:
    """Read an answer and keep nothing of it; answers its length. httpx would gather it."""
    length = 0

    async def send(message: Message) -> None:
        nonlocal length
        length += len(message.get("body", b""))

    asked: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return asked.pop() if asked else await asyncio.get_running_loop().create_future()

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": raw,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    await app(scope, receive, send)
    return length


@pytest.mark.parametrize("form", ["text/csv", "application/x-ndjson"])
async def test_a_stream_takes_no_more_memory_the_longer_it_is(clerk: Client, desk: Any, form: str) -> None:
    headers = {"Accept": form, **clerk.headers}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    peaks = []
    for many in (5_000, 15_000):
        await replaced(desk, [("x" * 1_000, 0, at)] * many)
        await drained(desk.app, "/desk/v1/slips", headers)  # what is kept for later calls is kept now
        tracemalloc.start()
        try:
            assert await drained(desk.app, "/desk/v1/slips", headers) > many * 1_000
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 3_000_000, peaks  # of ten million characters more


async def test_slow_readers_keep_only_each_other_waiting(
    make_desk: Callable[..., Any], issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "POOL_WAIT", 0.1)
    desk, table = make_desk(), {"Accept": "text/csv"}
    async with desk.opened(issuer) as clerk:
        async with AsyncExitStack() as slow:
            for _ in range(3):
                session = await slow.enter_async_context(desk.world.database.reading())
                await session.execute(text("SELECT 1"))
            assert (await clerk.get("/desk/v1/slips")).status_code == 200
            assert (await clerk.get("/desk/v1/slips", headers=table)).status_code == 503
        assert (await clerk.get("/desk/v1/slips", headers=table)).status_code == 200
