"""The disposable process that reads feeds."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from release_service.entries import LARGEST_BODY, NotAFeed
from release_service.reading import Reader

pytestmark = pytest.mark.anyio

GOOD = (
    b'<rss version="2.0"><channel><item><title>Records 9.7.1</title>'
    b"<pubDate>Tue, 14 Apr 2026 10:00:00 GMT</pubDate></item></channel></rss>"
)
# feedparser's pattern for addresses backtracks on this: quadratic in its length.
SLOW = b'<rss version="2.0"><channel><item><author>a@' + b"a." * 200_000 + b"!</author></item></channel></rss>"


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    async with Reader() as reader:
        yield reader


async def test_a_child_reads_what_we_would_read(reader: Reader) -> None:
    feed = await reader.read(GOOD, content_type="application/rss+xml", url="https://s.example/feed")
    [entry] = feed.entries
    assert entry.version_text == "9.7.1"
    assert entry.published is not None
    assert entry.published.isoformat() == "2026-04-14T10:00:00+00:00"


async def test_what_is_no_feed_comes_back_as_the_same_sentence(reader: Reader) -> None:
    with pytest.raises(NotAFeed, match="HTML page"):
        await reader.read(b"<html></html>")
    with pytest.raises(NotAFeed, match="larger than"):
        await reader.read(b"<rss>".ljust(LARGEST_BODY + 1))


async def test_a_feed_that_takes_too_long_costs_its_child_only(reader: Reader) -> None:
    await reader.read(GOOD)
    before = time.monotonic()
    with pytest.raises(NotAFeed, match="longer than 1 s"):
        await reader.read(SLOW, timeout=1)
    assert time.monotonic() - before < 5
    assert len((await reader.read(GOOD)).entries) == 1


async def test_a_child_that_was_killed_is_replaced(reader: Reader) -> None:
    await reader.read(GOOD)
    assert reader.process_id is not None
    os.kill(reader.process_id, signal.SIGKILL)
    for _ in range(2):  # the first may find it dying
        try:
            feed = await reader.read(GOOD)
            break
        except NotAFeed:
            continue
    assert len(feed.entries) == 1


async def test_a_reading_that_was_given_up_does_not_answer_the_next_one(reader: Reader) -> None:
    await reader.read(GOOD)
    given_up = asyncio.create_task(reader.read(SLOW))
    await asyncio.sleep(0.1)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert len((await reader.read(GOOD)).entries) == 1


async def test_many_ask_at_once_and_each_gets_its_own(reader: Reader) -> None:
    bodies = [GOOD.replace(b"9.7.1", f"9.7.{n}".encode()) for n in range(10)]
    read = await asyncio.gather(*(reader.read(body) for body in bodies))
    assert [feed.entries[0].version_text for feed in read] == [f"9.7.{n}" for n in range(10)]


async def test_closing_twice_is_closing() -> None:
    reader = Reader()
    await reader.read(GOOD)
    await reader.close()
    await reader.close()
