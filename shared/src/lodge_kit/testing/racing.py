"""Calls that race: all have read what they change before any of them may write it."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import httpx
import psycopg
from psycopg import sql

from lodge_kit.testing.waiting import until

Call = Coroutine[Any, Any, httpx.Response]
"""A call that is not yet made."""

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def at_once(dsn: str, table: str, *calls: Call) -> Sequence[httpx.Response]:
    """Make calls that write to `table`: none is let through before each of them waits for another, or has ended."""
    async with (
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watch,
        await psycopg.AsyncConnection.connect(dsn) as gate,
    ):
        await gate.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(table)))
        running = [asyncio.create_task(one) for one in calls]

        async def all_wait() -> bool:
            (waiting,) = await (await watch.execute(_WAITING)).fetchone() or (0,)
            return int(waiting) >= sum(not one.done() for one in running)

        try:
            await until(all_wait)
        finally:
            await gate.rollback()
        return await asyncio.gather(*running)
