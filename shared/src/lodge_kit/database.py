"""The one database of a service, and the one place that commits.

Three pools on one driver (psycopg 3): the ORM's, a small AUTOCOMMIT one for hot reads in plain SQL, and one for
answers that stream, so that slow readers keep nobody but each other waiting. A request has one transaction, committed
before its answer leaves; an answer that streams opens its own session.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import psycopg
from fastapi import Depends, Request
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from lodge_kit.problems import Conflict, Invalid, Problem, Unavailable

POOL_WAIT = 5
"""Seconds a request waits for a connection before it is told to come back."""
CONNECT_WAIT = 3

_WOKEN = "channels to wake"
_OURS_TO_RETRY = ("40001", "40P01", "57014", "55P03")  # serialisation, deadlock, cancelled, lock not available


class Database:
    """Pools for one database. `close()` it when done."""

    def __init__(self, url: str, *, name: str, orm: int = 5, autocommit: int = 3, streams: int = 3) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self.orm = self._engine(name, orm)
        self.autocommit = self._engine(name, autocommit).execution_options(isolation_level="AUTOCOMMIT")
        self._streams = self._engine(name, streams).execution_options(isolation_level="REPEATABLE READ")

    def _engine(self, name: str, size: int) -> AsyncEngine:
        return create_async_engine(
            self.url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_WAIT,
            hide_parameters=True,  # an error's text goes into the log, and parameters are people's data
            pool_pre_ping=True,  # a database that was restarted is met by a new connection, not by an error
            connect_args={
                "connect_timeout": CONNECT_WAIT,
                "tcp_user_timeout": 10_000,  # ms: a database behind a broken network is away, not slow
                "application_name": name,
                # No statement of ours runs for as long as compiling it would take.
                "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60s -c jit=off",
            },
        )

    @property
    def dsn(self) -> str:
        """The URL as libpq wants it, for connections that no pool may hold (LISTEN, COPY)."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose changes are committed at the end of the block, or all undone."""
        async with AsyncSession(self.orm, expire_on_commit=False) as session:
            yield session
            for channel in sorted(session.info.get(_WOKEN, ())):
                await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})
            await session.commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a session for an answer that streams: one snapshot, nothing is ever committed."""
        async with AsyncSession(self._streams, expire_on_commit=False) as session:
            yield session

    async def close(self) -> None:
        """Let go of every connection."""
        await self.orm.dispose()
        await self.autocommit.dispose()
        await self._streams.dispose()


def wake(session: AsyncSession, channel: str) -> None:
    """Have whoever listens to `channel` woken by the commit: once, however often a transaction says so."""
    session.info.setdefault(_WOKEN, set()).add(channel)


def of(request: Request) -> Database:
    """Answer the database of the app that serves this request."""
    database: Database = request.app.state.database
    return database


async def begin(request: Request) -> AsyncSession:
    """Answer the transaction of this request, opening it when this is the first to ask.

    It is closed with the function scope of FastAPI: after the handler, before the answer leaves. A failed commit
    is therefore an error and not a 201 that saved nothing.
    """
    found: AsyncSession | None = getattr(request.state, "session", None)
    if found is None:
        stack: AsyncExitStack = request.scope["fastapi_function_astack"]
        found = await stack.enter_async_context(of(request).transaction())
        request.state.session = found
    return found


Session = Annotated[AsyncSession, Depends(begin, scope="function")]
"""The transaction of this request."""


async def driver_connection(session: AsyncSession) -> AsyncConnection[object]:
    """Answer psycopg's own connection below `session`: jobs are deferred and NOTIFY is sent inside its transaction."""
    raw = await (await session.connection()).get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, AsyncConnection)  # noqa: S101 - the engine is ours: postgresql+psycopg
    return connection


def problem_of(error: Exception) -> Problem | None:
    """Say what a database error means to the caller; None when it is our own mistake (500)."""
    if isinstance(error, PoolTimeoutError):
        return Unavailable("Too many requests are waiting for the database. Try again in a moment.")
    # psycopg's own come from connections that are used directly, for jobs and for COPY.
    cause = (
        error.orig if isinstance(error, DBAPIError)
        else error.__cause__ if isinstance(error, ConnectorException)
        else error
    )  # fmt: skip
    if not isinstance(cause, psycopg.Error):
        return None
    state = cause.sqlstate
    # No SQLSTATE on an operational error: the connection broke before the server could say anything.
    lost = isinstance(cause, psycopg.OperationalError) and (state or "08").startswith(("08", "57P", "53"))
    if lost or state in _OURS_TO_RETRY or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Unavailable(
            "The database cannot be reached or is too busy. Try again in a moment, with the same Idempotency-Key if"
            " you sent one."
        )
    if state == "23505":
        return Conflict("Something with the same identifying values exists already. Look it up and change that one.")
    if isinstance(cause, psycopg.DataError):  # a NUL in a text, a number or a date that is out of range
        return Invalid("A value cannot be stored: a NUL character, or a number or time that is out of range.")
    return None
