"""Decisions as they were made, with their paths: all of them, or a sample by setting.

They are written by a task in the process, in batches, at most a second after the answer: no answer waits for its
record. While the database is away they wait, up to `MOST_WAITING`; what comes then is dropped and counted.
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import delete, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service.decisions import Reader
from access_service.judging import Decision, Path, Question
from access_service.tables import DecisionRecord, System
from lodge_kit import context, ids, logs
from lodge_kit.database import Database
from lodge_kit.identity import Caller

log = logs.logger(__name__)

MOST_WAITING = 20_000
_BATCH = 500
_GATHERED = 0.5
"""Seconds in which records come together before they are written."""
_RETRY = 2.0
_LAST = 5.0
"""Seconds that the last records have when the process stops."""
_LONGEST = 1_000
"""Characters that are kept of what was asked."""

_NEWEST = text("SELECT max(id) FROM audit_event")


async def state_of(reader: Reader) -> str:
    """Answer the newest audited deed that can be seen: a decision made after this knows of it and all before it."""
    return (await reader.execute(_NEWEST)).scalar() or "none"


class Recorder(Collector):
    """Takes a share of the decisions and writes them; open it for as long as decisions are made."""

    def __init__(self, database: Database, *, share: float) -> None:
        self._database = database
        self._share = share
        self._waiting: deque[dict[str, Any]] = deque()
        self._some = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self.written = 0
        self.dropped = 0

    def takes(self) -> bool:
        """Say whether the next decision is one that is recorded."""
        return self._share > 0 and (self._share >= 1 or random.random() < self._share)  # noqa: S311 - a sample

    def note(
        self, decision: Decision, question: Question, *, id: str | None, by: Caller, model: str, at: datetime,  # noqa: A002 - the record's
    ) -> None:  # fmt: skip
        """Have a decision written. `model` is what `state_of` answered before it was made."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(
            {
                "id": id or new_id(), "at": at, "asked_by": by.id, "client_id": by.client_id,
                "subject": decision.subject or question.subject[:_LONGEST], "action": question.action[:_LONGEST],
                "resource_type": question.resource_type[:_LONGEST], "resource_id": question.resource[:_LONGEST],
                "system_id": decision.path.system if decision.path else question.system, "decision": decision.permit,
                "reason": decision.reason.value, "path": _written(decision.path), "model": model,
                "request_id": context.request_id(),
            }
        )  # fmt: skip
        self._some.set()

    async def open(self) -> None:
        """Begin to write."""
        self._writing = asyncio.create_task(self._write_on())

    async def close(self) -> None:
        """Write what is left, and end."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        try:
            async with asyncio.timeout(_LAST):
                while self._waiting:
                    await self._write()
        except (SQLAlchemyError, OSError, TimeoutError) as failed:
            self.dropped += len(self._waiting)
            log.warning("decision records were lost", count=len(self._waiting), reason=type(failed).__name__)

    def collect(self) -> Iterator[Metric]:
        """Answer the numbers that an operator watches."""
        for name, told, value in (
            ("written", "Decision records written.", self.written),
            ("dropped", "Decision records dropped: more came than could be written.", self.dropped),
        ):
            yield CounterMetricFamily(f"lodge_access_decision_records_{name}", told, value)

    async def _write_on(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(_GATHERED)
            try:
                while self._waiting:
                    await self._write()
                self._some.clear()
            except (SQLAlchemyError, OSError) as error:
                log.warning("decision records wait for the database", reason=type(error).__name__)
                await asyncio.sleep(_RETRY)

    async def _write(self) -> None:
        batch = [self._waiting[place] for place in range(min(_BATCH, len(self._waiting)))]
        async with self._database.transaction() as session:
            systems = await _systems(session, {row["system_id"] for row in batch})
            rows = [row | {"system_id": systems.get(row["system_id"])} for row in batch]
            # One that stopped half-way may have been written: the same id is the same record.
            await session.execute(insert(DecisionRecord).on_conflict_do_nothing(), rows)
        for _ in batch:  # only now: what was not written is tried again
            self._waiting.popleft()
        self.written += len(batch)


new_id = ids.Series("dec").new
"""Makes the id of a decision, which is its record's where it is recorded."""


async def _systems(session: AsyncSession, named: set[str | None]) -> dict[str | None, str]:
    """Answer the ids of systems by what questions named them by: an id, or a key."""
    texts = [name for name in named if name and "\0" not in name]
    found = await session.execute(
        select(col(System.id), col(System.key)).where(or_(col(System.id).in_(texts), col(System.key).in_(texts)))
    )
    return {name: row.id for row in found for name in (row.id, row.key)}


def _written(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    condition = path.condition and {"holds": path.condition.holds, "error": path.condition.error}
    return {
        "grant": path.grant, "group": path.group, "roles": list(path.roles), "permission": path.permission,
        "condition": condition,
    }  # fmt: skip


async def forget(session: AsyncSession, *, before: datetime) -> None:
    """Remove the records of decisions that were made before this instant."""
    await session.execute(delete(DecisionRecord).where(col(DecisionRecord.at) < before))
