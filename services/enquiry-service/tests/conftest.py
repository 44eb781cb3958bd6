"""A running enquiry-service, people to act as, and a made-up campus whose database is a real source of data."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from fastapi import FastAPI
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

import enquiry_service.migrations
from enquiry_service import rights
from enquiry_service.app import create_app
from enquiry_service.settings import Settings
from enquiry_service.sources.targets import PostgresqlTarget
from enquiry_service.tables import Row
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer

SECRET = "correct-horse-battery-staple"


class Who(NamedTuple):
    """Ada and Ben ask, Olive answers, Peter approves what she has written."""

    ada: str = "per_01J00000000000000000000ADA"
    ben: str = "per_01J00000000000000000000BEN"
    olive: str = "per_01J0000000000000000000FF1C"
    peter: str = "per_01J0000000000000000PETER00"


WHO = Who()
ORG_UNITS = {"org_01J0000000000000000000SC1E": "Science", "org_01J0000000000000000000ARTS": "Arts"}
TEAMS = {"grp_01J00000000000000000000TEA": "Records team"}
PEOPLE = {WHO.ada: "Ada Asker", WHO.ben: "Ben Bystander", WHO.olive: "Olive Officer", WHO.peter: "Peter Approver"}
OFFICER = tuple(one for one in rights.ALL if {"member", "support-officer"} & {*one.roles})


class Campus(NamedTuple):
    """The source, the owner's way into it, and what its names are."""

    target: PostgresqlTarget
    owner_url: str
    server_url: str
    role: str
    database: str


_TABLES = """
    CREATE SCHEMA campus;
    CREATE SCHEMA hidden;
    CREATE TYPE campus.level AS ENUM ('ug', 'pg');
    CREATE DOMAIN campus.code AS text CHECK (length(VALUE) < 20);
    CREATE TABLE campus.student (
        id int PRIMARY KEY, name text, level campus.level, code campus.code, enrolled date, active boolean,
        seen_at timestamptz, local_at timestamp, fee numeric(10, 2), notes jsonb
    );
    CREATE TABLE campus.course (id int PRIMARY KEY, title text);
    CREATE SEQUENCE campus.numbers;
    CREATE TABLE hidden.salary (id int, amount int);
    INSERT INTO hidden.salary VALUES (1, 100000);
    INSERT INTO campus.course SELECT g, 'Course ' || g FROM generate_series(1, 200) g;
    INSERT INTO campus.student SELECT
        g, 'Student ' || g, (ARRAY['ug', 'pg'])[1 + g % 2]::campus.level, 'c' || g % 7, DATE '2024-09-01' + g % 300,
        CASE g % 3 WHEN 0 THEN true WHEN 1 THEN false END, TIMESTAMPTZ '2026-03-29 00:30:00+00' + g * interval '1 min',
        TIMESTAMP '2026-01-01 12:00:00' + g * interval '1 h', g * 1.25, jsonb_build_object('n', g)
    FROM generate_series(1, 5000) g;
    CREATE FUNCTION campus.grow() RETURNS int LANGUAGE sql
        AS $$ INSERT INTO campus.course VALUES (0, 'x') RETURNING id $$;
    ANALYZE;
"""


@pytest.fixture(scope="session")
def campus() -> Iterator[Campus]:
    server_url = os.environ["LODGE_TEST_SERVER_URL"]
    name = f"enq_{secrets.token_hex(5)}"
    role = f"{name}_reader"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(SECRET)))
        owner_url = make_conninfo(server_url, dbname=name)
        try:
            _furnish(owner_url, name, role)
            yield Campus(_target(server_url, name, role), owner_url, server_url, role, name)
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def _furnish(url: str, database: str, role: str) -> None:
    reader = sql.Identifier(role)
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(_TABLES)
        owner.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA campus TO {}").format(reader))
        owner.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA campus TO {}").format(reader))


def _target(url: str, database: str, role: str) -> PostgresqlTarget:
    parts = conninfo_to_dict(url)
    return PostgresqlTarget(
        host=str(parts["host"]),
        port=int(str(parts.get("port", 5432))),
        database=database,
        username=role,
        password=SecretStr(SECRET),
        schemas=("campus",),
    )


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return tmp_path / "result.csv"


