"""A connection to a PostgreSQL source: opened, confined to reading, its errors retold, seen to be gone.

No error that leaves here names a secret or a value of the data.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow, tuple_row

from enquiry_service.sources import Interrupted, Quoted, Refused, SourceError, Unreachable
from enquiry_service.sources.targets import PostgresqlTarget

Connection = psycopg.Connection[TupleRow]

_CONNECT_SECONDS = 10
_GONE_SECONDS = 5.0


class Backend(NamedTuple):
    """One server process: its number alone may be given out again."""

    pid: int
    started: Any


def connect(target: PostgresqlTarget) -> Connection:
    """Open a connection; raises Unreachable with a sentence of ours, as the driver's own may tell too much."""
    problem: psycopg.Error
    try:
        return psycopg.connect(**_conninfo(target), row_factory=tuple_row)
    except psycopg.Error as error:
        problem = error
    # Raised out here, so that not even a traceback holds the driver's error with what it was given.
    raise Unreachable(_unreachable(target, problem))


def _conninfo(target: PostgresqlTarget) -> dict[str, Any]:
    verified = {"sslrootcert": "system"} if target.ssl_mode == "verify-full" else {}
    return {
        "host": target.host.strip("[]"),
        "port": target.port,
        "dbname": target.database,
        "user": target.username,
        "password": target.password.get_secret_value(),
        "sslmode": target.ssl_mode,
        "gssencmode": "disable",
        "passfile": "/dev/null",
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "lodge enquiry-service",
        "client_encoding": "UTF8",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        **verified,
    }


def _unreachable(target: PostgresqlTarget, error: psycopg.Error) -> str:
    place = f"{target.host}:{target.port}"
    message = str(error)
    if isinstance(error, errors.ConnectionTimeout) or "timeout expired" in message:
        return f"{place} did not answer within {_CONNECT_SECONDS} s; is it the right host, and may we reach it?"
    if "password authentication failed" in message or "no password supplied" in message or "pg_hba" in message:
        return f"{place} does not let this user in; check the user, the secret and the server's pg_hba.conf."
    if "does not exist" in message:
        return f"{place} has no such database or user; check their names."
    if "certificate" in message or "SSL" in message:
        return f"{place} did not agree on an encrypted connection; check ssl_mode and the server's certificate."
    if "too many" in message or "remaining connection slots" in message:
        return f"{place} has no connection left for this user; try again later."
    return f"{place} cannot be reached; is the server running there?"


@contextlib.contextmanager
def closing(connection: Connection) -> Iterator[Connection]:
    """Close without a word to the server: the transaction only read."""
    try:
        yield connection
    finally:
        connection.close()


def _retold(error: psycopg.Error) -> SourceError:
    said = error.diag.message_primary
    if error.sqlstate and error.sqlstate.startswith("22"):
        # Class 22, data exceptions: the server's words quote the value, which is somebody's.
        name = type(error).__name__
        return Refused(f"A value in the data does not fit what the query does with it: {name} ({error.sqlstate}).")
    if said:
        return Quoted(f"The source refuses: {said} ({error.sqlstate}).")
    if "memory" in str(error):
        return Refused("A row of the result is larger than a run may hold; leave its large columns out.")
    return SourceError("The connection to the source was lost.")


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn the driver's errors into sentences that name no value of the data."""
    problem: SourceError
    try:
        yield
    except errors.QueryCanceled:
        problem = Interrupted("The query was ended at the source.")
    except errors.LockNotAvailable:
        problem = Refused("A table is locked at the source by somebody else; try again later.")
    except (errors.AdminShutdown, errors.IdleInTransactionSessionTimeout):
        problem = Interrupted("The source ended the connection.")
    except psycopg.Error as error:
        problem = _retold(error)
    else:
        return
    raise problem


def set_local(connection: Connection, name: str, value: str) -> None:
    """Set `name` until the transaction ends."""
    connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def confine(connection: Connection, target: PostgresqlTarget, seconds: float) -> None:
    """Begin a transaction that only reads, ends by itself, and looks names up in the allowed schemas only."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    path = sql.SQL(", ").join(map(sql.Identifier, ("pg_catalog", *target.schemas))).as_string(connection)
    settings = {
        "statement_timeout": f"{int(seconds * 1_000)}ms",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "30s",
        "search_path": f"{path}, pg_temp",
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "iso_8601",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "standard_conforming_strings": "on",
        "client_min_messages": "error",
    }
    for name, value in settings.items():
        set_local(connection, name, value)
    # A server on a platform without it says so; then TCP keepalive has to do.
    with contextlib.suppress(errors.InvalidParameterValue), connection.transaction():
        set_local(connection, "client_connection_check_interval", "1s")


def identify(connection: Connection) -> Backend:
    """Answer which server process this connection has."""
    row = connection.execute(
        "SELECT pid, backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()"
    ).fetchone()
    connection.rollback()
    return Backend(*(row or (connection.info.backend_pid, None)))


def gone(target: PostgresqlTarget, backend: Backend) -> bool:
    """Say whether the server has dropped the query within a few seconds; one that lingers is ended."""
    until = time.monotonic() + _GONE_SECONDS
    question = (
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        " WHERE pid = %s AND backend_start IS NOT DISTINCT FROM coalesce(%s, backend_start)"
    )
    try:
        with closing(connect(target)) as connection:
            connection.autocommit = True
            while connection.execute(question, backend).fetchone() is not None:
                if time.monotonic() > until:
                    return False
                time.sleep(0.05)
            return True
    except (SourceError, psycopg.Error):
        return False
