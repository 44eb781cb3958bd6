"""The worker's half of webhooks: events get their place in order, then go out, signed, until they arrive.

Sequencing happens after commit and in one place, under an advisory lock: a number given at insert could commit out
of order, and a reader of `/events` would skip one. A delivery is leased by its `due_at` for longer than a try can
take; whoever dies with it loses the lease, and it is sent again under the same `webhook-id`.
"""

import asyncio
import json
import random
from collections import Counter as Tally
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import psycopg
from sqlalchemy import text
from standardwebhooks import Webhook

from lodge_kit import events, ids, logs, outbound
from lodge_kit.database import CONNECT_WAIT
from lodge_kit.world import World

log = logs.logger(__name__)

SCHEDULE = tuple(
    timedelta(seconds=s) for s in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)  # fmt: skip
"""How long after each failed try the next one is due: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""
PATIENCE = 15
"""Seconds a receiver has to answer."""
LEASE = timedelta(seconds=60)
FAREWELL = 5
"""Seconds that a courier told to stop gives to what is under way; what then is not done is sent again by another."""
AT_ONCE = 64
AT_ONCE_EACH = 16
"""So that an endpoint that hangs never takes all the places."""
KEPT_ANSWER = 2_048
GONE = 410

_SEQUENCE = text("""
    WITH fresh AS (
        SELECT id, row_number() OVER (ORDER BY id) AS n FROM event WHERE seq IS NULL ORDER BY id LIMIT 500
    ), base AS (
        UPDATE counter SET value = value + (SELECT count(*) FROM fresh)
        WHERE name = 'event' AND EXISTS (SELECT FROM fresh) RETURNING value
    ), numbered AS (
        UPDATE event SET seq = base.value - (SELECT count(*) FROM fresh) + fresh.n
        FROM fresh, base WHERE event.id = fresh.id RETURNING event.id, event.type, event.seq
    )
    SELECT n.id AS event_id, w.id AS endpoint_id FROM numbered n LEFT JOIN webhook_endpoint w
        ON w.state <> 'disabled' AND EXISTS (
            SELECT FROM unnest(w.event_types) AS p
            WHERE p = '*' OR p = n.type OR (p LIKE '%.*' AND starts_with(n.type, left(p, -1))))
    ORDER BY n.seq
""")

_CLAIM = text("""
    UPDATE delivery d SET due_at = now() + :lease FROM (
        SELECT mine.id FROM webhook_endpoint w CROSS JOIN LATERAL (
            SELECT id FROM delivery WHERE endpoint_id = w.id AND state = 'pending' AND due_at <= now()
            ORDER BY due_at LIMIT greatest(0, :each - coalesce((CAST(:busy AS jsonb) ->> w.id)::int, 0))
            FOR UPDATE SKIP LOCKED) AS mine
        WHERE w.state = 'active' LIMIT :most) AS mine, event e, webhook_endpoint w
    WHERE d.id = mine.id AND e.id = d.event_id AND w.id = d.endpoint_id
    RETURNING d.id, d.attempts, e.id AS event_id, e.body, e.traceparent, w.id AS endpoint_id, w.url, w.secret
