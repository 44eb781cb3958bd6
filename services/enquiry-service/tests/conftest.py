"""A database of a made-up campus, and a role that may only read it: a real source on the tests' server."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from enquiry_service.sources import Target

SECRET = "correct-horse-battery-staple"


class Campus(NamedTuple):
    """The source, the owner's way into it, and what its names are."""

    target: Target
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


def _target(url: str, database: str, role: str) -> Target:
    parts = conninfo_to_dict(url)
    return Target(
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
