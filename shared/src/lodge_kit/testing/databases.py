"""Databases for tests: one server a run, a database a worker and service, emptied after each test.

Each comes from a template that is migrated once. Emptying is DELETE in every table with the foreign keys asleep:
16 ms, where a database from a template costs 54. A rollback would not do: workers, NOTIFY and SKIP LOCKED see
committed rows only.
"""

import os
import secrets
from collections.abc import Callable

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

RUN = "LODGE_TEST_RUN"
"""The variable by which a run's workers know what the run's databases are named."""
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
_KEPT = ("alembic_version", "counter")


def _prefix() -> str:
    return f"lodge_{os.environ.setdefault(RUN, secrets.token_hex(4))}_"


class Databases:
    """The databases of one worker of a run."""

    def __init__(self, server_url: str) -> None:
        self._server = server_url
        self._urls: dict[str, str] = {}

    def of(self, service: str, migrate: Callable[[str], object]) -> str:
        """Answer the URL of this worker's database of a service, made when it is first asked for."""
        if service not in self._urls:
            self._urls[service] = self.fresh(f"{service}_{WORKER}", service, migrate)
        return self._urls[service]

    def fresh(self, name: str, service: str, migrate: Callable[[str], object]) -> str:
        """Make a database of one's own from the service's template: for outages and migrations."""
        template, wanted = f"{_prefix()}{service}_template", f"{_prefix()}{name}"
        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [template])
            found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone()
            if found is None:
                server.execute(
                    sql.SQL("CREATE DATABASE {} LC_COLLATE 'C.UTF-8' TEMPLATE template0").format(
                        sql.Identifier(template)
                    )
                )
                migrate(self.url(template))
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(wanted), sql.Identifier(template))
            )
        return self.url(wanted)

    def url(self, database: str) -> str:
        """Answer the URL of a database of this server."""
        return make_url(self._server).set(database=database).render_as_string(hide_password=False)

    def empty(self) -> None:
        """Delete every row of every service's database."""
        for url in self._urls.values():
            with psycopg.connect(url, autocommit=True) as database:
                tables = database.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL(%s)",
                    [list(_KEPT)],
                ).fetchall()
                deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for (name,) in tables]
                asleep = sql.SQL("SET session_replication_role = replica")
                database.execute(sql.SQL("; ").join([asleep, *deletes, sql.SQL("UPDATE counter SET value = 0")]))


def drop_all(server_url: str) -> None:
    """Drop every database of this run."""
    with psycopg.connect(server_url, autocommit=True) as server:
        rows = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_prefix()])
        for (name,) in rows.fetchall():
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
