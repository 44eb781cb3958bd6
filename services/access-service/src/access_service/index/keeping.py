"""Keeping the index: following the database's notifications, and saying whether it may be trusted now.

Triggers tell the channel what a committed transaction changed (migration access_0003), whoever changed it. A process
sends itself a ping by the same channel four times a second: PostgreSQL delivers in the order of commits, so a ping that
came back proves that all before it was heard. No ping back for `TRUSTED`: nobody is answered from here.

It has two connections of its own, one to hear, one to read and ping, and a third while it reads all of it. From a pool
it would have to wait for those whom SQL answers while it may not be trusted: there would be ever more of them, and it
would never be trusted again.
"""

import asyncio
import gc
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from sqlalchemy.exc import SQLAlchemyError

from access_service.index import loading
from access_service.index.deciding import Index
from lodge_kit import logs
from lodge_kit.clock import Clock
from lodge_kit.database import CONNECT_WAIT, Database

log = logs.logger(__name__)

CHANNEL = "lodge_index"
EVERYTHING = "*"
"""Too much changed to name it: all is read anew."""
MODEL = "model"
TRUSTED = 1.0
"""Seconds since the last ping that came back was sent: no decision from the index is of rows older than that."""
PING = 0.25
SILENCE = 5.0
"""Seconds without any notification after which the connection is taken for dead."""
_RETRY = 1.0
_LAST = 5.0
"""Seconds that a reading has to finish when the process stops."""
_NOTIFY = "SELECT pg_notify(%s, %s)"


class Keeper:
    """Keeps the index of one process."""

    def __init__(self, database: Database, *, listen_url: str | None, clock: Clock) -> None:
        self._listen_url = listen_url or database.dsn
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._index: Index | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._reading = asyncio.Lock()
        self._sent: dict[int, float] = {}
        self._number = 0
        self._wanted = 0
        """The ping that must have come back: nothing that this process wrote may be missing."""
        self._proved = 0.0
        """When the last ping that came back was sent."""
        self._echoed = 0
        self.builds = 0
        self.build_seconds = 0.0

    async def open(self) -> None:
        """Begin to keep it."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End, between two readings."""
        if self._keeping is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST), self._reading:
                    self._keeping.cancel()
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    def current(self, at: datetime) -> Index | None:
        """Answer the index if it may be trusted for a decision at this instant."""
        index = self._index
        if index is None or self._echoed < self._wanted or at < index.at:
            return None
        return index if time.monotonic() - self._proved < TRUSTED else None

    def unsettle(self) -> None:
        """Trust nothing until all that was committed before this call was heard: this process itself wrote."""
        self._wanted = self._number + 1
        self._wake.set()

    async def _keep(self) -> None:
        while True:
            try:
                await self._follow()
            except* (psycopg.Error, SQLAlchemyError, OSError, TimeoutError) as failed:
                reasons = sorted({type(error).__name__ for error in _flat(failed)})
                log.warning("the index of decisions is away; SQL answers", reasons=reasons)
            finally:
                self._index = None
            await asyncio.sleep(_RETRY)

    async def _follow(self) -> None:
        async with await self._connected() as listening, await self._connected() as reading:
            await listening.execute(f"LISTEN {CHANNEL}")  # before the first reading: nothing falls in between
            await self._build(reading)
            self._sent.clear()
            self.unsettle()  # pings of before were not heard
            heard: asyncio.Queue[str] = asyncio.Queue()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hear(listening, heard))
                tasks.create_task(self._ping(reading))
                tasks.create_task(self._apply(reading, heard))

    async def _connected(self) -> AsyncConnection[TupleRow]:
        return await AsyncConnection.connect(
            self._listen_url, autocommit=True, connect_timeout=CONNECT_WAIT, application_name="access index",
            options="-c timezone=UTC",
        )  # fmt: skip

    async def _build(self, reading: AsyncConnection[TupleRow]) -> None:
        self._index = None
        began = time.perf_counter()
        async with await self._connected() as beside, self._reading, loading.snapshot(reading, beside):
            index = await loading.whole(reading, beside, at=self._clock())
        gc.freeze()  # a million objects that hold no circle: the collector need not walk them
        self.builds, self.build_seconds = self.builds + 1, time.perf_counter() - began
        log.info("the index of decisions was built", subjects=len(index.subjects), seconds=round(self.build_seconds, 2))
        self._index = index

    async def _hear(self, listening: AsyncConnection[TupleRow], heard: asyncio.Queue[str]) -> None:
        while True:
            silent = True
            async for notice in listening.notifies(timeout=SILENCE):
                silent = False
                heard.put_nowait(notice.payload)
            if silent:
                raise TimeoutError("no ping came back")

    async def _ping(self, reading: AsyncConnection[TupleRow]) -> None:
        while True:
            self._wake.clear()
            self._number += 1
            self._sent[self._number] = time.monotonic()
            payload = f"ping {self._me} {self._number}"
            async with self._reading:
                await reading.execute(_NOTIFY, [CHANNEL, payload])
            with suppress(TimeoutError):
                async with asyncio.timeout(PING):
                    await self._wake.wait()

    async def _apply(self, reading: AsyncConnection[TupleRow], heard: asyncio.Queue[str]) -> None:
        while True:
            batch = [await heard.get()]
            while not heard.empty():
                batch.append(heard.get_nowait())
            changed = {payload for payload in batch if not payload.startswith("ping ")}
            if EVERYTHING in changed:
                await self._build(reading)
            elif changed and self._index is not None:
                async with self._reading, loading.snapshot(reading):
                    await loading.refresh(reading, self._index, changed)
            # Only now: a ping proves nothing before what came ahead of it is in the index.
            for payload in batch:
                self._note(payload)

    def _note(self, payload: str) -> None:
        _, _, ping = payload.partition("ping ")
        who, _, number = ping.partition(" ")
        # One from before the connections were made anew proves nothing, and is not among those that were sent.
        if who == self._me and int(number) in self._sent:
            self._echoed = int(number)
            self._proved = self._sent.pop(self._echoed)


def _flat(group: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error)
        else:
            yield error
