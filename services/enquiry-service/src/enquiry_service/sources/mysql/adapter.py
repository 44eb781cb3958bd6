"""MariaDB and MySQL as data sources: a transaction that only reads, values that are only ever values.

A statement is prepared at the server, which takes one and no more, and is executed with values that the driver quotes
for this very connection into variables of its session.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from math import prod
from typing import Any

from pymysql.constants import FIELD_TYPE
from pymysql.cursors import Cursor, DictCursor, SSCursor

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
    lines,
)
from enquiry_service.sources.mysql import privileges, session
from enquiry_service.sources.mysql.session import Connection
from enquiry_service.sources.targets import MysqlTarget

_DESCRIBE_SECONDS = 10.0
_CUT = {
    1260: "a text that GROUP_CONCAT makes is longer than a source may make it",
    1931: "more rows would have to be examined than the statement itself allows",
}
"""By the code of the warning."""
_BINARY = 63
"""The character set of what is no text."""
_TYPES: dict[int, str] = {code: name.lower() for name, code in vars(FIELD_TYPE).items() if isinstance(code, int)} | {
    FIELD_TYPE.TINY: "tinyint", FIELD_TYPE.SHORT: "smallint", FIELD_TYPE.INT24: "mediumint", FIELD_TYPE.LONG: "int",
    FIELD_TYPE.LONGLONG: "bigint", FIELD_TYPE.NEWDECIMAL: "decimal", FIELD_TYPE.VAR_STRING: "varchar",
    FIELD_TYPE.STRING: "char", FIELD_TYPE.BLOB: "text",
}  # fmt: skip
_OF_BYTES = {"varchar": "varbinary", "char": "binary", "text": "blob"}


def check(target: MysqlTarget) -> list[Finding]:
    """Answer what would let the user write, or why that cannot be found out."""
    try:
        with session.closing(session.connect(target)) as connection, session.told():
            return privileges.findings(connection, target)
    except SourceError as error:
        code = "unreachable" if isinstance(error, Unreachable) else "unproven"
        return [Finding(code=code, detail=str(error))]


def columns(target: MysqlTarget, checked: Checked) -> list[Column]:
    """Let the server describe the statement, without a row being read; raises SourceError."""
    with session.closing(session.connect(target)) as connection, session.told():
        session.confine(connection, _DESCRIBE_SECONDS)
        return _described(connection, checked)


def run(
    target: MysqlTarget,
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
    thread = connection.thread_id()
    ended = False
    try:
        with session.closing(connection), session.told():
            watch.attach(lambda: session.kill(target, thread))
            try:
                ending = _run(connection, checked, values, limits, sink, watch)
            finally:
                watch.detach()
            ended = True
            return ending
    finally:
        # Rows beyond the limit are left unread: the server is told to drop them.
        is_gone = session.gone(target, thread)
        if not ended:
            watch.ended(gone=is_gone)


def _run(
    connection: Connection,
    checked: Checked,
    values: Mapping[str, str | None],
    limits: Limits,
    sink: Sink,
    watch: Watch,
) -> Ending:
    watch.phase("checking")
    # It starts later than our own deadline, and so ends later: the one that works when we no longer do.
    session.confine(connection, limits.seconds)
    found = _described(connection, checked)
    _weigh(connection, checked, values, limits)
    watch.phase("running")
    with connection.cursor(Cursor) as cursor:
        cursor.execute("SET SESSION sql_select_limit = %s", (limits.rows + 1,))
    cursor = _executed(connection, checked.marked, [values[name] for name in checked.order], SSCursor)
    truncated = lines.pour([one.name for one in found], _rows(cursor), limit=limits.rows, sink=sink)
    if not truncated:
        _demand_whole(connection)
    return Ending(truncated=truncated, columns=found)


def _rows(cursor: Any) -> Iterator[tuple[Any, ...]]:
    while (row := cursor.fetchone()) is not None:
        yield row


def _demand_whole(connection: Connection) -> None:
    """Refuse a result that the server cut with no more than a warning."""
    with connection.cursor(Cursor) as cursor:
        cursor.execute("SHOW WARNINGS")
        for _, code, _ in cursor.fetchall():
            if code in _CUT:
                raise Refused(f"The source cut the result: {_CUT[code]}. Nothing was kept.")


def _executed(connection: Connection, text: str, values: list[str | None], kind: type[Cursor]) -> Any:
    """Prepare `text`, one statement, at the server and execute it with `values`; answer the cursor."""
    names = [f"@lodge_{number}" for number in range(len(values))]
    with connection.cursor(Cursor) as cursor:
        for name, value in zip(["@lodge_sql", *names], [text, *values], strict=True):
            cursor.execute(f"SET {name} = %s", (value,))
        cursor.execute("PREPARE lodge FROM @lodge_sql")
    executed = connection.cursor(kind)
    executed.execute(f"EXECUTE lodge USING {', '.join(names)}" if names else "EXECUTE lodge")
    return executed


def _described(connection: Connection, checked: Checked) -> list[Column]:
    """Have the server name the columns of what runs and of what the author wrote: it must give both alike.

    Their names are the author's: a column without one is named after its text.
    """
    with connection.cursor(Cursor) as cursor:
        cursor.execute("SET SESSION sql_select_limit = 0")
    nothing: list[str | None] = [None] * len(checked.gaps)
    ours, theirs = (
        _fields(_executed(connection, text, nothing, Cursor)) for text in (checked.marked, checked.original)
    )
    if not ours:
        raise Refused("The query answers no columns; name at least one.")
    if [kind for _, kind, _ in ours] != [kind for _, kind, _ in theirs]:
        raise Refused("The source reads this SQL otherwise than its check does; write it more plainly.")
    return [Column(name=name, type=kind, origin=origin) for name, kind, origin in theirs]


def _fields(cursor: Any) -> list[tuple[str, str, str | None]]:
    fields = getattr(cursor._result, "fields", ())  # noqa: SLF001 - where a column comes from is told nowhere else
    found = []
    for field in fields:
        kind = _TYPES.get(field.type_code, "unknown")
        origin = (
            f"{field.db.decode()}.{field.org_table}.{field.org_name}" if field.org_table and field.org_name else None
        )
        found.append((field.name, _OF_BYTES.get(kind, kind) if field.charsetnr == _BINARY else kind, origin))
    return found


def _literal(connection: Connection, value: str | None) -> str:
    return "NULL" if value is None else str(connection.escape(value))


def _weigh(connection: Connection, checked: Checked, values: Mapping[str, str | None], limits: Limits) -> None:
    """Refuse a query whose plan is beyond the limits, before a row is read.

    A plan has a line for each table: those of one SELECT are gone through once for each row of the ones before.
    """
    query = checked.filled(lambda name: _literal(connection, values[name]))
    with connection.cursor(Cursor) as cursor:
        cursor.execute("SET SESSION sql_select_limit = DEFAULT")
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(f"EXPLAIN {query}")
        plan = cursor.fetchall()
    selects = groupby(plan, key=lambda line: line["id"])
    rows = sum(prod(float(line["rows"] or 1) for line in of_one) for _, of_one in selects)
    if rows > limits.plan_rows:
        raise Refused(
            f"The source expects to go through {rows:.1e} rows, more than the {limits.plan_rows:.1e} allowed;"
            " is a join condition missing?"
        )
