r"""export-csv: rows a second of a report's run, from its process's start to the CSV that is whole, hashed and on disk.

The query is described, weighed and formatted at the source, as every run is. The peer is `psql` with `\\copy` of the
same query by the same role on the same server, its start included too, which does none of that.
"""

import asyncio
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from enquiry_service.export.messages import Progress, Spec
from enquiry_service.export.parent import run_in_child
from enquiry_service.sources import Limits
from enquiry_service.sources.targets import PostgresqlTarget
from enquiry_service.statements import Allowance, check
from lodge_local import postgres, programs
from lodge_local.failures import Failed
from tests.benchmarks.figures import Figure, Tell, in_turn
from tests.benchmarks.processes import database_server

ROWS = 500_000
QUERY = "SELECT id, name, code, enrolled, active, seen_at, fee FROM campus.student"
_READER, _PASSWORD, _DATABASE = "reader", "bench", "campus"
_TABLES = """
    CREATE SCHEMA campus;
    CREATE TABLE campus.student (
        id int PRIMARY KEY, name text, code text, enrolled date, active boolean, seen_at timestamptz,
        fee numeric(10, 2)
    );
    INSERT INTO campus.student SELECT
        g, 'Student ' || g, 'c' || g % 997, DATE '2024-09-01' + g % 300, g % 3 = 0,
        TIMESTAMPTZ '2026-03-29 00:30:00+00' + g * interval '1 s', g * 1.25
    FROM generate_series(1, {rows}) g;
    REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    CREATE ROLE {reader} LOGIN PASSWORD {password};
    GRANT USAGE ON SCHEMA campus TO {reader};
    GRANT SELECT ON ALL TABLES IN SCHEMA campus TO {reader};
"""


def measure(tell: Tell) -> Figure:
    """Measure."""
    psql = next((folder / "psql" for folder in programs.installed() if (folder / "psql").exists()), None)
    if psql is None:
        raise Failed("this needs psql, which comes with PostgreSQL's client programs.")
    with database_server() as (folder, cluster):
        tell(f"making {ROWS:,} rows")
        target = _make_source(cluster)
        value, peer = asyncio.run(_measure(folder, target, psql, tell))
    return Figure("export-csv", value, "rows a second", "psql \\copy", peer)


async def _measure(folder: Path, target: PostgresqlTarget, psql: Path, tell: Tell) -> tuple[float, float]:
    checked = check(QUERY, parameters=[], allowance=Allowance(schemas=("campus",), functions=frozenset()))
    spec = Spec(target=target, checked=checked, values={}, limits=Limits(seconds=50), path=str(folder / "ours.csv"))

    async def ours() -> float:
        began = time.perf_counter()
        outcome = await run_in_child(spec, on_progress=_hear, cancel=asyncio.Event())
        seconds = time.perf_counter() - began
        if (outcome.status, outcome.rows) != ("done", ROWS):
            raise Failed(f"The run is {outcome.status} with {outcome.rows} rows: {outcome.reason}")
        return ROWS / seconds

    async def peer() -> float:
        began = time.perf_counter()
        await asyncio.to_thread(_psql, psql, target, folder / "peer.csv")
        return ROWS / (time.perf_counter() - began)

    await peer()  # the table is in memory for both
    return await in_turn(ours, peer, rounds=5, within=30, tell=tell)


async def _hear(_progress: Progress) -> None:
    """Hear and do nothing."""


def _psql(psql: Path, target: PostgresqlTarget, file: Path) -> None:
    done = subprocess.run(
        [
            str(psql), "-qX", "-h", target.host, "-p", str(target.port), "-U", target.username, "-d", target.database,
            "-c", f"\\copy ({QUERY}) TO '{file}' WITH (FORMAT csv, HEADER)",
        ],
        env={"PGPASSWORD": target.password.get_secret_value()}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise Failed(f"psql: {done.stderr.strip()}")


def _make_source(cluster: postgres.Cluster) -> PostgresqlTarget:
    with psycopg.connect(cluster.url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))
    with psycopg.connect(cluster.url, dbname=_DATABASE, autocommit=True) as owner:
        owner.execute(
            sql.SQL(_TABLES).format(
                rows=sql.Literal(ROWS), database=sql.Identifier(_DATABASE), reader=sql.Identifier(_READER),
                password=sql.Literal(_PASSWORD),
            )
        )  # fmt: skip
        owner.execute("VACUUM ANALYZE campus.student")
    parts = conninfo_to_dict(cluster.url)
    return PostgresqlTarget(
        host=str(parts["host"]), port=int(str(parts["port"])), database=_DATABASE, username=_READER,
        password=SecretStr(_PASSWORD), schemas=("campus",),
    )  # fmt: skip
