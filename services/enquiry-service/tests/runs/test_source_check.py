"""A source passes its check only when its role is proven not to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from enquiry_service.sources.postgresql import adapter

SLIPS = {
    "role-attributes": ("ALTER ROLE {role} CREATEDB CREATEROLE", "ALTER ROLE {role} NOCREATEDB NOCREATEROLE"),
    "role-membership": ("GRANT pg_write_all_data TO {role}", "REVOKE pg_write_all_data FROM {role}"),
    "table-privileges": (
        "GRANT UPDATE (title) ON campus.course TO {role}",
        "REVOKE UPDATE (title) ON campus.course FROM {role}",
    ),
    "ownership": ("ALTER TABLE hidden.salary OWNER TO {role}", "ALTER TABLE hidden.salary OWNER TO {owner}"),
    "sequence-privileges": ("GRANT USAGE ON campus.numbers TO {role}", "REVOKE USAGE ON campus.numbers FROM {role}"),
    "schema-privileges": ("GRANT CREATE ON SCHEMA campus TO {role}", "REVOKE CREATE ON SCHEMA campus FROM {role}"),
    "database-create": (
        "GRANT CREATE ON DATABASE {database} TO {role}",
        "REVOKE CREATE ON DATABASE {database} FROM {role}",
    ),
    "database-temporary": (
        "GRANT TEMP ON DATABASE {database} TO PUBLIC",
        "REVOKE TEMP ON DATABASE {database} FROM PUBLIC",
    ),
    "security-definer": ("ALTER FUNCTION campus.grow SECURITY DEFINER", "ALTER FUNCTION campus.grow SECURITY INVOKER"),
    "wrote": ("GRANT INSERT, DELETE ON campus.course TO {role}", "REVOKE INSERT, DELETE ON campus.course FROM {role}"),
}


def test_a_role_that_may_only_read_passes_with_advice_at_most(campus: Any) -> None:
    found = adapter.check(campus.target)
    assert [finding for finding in found if finding.blocking] == []
    assert {finding.code for finding in found} <= {"large-objects"}


@pytest.mark.parametrize("code", SLIPS)
def test_each_way_to_write_is_found_and_told(code: str, campus: Any) -> None:
    with _slip(campus, *SLIPS[code]):
        found = {finding.code: finding for finding in adapter.check(campus.target)}
    assert found[code].blocking
    assert found[code].detail.endswith((".", ")."))


def test_the_tries_to_write_leave_nothing_behind(campus: Any) -> None:
    with _slip(campus, "GRANT ALL ON SCHEMA campus TO {role}", "REVOKE CREATE ON SCHEMA campus FROM {role}"):
        found = {finding.code for finding in adapter.check(campus.target)}
    assert "wrote" in found
    with psycopg.connect(campus.owner_url) as owner:
        left = owner.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'lodge_probe%'").fetchone()
    assert left == (0,)


def test_a_schema_that_is_not_there_or_not_open_is_told(campus: Any) -> None:
    target = campus.target.model_copy(update={"schemas": ("campus", "nowhere", "hidden")})
    assert {"schema-missing", "schema-closed"} <= {finding.code for finding in adapter.check(target)}


@pytest.mark.parametrize("change", [{"port": 1}, {"database": "no_such_database"}, {"username": "no_such_role"}])
def test_a_source_that_cannot_be_reached_says_so_without_its_secret(change: dict[str, Any], campus: Any) -> None:
    target = campus.target.model_copy(update={**change, "password": SecretStr("hush-hush")})
    (finding,) = adapter.check(target)
    assert finding.code == "unreachable"
    assert "hush" not in finding.detail
    assert f"{target.host}:{target.port}" in finding.detail


@contextmanager
def _slip(campus: Any, make: str, undo: str) -> Iterator[None]:
    with psycopg.connect(campus.owner_url, autocommit=True) as owner:
        names = {
            "role": sql.Identifier(campus.role),
            "database": sql.Identifier(campus.database),
            "owner": sql.Identifier(owner.info.user),
        }
        owner.execute(sql.SQL(make).format(**names))
        try:
            yield
        finally:
            owner.execute(sql.SQL(undo).format(**names))
