"""The progress of a run as server-sent events (WHATWG HTML, 9.2).

A stream lives 20 s and then ends with a hint when to come back: the client's next call goes through the gateway and is
authorised anew, so that nobody whose right was taken away goes on watching. While it waits it holds no connection.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from enquiry_service import runs
from enquiry_service.tables import Run
from lodge_kit.database import Database

LIFE = 20.0
"""Seconds: ARCHITECTURE's bound within which a right that was taken away ends."""
KEEP_ALIVE = 5.0
LOOK = 1.0
_COME_BACK = 500
"""Milliseconds after which a client opens the next stream."""


class At(BaseModel):
    """Where a run is: the data of each event."""

    status: str
    phase: str | None
    rows: int
    bytes: int
    reason: str | None


async def stream(
    database: Database, run_id: str, *, closing: asyncio.Event, life: float = LIFE, keep_alive: float = KEEP_ALIVE
) -> AsyncIterator[str]:
    """Tell each change of a run as `progress`, its end as `end`; a comment when nothing happens for a while."""
    began = told = time.monotonic()
    last: At | None = None
    yield f"retry: {_COME_BACK}\n\n"
    while not closing.is_set():
        found = await _look(database, run_id)
        if found is not None and found[1] != last:
            version, last = found
            has_ended = last.status not in runs.UNDER_WAY
            yield f"id: {version}\nevent: {'end' if has_ended else 'progress'}\ndata: {last.model_dump_json()}\n\n"
            if has_ended:
                return
            told = time.monotonic()
        elif time.monotonic() - told >= keep_alive:
            yield ": still there\n\n"
            told = time.monotonic()
        if time.monotonic() - began >= life:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), min(LOOK, life))


async def _look(database: Database, run_id: str) -> tuple[int, At] | None:
    """Read where the run is; None while our database cannot say."""
    at = select(*(col(getattr(Run, name)) for name in ("version", *At.model_fields))).where(col(Run.id) == run_id)
    try:
        async with database.autocommit.connect() as connection:
            row = (await connection.execute(at)).one_or_none()
    except SQLAlchemyError:
        return None
    return (row.version, At.model_validate(row._mapping)) if row else None  # noqa: SLF001 - SQLAlchemy's documented name
