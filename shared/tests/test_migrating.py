"""`migrate`: once or many times, by one or by many, behind or ahead."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel

from lodge_kit import migrating
from lodge_kit.tables import Row
from lodge_kit.testing.databases import Databases

HEADS = ["desk_0001", "kit_0003"]
"""The service's first depends on the kit's first only, which is therefore not named."""


@pytest.fixture
def empty(databases: Databases, request: pytest.FixtureRequest) -> str:
    """Answer the URL of a database in which nothing is yet."""
    name = f"bare_{abs(hash(request.node.name)) % 10**8}"
    return databases.fresh(name, "bare", lambda _url: None)


def test_migrating_twice_changes_nothing_the_second_time(empty: str, migrate_desk: Callable[[str], list[str]]) -> None:
    assert migrate_desk(empty) == HEADS
    assert migrate_desk(empty) == HEADS


def test_three_processes_at_once_make_one_schema(empty: str) -> None:
    program = (
        "import importlib.util, sys; from sqlalchemy import MetaData; from lodge_kit.migrating import migrate\n"
        "place = sys.argv[1]\n"
        "file = place + '/__init__.py'\n"
        "spec = importlib.util.spec_from_file_location('d', file, submodule_search_locations=[place])\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "print(migrate(sys.argv[2], module, MetaData()))"
    )
    asked = [sys.executable, "-c", program, str(Path(__file__).parent / "desk_migrations"), empty]
    with ThreadPoolExecutor(3) as threads:
        run = partial(subprocess.run, capture_output=True, text=True, check=False, timeout=60)
        ended = list(threads.map(run, [asked] * 3))
    assert [(one.returncode, one.stdout.strip()) for one in ended] == [(0, str(HEADS))] * 3, ended[0].stderr


def test_code_that_is_behind_its_database_leaves_it_alone(
    empty: str, migrate_desk: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    migrate_desk(empty)
    with psycopg.connect(empty, autocommit=True) as database:
        database.execute("UPDATE alembic_version SET version_num = 'desk_9999' WHERE version_num = 'desk_0001'")
    assert migrate_desk(empty) == ["desk_9999", "kit_0003"]
    assert "ahead of this code (desk_9999)" in capsys.readouterr().out


def test_a_password_may_hold_any_character(
    databases: Databases, empty: str, migrate_desk: Callable[[str], list[str]]
) -> None:
    password, name = "100%25 s:@/?#[é", make_url(empty).database or ""
    role = f"{name}_role"
    with psycopg.connect(databases.url("postgres"), autocommit=True) as server:
        server.execute(
            sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        )
        try:
            url = make_url(empty).set(username=role, password=password).render_as_string(hide_password=False)
            assert migrate_desk(url) == HEADS
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_the_kits_tables_are_what_its_revisions_make(empty: str, migrate_desk: Callable[[str], list[str]]) -> None:
    migrate_desk(empty)
    engine = create_engine(make_url(empty).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        options: dict[str, Any] = {
            "include_name": lambda name, kind, _parents: kind != "table" or name in Row.metadata.tables,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Row.metadata) == []
    engine.dispose()


def test_nothing_offers_a_way_back() -> None:
    assert not hasattr(migrating, "downgrade")
    for revision in (Path(migrating.__file__).parent / "migrations" / "versions").glob("*.py"):
        assert "def downgrade" not in revision.read_text()


def test_a_migration_that_must_wait_for_a_lock_gives_way(
    empty: str, migrate_desk: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_WAIT", "50ms")
    with psycopg.connect(empty) as other:
        other.execute("CREATE TABLE counter (name text)")
        with pytest.raises(Exception, match="lock timeout"):
            migrate_desk(empty)


def test_the_metadata_that_all_would_share_is_empty() -> None:
    assert not SQLModel.metadata.tables