""")


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one try."""

    delivery_id: str
    endpoint_id: str
    number: int
    at: datetime
    milliseconds: int
    status: int | None
    error: str | None
    answer: str
    retry_after: timedelta | None = None

    @property
    def delivered(self) -> bool:
        """Only 2xx is success; a redirect is not followed."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - the range of success

    def next_due(self, luck: float) -> timedelta | None:
        """Answer how long to wait for the next try, None when the schedule is used up. `luck` is in [0, 1)."""
        if self.number > len(SCHEDULE):
            return None
        planned = SCHEDULE[self.number - 1] * (0.9 + 0.2 * luck)
        return max(planned, self.retry_after) if self.retry_after else planned


async def sequence(world: World) -> int:
    """Give new events their numbers and make the deliveries they are due; answers how many events there were."""
    async with world.database.transaction() as session:
        got = await session.execute(text("SELECT pg_try_advisory_xact_lock(hashtextextended('lodge events', 0))"))
        if not got.scalar_one():
            return 0
        pairs = (await session.execute(_SEQUENCE)).all()
        wanted = [
            {"id": ids.new("dlv"), "event_id": p.event_id, "endpoint_id": p.endpoint_id} for p in pairs if p.endpoint_id
        ]
        if wanted:
            await session.execute(
                text(
                    "INSERT INTO delivery (id, event_id, endpoint_id, state, attempts, due_at, created_at)"
                    " VALUES (:id, :event_id, :endpoint_id, 'pending', 0, now(), now()) ON CONFLICT DO NOTHING"
                ),
                wanted,
            )
        return len({p.event_id for p in pairs})


class Courier:
    """Takes what is due and carries it out, many at once, until told to stop."""

    def __init__(self, world: World, *, schedule_luck: random.Random | None = None) -> None:
        self._world = world
        self._luck = schedule_luck or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._busy: Tally[str] = Tally()
        self._under_way: set[asyncio.Task[Try]] = set()

    async def run(self) -> None:
        """Deliver until cancelled: at each NOTIFY, and at least each second."""
        awake = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(awake))
                while True:
                    try:
                        more = await self.turn()
                    except Exception as error:  # noqa: BLE001 - the database may be away for a while: this must not end
                        log.warning("deliveries wait for the database", reason=type(error).__name__)
                        await asyncio.sleep(1)
                        continue
                    if not more:
                        await self._pause(awake)
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """Let what is under way end and note it: a receiver told twice at each restart would be told too often."""
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=FAREWELL)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._under_way -= late
        try:
            await self._note_what_is_done()
        except Exception as error:  # noqa: BLE001 - leaving anyway: the leases run out and it is sent again
            log.warning("deliveries could not be noted at the end", reason=type(error).__name__)

    async def drain(self) -> None:
        """Deliver until nothing more is due: what tests wait for."""
        while await self.turn() or self._under_way:
            if self._under_way:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def turn(self) -> bool:
        """Do one round: note what came back, sequence, claim, send. Answers whether there may be more at once."""
        await self._note_what_is_done()
        sequenced = await sequence(self._world)
        room = AT_ONCE - len(self._under_way)
        claimed = await self._claim(room) if room else []
        for row in claimed:
            self._busy[row.endpoint_id] += 1
            self._under_way.add(asyncio.create_task(self._send(row)))
        return bool(sequenced or claimed)

    async def _note_what_is_done(self) -> None:
        done = {task for task in self._under_way if task.done()}
        if done:
            await self._note([task.result() for task in done])
        self._under_way -= done  # not before: while the database is away they are kept

    async def _pause(self, awake: asyncio.Event) -> None:
        waker = asyncio.create_task(awake.wait())
        await asyncio.wait({waker, *self._under_way}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        waker.cancel()
        awake.clear()

    async def _listen(self, awake: asyncio.Event) -> None:
        settings = self._world.settings
        direct = settings.listen_url.get_secret_value() if settings.listen_url else self._world.database.dsn
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    direct, autocommit=True, connect_timeout=CONNECT_WAIT
                ) as connection:
                    await connection.execute(f"LISTEN {events.CHANNEL}")
                    async for _ in connection.notifies():
                        awake.set()
            except psycopg.Error:
                pass  # the turn each second goes on meanwhile
            await asyncio.sleep(1)

    async def _claim(self, room: int) -> list[Any]:
        async with self._world.database.autocommit.connect() as connection:
            asked = {"lease": LEASE, "each": AT_ONCE_EACH, "busy": json.dumps(self._busy), "most": room}
            return list((await connection.execute(_CLAIM, asked)).all())

    async def _send(self, row: Any) -> Try:
        at = datetime.now(UTC)
        started = asyncio.get_running_loop().time()
        status, error, answer, wait = None, None, "", None
        try:
            headers = signed(self._world.sealer.open(row.secret), row.event_id, row.body, at=at)
            came = await self._world.outbound.send(
                "POST", row.url, headers=[*headers.items(), ("traceparent", row.traceparent)],
                body=row.body.encode(), timeout=PATIENCE, limit=KEPT_ANSWER, beyond="cut",
            )  # fmt: skip
            status, answer = came.status, came.body.decode("utf-8", "replace").replace("\0", "")
            wait = _asked_to_wait(came.headers.get("Retry-After"), at)
        except (outbound.Refused, outbound.Failed) as failure:
            error = str(failure)
        except Exception:
            log.exception("delivery failed on our side", delivery=row.id)
            error = "Lodge could not send it: its operators find the reason in the log."
        finally:
            self._busy[row.endpoint_id] -= 1
        took = round((asyncio.get_running_loop().time() - started) * 1000)
        return Try(row.id, row.endpoint_id, row.attempts + 1, at, took, status, error, answer, wait)

    async def _note(self, tries: list[Try]) -> None:
        outcomes = [self._outcome(one) for one in tries]
        async with self._world.database.transaction() as session:
            await session.execute(_ATTEMPT, outcomes)
            await session.execute(_OUTCOME, outcomes)
            await session.execute(_FINE, {"ids": [one.endpoint_id for one in tries if one.delivered]})
            await session.execute(_POOR, {"ids": [one.endpoint_id for one in tries if not one.delivered]})
            await session.execute(_GONE, {"ids": [one.endpoint_id for one in tries if one.status == GONE]})

    def _outcome(self, one: Try) -> dict[str, Any]:
        wait = None if one.delivered or one.status == GONE else one.next_due(self._luck.random())
        state = "delivered" if one.delivered else "failed" if wait is None else "pending"
        return {
            "id": one.delivery_id, "number": one.number, "at": one.at, "ms": one.milliseconds, "status": one.status,
            "error": one.error, "answer": one.answer, "state": state, "wait": wait or timedelta(),
        }  # fmt: skip


_ATTEMPT = text(
    "INSERT INTO delivery_attempt (delivery_id, number, at, milliseconds, status, error, answer)"
    " SELECT id, :number, :at, :ms, :status, :error, :answer"
    " FROM (SELECT id FROM delivery WHERE id = :id FOR KEY SHARE) AS here ON CONFLICT DO NOTHING"
)
# The endpoint may have been removed meanwhile, and its deliveries with it.
_OUTCOME = text(
    "UPDATE delivery SET state = :state, attempts = :number, due_at = now() + :wait,"
    " finished_at = CASE WHEN :state = 'pending' THEN NULL ELSE now() END WHERE id = :id"
)


_FINE = text("UPDATE webhook_endpoint SET failing_since = NULL WHERE id = ANY(:ids) AND failing_since IS NOT NULL")
_POOR = text("UPDATE webhook_endpoint SET failing_since = now() WHERE id = ANY(:ids) AND failing_since IS NULL")
_GONE = text(
    "UPDATE webhook_endpoint SET state = 'disabled', disabled_reason = 'The receiver answered 410 Gone.',"
    " version = version + 1, updated_at = now() WHERE id = ANY(:ids)"
)


def signed(secret: str, event_id: str, body: str, *, at: datetime) -> dict[str, str]:
    """Answer the headers of Standard Webhooks for `body`, signed at the instant of this try."""
    return {
        "content-type": "application/json",
        "user-agent": "Lodge-Webhooks/1",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, at, body),
    }


def _asked_to_wait(header: str | None, now: datetime) -> timedelta | None:
    """Read `Retry-After` (RFC 9110, 10.2.3): seconds, or a date; at most a day."""
    if not header:
        return None
    try:
        asked = timedelta(seconds=int(header)) if header.isdigit() else parsedate_to_datetime(header) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(asked, timedelta()), timedelta(days=1))
