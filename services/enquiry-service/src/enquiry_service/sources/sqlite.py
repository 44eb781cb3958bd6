"""A SQLite file as a data source: opened to read, confined by an authorizer, its cells written as every source's are.

SQLite has no roles: that it cannot write is the file's opening (`mode=ro`), `query_only`, and the authorizer, which
lets a statement select and read and nothing else, each by itself enough. The file is one that an operator put there.
"""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from enquiry_service.checked import Checked
from enquiry_service.dialects.sqlite import DIALECT
from enquiry_service.sources import (
    Column,
    Ending,
    Finding,
    Interrupted,
    Limits,
    Quoted,
    Refused,
    Sink,
    SourceError,
    Unreachable,
    Watch,
    lines,
)
from enquiry_service.sources.targets import SqliteTarget

_BUSY_SECONDS = 5.0
_LONGEST_VALUE = 32 * 2**20
"""Bytes of one value or row: what is larger is refused as it is made."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: _LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 10_000,
}
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_FUNCTIONS_REFUSED = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_MADE_OF_JSON = frozenset({"json_each", "json_tree"})
_NUMBERED = re.compile(r":\d+$")
"""What SQLite appends to the second column of one name."""


def check(target: SqliteTarget) -> list[Finding]:
    """Answer what would let a run write, or why that cannot be found out."""
    try:
        with _opened(target) as connection:
            findings = list(_tries(connection))
    except SourceError as error:
        code = "unreachable" if isinstance(error, Unreachable) else "unproven"
        return [Finding(code=code, detail=str(error))]
    if os.access(target.path, os.W_OK):
        detail = "The user that Lodge runs as may write this file. Mount its folder read only, or give the file away."
        findings.append(Finding(code="file-writable", detail=detail, blocking=False))
    return findings


def columns(target: SqliteTarget, checked: Checked) -> list[Column]:
    """Have SQLite compile the statement and name its columns, without a row being read; raises SourceError."""
    with _opened(target) as connection, _told():
        _confine(connection)
        return _named(connection, checked)


def run(
    target: SqliteTarget,
    checked: Checked,
    values: Mapping[str, str | None],
    *,
    limits: Limits,
    sink: Sink,
    watch: Watch,
) -> Ending:
    """Run the statement and give its rows to `sink`; raises SourceError. What ends it ends in this very process."""
    watch.phase("connecting")
    ended = False
    try:
        with _opened(target) as connection, _told():
            watch.attach(connection.interrupt)
            try:
                watch.phase("checking")
                _confine(connection)
                found = _named(connection, checked)
                watch.phase("running")
                rows = connection.execute(checked.marked, [values[name] for name in checked.order])
                truncated = lines.pour([one.name for one in found], rows, limit=limits.rows, sink=sink)
            finally:
                watch.detach()
            ended = True
            return Ending(truncated=truncated, columns=found)
    finally:
        if not ended:
            watch.ended(gone=True)


@contextlib.contextmanager
def _opened(target: SqliteTarget) -> Iterator[sqlite3.Connection]:
    with contextlib.ExitStack() as opened:
        try:
            # Another thread interrupts it; nothing else is done by two threads.
            connection = sqlite3.connect(
                f"file:{quote(target.path)}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            opened.enter_context(contextlib.closing(connection))
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            sentence = "The file cannot be opened as a SQLite database; is it one, and may Lodge read it?"
            raise Unreachable(sentence) from error
        connection.text_factory = lambda text: text.decode(errors="replace")
        yield connection


def _tries(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Try to write by the file's opening alone, as if nothing else confined a run."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE lodge_probe (a)")
    except sqlite3.OperationalError:
        return
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    yield Finding(code="wrote", detail="A table could be made in this file though it was opened to read only.")


def _confine(connection: sqlite3.Connection) -> None:
    """Read one state of the file from here on, and do nothing but read."""
    for limit, most in _LIMITS.items():
        connection.setlimit(limit, most)
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    # The first use of one declares a table, which the authorizer would refuse.
    connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')").fetchall()
    connection.execute("BEGIN")
    connection.set_authorizer(authorize)


def authorize(action: int, first: str | None, second: str | None, _schema: str | None, _inner: str | None) -> int:
    """Answer whether a statement may do `action` (SQLite's own numbers): select and read, and nothing else."""
    if action not in _READS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS_REFUSED:
        return sqlite3.SQLITE_DENY
    table = (first or "").lower()
    if action == sqlite3.SQLITE_READ and DIALECT.catalogue.match(table) and table not in _MADE_OF_JSON:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _named(connection: sqlite3.Connection, checked: Checked) -> list[Column]:
    """Name the columns as the author's own text does: SQLite calls one without a name after its text."""
    try:
        ours, theirs = (_names(connection, text, len(checked.order)) for text in (checked.marked, checked.original))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        # No row was read yet, so that no value of the data is in these words.
        raise Quoted(f"The source refuses: {error}.") from None
    if len(ours) != len(theirs):
        raise Refused("The source reads this SQL otherwise than its check does; write it more plainly.")
    return [Column(name=_NUMBERED.sub("", name), type="any", origin=None) for name in theirs]


def _names(connection: sqlite3.Connection, text: str, parameters: int) -> list[str]:
    # Without a row: what stands in the parentheses is compiled, and not begun.
    cursor = connection.execute(f"SELECT * FROM (\n{text}\n) LIMIT 0", [None] * parameters)  # noqa: S608 - what was checked
    return [description[0] for description in cursor.description]


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn SQLite's errors into sentences that name no value of the data."""
    problem: SourceError
    try:
        yield
    except sqlite3.Error as error:
        problem = _retold(error)
    else:
        return
    raise problem


def _retold(error: sqlite3.Error) -> SourceError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_INTERRUPT:
        return Interrupted("The query was ended.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Refused("The file is being written by somebody else; try again later.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return SourceError("The file is damaged; ask an operator to put it there anew.")
    if code == sqlite3.SQLITE_TOOBIG:
        return Refused(f"A value of the result is larger than {_LONGEST_VALUE} bytes; leave large columns out.")
    if code == sqlite3.SQLITE_AUTH:
        return Refused("The source refuses: a report reads, and nothing else.")
    # SQLite's own words may quote a value, which is somebody's.
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return Refused(f"A value in the data does not fit what the query does with it ({name}).")
