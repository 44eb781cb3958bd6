"""A connection to a MariaDB or MySQL server: opened, confined to reading, its errors retold, seen to be gone.

No error that leaves here names a secret or a value of the data.
"""

import contextlib
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.constants import CR, ER, FIELD_TYPE
from pymysql.converters import conversions, convert_datetime
from pymysql.cursors import SSCursor

from enquiry_service.sources import Interrupted, Quoted, Refused, SourceError, Unreachable
from enquiry_service.sources.targets import MysqlTarget

Connection = Any
"""pymysql's; its types are not published."""

_CONNECT_SECONDS = 10
_GONE_SECONDS = 5.0

_ENDED = frozenset({ER.QUERY_INTERRUPTED, 1927, 1969, 3024})
"""By KILL QUERY, KILL CONNECTION, max_statement_time of MariaDB, max_execution_time of MySQL."""
_NAMES_NO_VALUE = frozenset(
    {
        ER.PARSE_ERROR, ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR, ER.NON_UNIQ_ERROR, ER.NONUNIQ_TABLE, ER.DUP_FIELDNAME,
        ER.WRONG_FIELD_WITH_GROUP, ER.INVALID_GROUP_FUNC_USE, ER.TABLEACCESS_DENIED_ERROR,
        ER.COLUMNACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.SPECIFIC_ACCESS_DENIED_ERROR,
        ER.SP_DOES_NOT_EXIST, ER.PROCACCESS_DENIED_ERROR, ER.WRONG_NUMBER_OF_COLUMNS_IN_SELECT,
        ER.OPERAND_COLUMNS, ER.DERIVED_MUST_HAVE_ALIAS, ER.BAD_DB_ERROR, ER.UNKNOWN_TABLE,
        ER.CANT_AGGREGATE_2COLLATIONS, ER.UNSUPPORTED_PS, ER.WRONG_ARGUMENTS, 1792,
    }
)  # fmt: skip
"""Errors whose words are of the statement and the schema, never of a row."""

_SETTINGS = {
    "sql_mode": "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO",
    "time_zone": "+00:00",
    "lock_wait_timeout": 5,
    "innodb_lock_wait_timeout": 5,
    "group_concat_max_len": 16 * 2**20,
}


def connect(target: MysqlTarget) -> Connection:
    """Open a connection; raises Unreachable with a sentence of ours, as the driver's own may tell too much."""
    problem: pymysql.MySQLError | OSError
    try:
        return _connected(target, _encryption(target))
    except (pymysql.MySQLError, OSError) as error:
        problem = error
    if target.ssl_mode == "prefer" and _lacks_encryption(problem):
        try:
            return _connected(target, None)
        except (pymysql.MySQLError, OSError) as error:
            problem = error
    # Raised out here, so that not even a traceback holds the driver's error with what it was given.
    raise Unreachable(_unreachable(target, problem))


def _connected(target: MysqlTarget, encryption: ssl.SSLContext | None) -> Connection:
    return pymysql.connect(
        host=target.host.strip("[]"),
        port=target.port,
        user=target.username,
        password=target.password.get_secret_value(),
        database=target.schemas[0],
        charset="utf8mb4",
        connect_timeout=_CONNECT_SECONDS,
        ssl=encryption,
        ssl_disabled=encryption is None,
        conv=conversions | {FIELD_TYPE.TIMESTAMP: _instant},
        cursorclass=SSCursor,
        autocommit=True,
        program_name="lodge enquiry-service",
    )


def _instant(text: str) -> Any:
    """Read a TIMESTAMP, which the session shows in UTC; one that is none (0000-00-00) stays a text."""
    found = convert_datetime(text)
    return found.replace(tzinfo=UTC) if isinstance(found, datetime) else found


def _encryption(target: MysqlTarget) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if target.ssl_mode != "verify-full":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _lacks_encryption(error: Exception) -> bool:
    return "SSL" in str(error) or isinstance(error, ssl.SSLError)


