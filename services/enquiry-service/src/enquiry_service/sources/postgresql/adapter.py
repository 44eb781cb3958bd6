"""PostgreSQL as a data source: sync psycopg, a transaction that only reads, values that are only ever values.

Where the protocol binds (describe, explain), values are bound. COPY cannot bind: there each value is a literal
quoted by libpq for this very connection and cast to its type, and the server must accept the finished text as one
statement before it is run.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, cast

import psycopg
from psycopg import errors, pq, sql

from enquiry_service.checked import Checked
from enquiry_service.sources import (
    Column,
    Ending,
    Finding,
    Limits,
    Refused,
    Sink,
    SourceError,
    Unreachable,
    Watch,
)
from enquiry_service.sources.postgresql import cells, privileges, session
from enquiry_service.sources.postgresql.session import Backend, Connection
from enquiry_service.sources.targets import PostgresqlTarget

_DESCRIBE_SECONDS = 10.0
_BLOCK = 256 * 1024
"""Bytes, or a little more, that are given to the sink at once."""


def check(target: PostgresqlTarget) -> list[Finding]:
    """Answer what would let the role write, or why that cannot be found out."""
    try:
        with session.closing(session.connect(target)) as connection, session.told():
            return privileges.findings(connection, target)
    except SourceError as error:
        code = "unreachable" if isinstance(error, Unreachable) else "unproven"
        return [Finding(code=code, detail=str(error))]


def columns(target: PostgresqlTarget, checked: Checked) -> list[Column]:
    """Let the server describe the statement, without running it; raises SourceError."""
    with session.closing(session.connect(target)) as connection, session.told():
        session.confine(connection, target, _DESCRIBE_SECONDS)
        return _columns(connection, _described(connection, checked))


def run(
    target: PostgresqlTarget,
    checked: Checked,
    values: Mapping[str, str | None],
    *,
    limits: Limits,
    sink: Sink,
    watch: Watch,
) -> Ending:
    """Run the statement and give its rows to `sink`; raises SourceError.

    However it ends but by itself, the server is asked on a second connection whether the query is gone.
    """
    watch.phase("connecting")
    connection = session.connect(target)
    backend: Backend | None = None
    ended = False
    try:
        with session.closing(connection), session.told():
            backend = session.identify(connection)
            ending = _run(connection, target, checked, values, limits, sink, watch)
            ended = True
            return ending
    finally:
        if not ended and backend is not None:
            watch.ended(gone=session.gone(target, backend))


def _run(
    connection: Connection,
    target: PostgresqlTarget,
    checked: Checked,
    values: Mapping[str, str | None],
    limits: Limits,
    sink: Sink,
    watch: Watch,
) -> Ending:
    watch.attach(lambda: connection.cancel_safe(timeout=2))
    try:
        watch.phase("checking")
        session.confine(connection, target, min(_DESCRIBE_SECONDS, limits.seconds))
        described = _described(connection, checked)
        found = _columns(connection, described)
        _weigh(connection, checked, values, limits)
        watch.phase("running")
        # It starts later than our own deadline, and so ends later: the one that works when we no longer do.
        session.set_local(connection, "statement_timeout", f"{int(limits.seconds * 1_000)}ms")
        statement = _copy(connection, checked, values, described, limits)
        truncated = _pour(connection, statement, limits.rows, sink)
    finally:
        watch.detach()
    return Ending(truncated=truncated, columns=found)


def _described(connection: Connection, checked: Checked) -> pq.abc.PGresult:
    """Prepare what will run and what the author wrote: the server must give both the same columns."""
    ours = _prepared(connection, "lodge_ours", checked.marked)
    theirs = _prepared(connection, "lodge_theirs", checked.original)
    if ours.nfields == 0:
        raise Refused("The query answers no columns; name at least one.")
    if _shape(ours) != _shape(theirs):
        raise Refused("The source reads this SQL otherwise than its check does; write it more plainly.")
    return ours


def _prepared(connection: Connection, name: str, text: str) -> pq.abc.PGresult:
    # The protocol's own Parse takes one statement only, and runs nothing.
    for result in (
        connection.pgconn.prepare(name.encode(), text.encode()),
        connection.pgconn.describe_prepared(name.encode()),
    ):
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise errors.error_from_result(result, encoding="utf-8")
    return result


def _shape(result: pq.abc.PGresult) -> list[tuple[bytes | None, int]]:
    return [(result.fname(index), result.ftype(index)) for index in range(result.nfields)]


_COLUMNS = """
    SELECT pg_catalog.format_type(f.type, f.modifier), n.nspname || '.' || c.relname || '.' || a.attname
    FROM ROWS FROM (
        pg_catalog.unnest(%s::pg_catalog.oid[]), pg_catalog.unnest(%s::pg_catalog.int4[]),
        pg_catalog.unnest(%s::pg_catalog.oid[]), pg_catalog.unnest(%s::pg_catalog.int4[])
    ) WITH ORDINALITY AS f(type, modifier, relation, attribute, place)
    LEFT JOIN pg_catalog.pg_class c ON c.oid = f.relation
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = f.relation AND a.attnum = f.attribute
    ORDER BY f.place
