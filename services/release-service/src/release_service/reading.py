"""A process that reads feeds for us, and may be lost: a hostile feed costs a child, never the worker.

The child has limits on memory, files and, for each feed, time (an alarm that its kernel rings, should we be gone). It
serves many feeds, since starting one takes longer than reading most, and is replaced when it fails or has grown old.
Run as `python -m release_service.reading` it is that child: per feed a line of JSON and the body in, a line out.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, BinaryIO, Self

from release_service.entries import LARGEST_BODY, Feed, FeedEntry, NotAFeed

_MEMORY = 1 << 30
_OPEN_FILES = 16
_FEEDS_A_CHILD = 200
_LARGEST_ANSWER = 256 * 1024 * 1024
_GRACE = 1
_NICENESS = 5


class Reader:
    """Reads one feed at a time, each within a time limit. Use as `async with Reader() as reader`."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._served = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def process_id(self) -> int | None:
        """The child's, while there is one."""
        return None if self._child is None else self._child.pid

    async def close(self) -> None:
        """End the child. A later `read` starts another."""
        child, self._child = self._child, None
        if child is None:
            return
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        if child.stdin is not None:
            child.stdin.close()

    async def read(
        self, body: bytes, *, content_type: str = "", url: str = "", pattern: str = "", timeout: float = 8
    ) -> Feed:
        """Do what `feeds.read` does, within `timeout` seconds. Raises `NotAFeed`, also for what takes too long."""
        if len(body) > LARGEST_BODY:
            raise NotAFeed(
                f"The feed is larger than {LARGEST_BODY // 1_000_000} MB. Ask the supplier for a shorter one."
            )
        order = {"content_type": content_type, "url": url, "pattern": pattern, "timeout": timeout, "size": len(body)}
        async with self._turn:
            try:
                async with asyncio.timeout(timeout):
                    answer = await self._asked(json.dumps(order).encode() + b"\n" + body)
            except TimeoutError:
                await self.close()
                raise NotAFeed(f"The feed takes longer than {timeout:g} s to read, and is not read.") from None
            except (OSError, EOFError, ValueError):
                await self.close()
                raise NotAFeed(
                    "The feed makes its reader fail (too much memory, most likely), and is not read."
                ) from None
            except BaseException:  # cancelled between question and answer: the next answer would be this one's
                await self.close()
                raise
        if "reason" in answer:
            raise NotAFeed(answer["reason"])
        return _feed(answer)

    async def _asked(self, order: bytes) -> dict[str, Any]:
        if self._child is None or self._child.returncode is not None or self._served >= _FEEDS_A_CHILD:
            await self.close()
            self._served = 0
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "release_service.reading",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LARGEST_ANSWER,
                start_new_session=True,
            )
        self._served += 1
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise EOFError
        child.stdin.write(order)
        await child.stdin.drain()
        line = await child.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer


def _feed(answer: dict[str, Any]) -> Feed:
    entries = tuple(
        FeedEntry(guid, title, link, version_text, datetime.fromisoformat(published) if published else None, summary)
        for guid, title, link, version_text, published, summary in answer["entries"]
    )
    return Feed(answer["title"], entries, answer["defect"])


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Be the child: answer orders until there are no more."""
    from release_service.feeds import read  # noqa: PLC0415 - the parent needs none of it, and it is slow to import

    os.nice(_NICENESS)
    for limit, value in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS knows no limit on memory
            resource.setrlimit(limit, (value, value))
    while line := orders.readline():
        order = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, order["timeout"] + _GRACE)
        answers.write(json.dumps(_answer(read, orders.read(order["size"]), order)).encode() + b"\n")
        answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(read: Callable[..., Feed], body: bytes, order: dict[str, Any]) -> dict[str, Any]:
    try:
        feed = read(body, content_type=order["content_type"], url=order["url"], pattern=order["pattern"])
    except NotAFeed as why:
        return {"reason": str(why)}
    entries = [
        (
            entry.guid,
            entry.title,
            entry.link,
            entry.version_text,
            entry.published and entry.published.isoformat(),
            entry.summary,
        )
        for entry in feed.entries
    ]
    return {"title": feed.title, "entries": entries, "defect": feed.defect}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which ends us
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)