class Clock:
    """The present, moved as a test likes."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
async def people() -> AsyncIterator[str]:
    """Answer the address of what knows the names of people, as access-service does behind the gateway."""

    async def names(request: web.Request) -> web.Response:
        asked, known = request.query["id"].split(","), PEOPLE | ORG_UNITS | TEAMS
        return web.json_response({"items": [{"id": one, "name": known[one]} for one in asked if one in known]})

    async def evaluations(request: web.Request) -> web.Response:
        asked = (await request.json())["evaluations"]  # rights on single reports: nobody was given any
        return web.json_response({"evaluations": [{"decision": False} for _ in asked]})

    served = web.Application()
    served.router.add_get("/access/v1/names", names)
    served.router.add_post("/access/v1/evaluations", evaluations)
    runner = web.AppRunner(served, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def who() -> Who:
    return WHO


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database_url(databases: Databases) -> str:
    return databases.of("enquiry", lambda found: migrate(found, enquiry_service.migrations, Row.metadata))


@pytest.fixture
def settings(database_url: str, people: str, campus: Campus, tmp_path: Path) -> Settings:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "campus").write_text(f"{SECRET}\n")
    target = campus.target
    return Settings(
        database_url=database_url,
        sealing_keys=Fernet.generate_key().decode(),
        audit_key="a test's own",
        gateway_url=people,
        storage=tmp_path / "storage",
        source_secrets=folder,
        source_hosts=(f"{target.host}:{target.port}", f"{target.host}:1"),
    )


@pytest.fixture
async def app(settings: Settings, issuer: Issuer, clock: Clock) -> FastAPI:
    return create_app(settings, clock=clock, keys=issuer.keys)


@pytest.fixture
async def client(app: FastAPI, issuer: Issuer) -> AsyncIterator[Client]:
    async with opened(app, issuer) as found:
        yield found


@pytest.fixture
def ada(client: Client) -> Client:
    return client.acting(WHO.ada, [rights.FILE], name=PEOPLE[WHO.ada])


@pytest.fixture
def ben(client: Client) -> Client:
    return client.acting(WHO.ben, [rights.FILE], name=PEOPLE[WHO.ben])


@pytest.fixture
def olive(client: Client) -> Client:
    return client.acting(WHO.olive, OFFICER, name=PEOPLE[WHO.olive])


@pytest.fixture
def peter(client: Client) -> Client:
    return client.acting(WHO.peter, rights.ALL, name=PEOPLE[WHO.peter])


@pytest.fixture
def work(app: FastAPI) -> Callable[[], Awaitable[None]]:
    """Answer what does the jobs that wait, as the worker would."""

    async def done() -> None:
        queue = app.state.world.queue
        await asyncio.wait_for(queue.run_worker_async(wait=False, install_signal_handlers=False), 60)

    return done


@pytest.fixture
def place(campus: Campus) -> dict[str, Any]:
    """Answer the campus as a portal would register it."""
    return {
        "name": "Student records", "host": campus.target.host, "port": campus.target.port,
        "database": campus.database, "username": campus.role, "secret_name": "campus", "allowed_schemas": ["campus"],
    }  # fmt: skip


@pytest.fixture
async def source(peter: Client, place: dict[str, Any]) -> dict[str, Any]:
    """Answer the campus as a data source that was proved to be read only."""
    made = await peter.made("/enquiry/v1/sources", **place)
    checked = await peter.made(f"/enquiry/v1/sources/{made['id']}/check")
    assert not [one for one in checked["check_findings"] if one["blocking"]], checked
    return checked


Reporting = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def reporting(olive: Client, peter: Client, source: dict[str, Any]) -> Reporting:
    """Answer what makes a report of Olive's that Peter approved, from its SQL and its parameters."""

    async def made(sql: str, *parameters: dict[str, Any]) -> dict[str, Any]:
        report = await olive.made("/enquiry/v1/reports", name=f"Report {secrets.token_hex(4)}", source=source["id"])
        versions = f"/enquiry/v1/reports/{report['id']}/versions"
        version = await olive.made(versions, sql=sql, parameters=list(parameters))
        classes = {one["name"]: "none" for one in version["result_columns"]}
        path = f"{versions}/{version['number']}"
        classified = await olive.patch(path, json={"classes": classes}, headers={"If-Match": version["etag"]})
        assert classified.status_code == 200, classified.text
        await olive.made(f"{versions}/{version['number']}/submit")
        await peter.made(f"{versions}/{version['number']}/approve")
        return report

    return made