"""


def _columns(connection: Connection, described: pq.abc.PGresult) -> list[Column]:
    places = range(described.nfields)
    rows = connection.execute(
        _COLUMNS,
        (
            [described.ftype(place) for place in places],
            [described.fmod(place) for place in places],
            [described.ftable(place) for place in places],
            [described.ftablecol(place) for place in places],
        ),
    ).fetchall()
    return [
        Column(name=(described.fname(place) or b"").decode(), type=kind, origin=origin)
        for place, (kind, origin) in zip(places, rows, strict=True)
    ]


def _weigh(connection: Connection, checked: Checked, values: Mapping[str, str | None], limits: Limits) -> None:
    """Refuse a query whose plan is beyond the limits, before a row is read."""
    cursor = psycopg.RawCursor(connection)
    query = f"EXPLAIN (FORMAT JSON) {checked.marked}"
    row = cursor.execute(query, [values[name] for name in checked.order]).fetchone()
    plan = cast("list[dict[str, Any]]", row[0] if row else [{}])[0].get("Plan", {})
    rows = max(_plan_rows(plan), default=0.0)
    cost = float(plan.get("Total Cost", 0))
    if rows > limits.plan_rows:
        raise Refused(
            f"The source expects to go through {rows:.1e} rows, more than the {limits.plan_rows:.1e} allowed;"
            " is a join condition missing?"
        )
    if cost > limits.plan_cost:
        raise Refused(
            f"The source expects this query to cost {cost:.1e}, more than the {limits.plan_cost:.1e} allowed;"
            " narrow it down."
        )


def _plan_rows(plan: Mapping[str, Any]) -> Iterator[float]:
    yield float(plan.get("Plan Rows", 0))
    for part in plan.get("Plans", ()):
        yield from _plan_rows(part)


def _copy(
    connection: Connection,
    checked: Checked,
    values: Mapping[str, str | None],
    described: pq.abc.PGresult,
    limits: Limits,
) -> sql.SQL:
    """Answer the COPY with its values in it, which the server has read as one statement."""
    query = checked.filled(lambda name: sql.Literal(values[name]).as_string(connection))
    names = [(described.fname(place) or b"").decode() for place in range(described.nfields)]
    types = [described.ftype(place) for place in range(described.nfields)]
    text = cells.copy_statement(query, names, types, limit=limits.rows).as_string(connection)
    result = connection.pgconn.prepare(b"lodge_copy", text.encode())
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise errors.error_from_result(result, encoding="utf-8")
    return sql.SQL(text)


def _pour(connection: Connection, statement: sql.SQL, limit: int, sink: Sink) -> bool:
    """Give the rows to `sink`; answer whether there was one more than `limit`, which is not written.

    The server sends one message a row (PostgreSQL, protocol flow of COPY); its own count must agree.
    """
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            messages = iter(copy)
            sink.heading(next(messages, b""))
            block, given, seen = bytearray(), 0, 0
            # One buffer and no list of rows: half the time of the loop.
            for seen, message in enumerate(islice(messages, limit), start=1):
                block += message
                if len(block) >= _BLOCK:
                    sink.write_rows(block, seen - given)
                    given = seen
                    block.clear()
            sink.write_rows(block, seen - given)
            beyond = sum(1 for _ in messages)
        if cursor.rowcount != seen + beyond:
            raise SourceError(f"The source counts {cursor.rowcount} rows and sent {seen + beyond}; nothing was kept.")
    return beyond > 0