def _unreachable(target: MysqlTarget, error: Exception) -> str:
    place, code = f"{target.host}:{target.port}", error.args[0] if error.args else None
    if code in (ER.ACCESS_DENIED_ERROR, ER.HOST_NOT_PRIVILEGED):
        return f"{place} does not let this user in; check the user, the secret and the hosts it may come from."
    if code in (ER.BAD_DB_ERROR, ER.DBACCESS_DENIED_ERROR):
        return f"{place} has no database {target.schemas[0]} that this user may read; check its name."
    if code in (ER.CON_COUNT_ERROR, ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED):
        return f"{place} has no connection left for this user; try again later."
    if _lacks_encryption(error):
        return f"{place} did not agree on an encrypted connection; check ssl_mode and the server's certificate."
    if "timed out" in str(error):
        return f"{place} did not answer within {_CONNECT_SECONDS} s; is it the right host, and may we reach it?"
    return f"{place} cannot be reached; is the server running there?"


@contextlib.contextmanager
def closing(connection: Connection) -> Iterator[Connection]:
    """Close without a word to the server and without reading what it has still to send."""
    try:
        yield connection
    finally:
        connection._force_close()  # noqa: SLF001 - `close` would first read all rows that are left


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn the driver's errors into sentences that name no value of the data."""
    problem: SourceError
    try:
        yield
    except (pymysql.MySQLError, OSError) as error:
        problem = _retold(error)
    else:
        return
    raise problem


def _retold(error: Exception) -> SourceError:
    code = error.args[0] if error.args else None
    if code in _ENDED:
        return Interrupted("The query was ended at the source.")
    if code in (ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK):
        return Refused("A table is locked at the source by somebody else; try again later.")
    if code in (CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR) or isinstance(error, OSError) or not isinstance(code, int):
        return SourceError("The connection to the source was lost.")
    if code in _NAMES_NO_VALUE:
        return Quoted(f"The source refuses: {error.args[1]} ({code}).")
    # Its own words may quote a value, which is somebody's.
    return Refused(f"The source refuses what the query does, or a value in the data does not fit it ({code}).")


def confine(connection: Connection, seconds: float) -> None:
    """Begin a transaction that only reads one state of the data; each statement ends by itself."""
    with connection.cursor() as cursor:
        for name, value in _SETTINGS.items():
            cursor.execute(f"SET SESSION {name} = %s", (value,))
        if "MariaDB" in connection.get_server_info():
            cursor.execute("SET SESSION max_statement_time = %s", (seconds,))
            # It would end a recursion with a warning, and answer what it has.
            cursor.execute("SET SESSION max_recursive_iterations = 4294967295")
        else:
            cursor.execute("SET SESSION max_execution_time = %s", (int(seconds * 1_000),))
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def kill(target: MysqlTarget, thread: int) -> None:
    """End what that connection of ours runs; it may have ended by itself."""
    with closing(connect(target)) as connection, contextlib.suppress(pymysql.MySQLError):
        connection.query(f"KILL QUERY {int(thread)}")


def gone(target: MysqlTarget, thread: int) -> bool:
    """Say whether the server has dropped that connection within a few seconds; one that lingers is ended."""
    until = time.monotonic() + _GONE_SECONDS
    try:
        with closing(connect(target)) as connection:
            while _is_there(connection, thread):
                if time.monotonic() > until:
                    return False
                with contextlib.suppress(pymysql.MySQLError):
                    connection.query(f"KILL CONNECTION {int(thread)}")
                time.sleep(0.05)
            return True
    except (SourceError, pymysql.MySQLError, OSError):
        return False


def _is_there(connection: Connection, thread: int) -> bool:
    with connection.cursor(pymysql.cursors.Cursor) as cursor:
        # A user sees its own connections without any privilege.
        return bool(cursor.execute("SELECT 1 FROM information_schema.processlist WHERE id = %s", (thread,)))
