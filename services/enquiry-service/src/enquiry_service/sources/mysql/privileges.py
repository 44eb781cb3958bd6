"""What would let the user of a MariaDB or MySQL source write: asked of the server, and tried."""

import contextlib
import secrets
from collections.abc import Iterator

import pymysql
from pymysql.cursors import Cursor

from enquiry_service.sources import Finding
from enquiry_service.sources.mysql.session import Connection
from enquiry_service.sources.targets import MysqlTarget

_HARMLESS = frozenset({"USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES"})
_LEVELS = {"user": "everywhere", "schema": "in {}", "table": "on a table of {}", "column": "on columns of {}"}
_MOST_TRIED = 20


def findings(connection: Connection, target: MysqlTarget) -> list[Finding]:
    """Answer all that is wrong with the user: empty when it is proven that it can read only."""
    with connection.cursor(Cursor) as cursor:
        visible = _visible(cursor)
        found = [*_privileges(cursor), *_roles(cursor), *_schemas(target, visible)]
        return found + list(_tries(cursor, visible))


def _visible(cursor: Cursor) -> list[str]:
    cursor.execute("SELECT schema_name FROM information_schema.schemata ORDER BY 1")
    own = ("information_schema", "performance_schema")
    return [name for (name,) in cursor.fetchall() if name.lower() not in own]


def _privileges(cursor: Cursor) -> Iterator[Finding]:
    for level, where in _LEVELS.items():
        place = "''" if level == "user" else "table_schema"
        cursor.execute(
            f"SELECT privilege_type, {place}, is_grantable FROM information_schema.{level}_privileges"  # noqa: S608 - our own words
            " WHERE REPLACE(grantee, '''', '') = CURRENT_USER()"
        )
        held = sorted(cursor.fetchall())
        for name, schema, _ in held:
            if name.upper() not in _HARMLESS:
                detail = f"The user has the privilege {name} {where.format(schema)}. Revoke it: a report only reads."
                yield Finding(code=f"{level}-privileges", detail=detail)
        if any(grantable == "YES" for *_, grantable in held):
            detail = f"The user may pass privileges on {where.format('a database')}. Revoke GRANT OPTION."
            yield Finding(code="grant-option", detail=detail)


def _roles(cursor: Cursor) -> Iterator[Finding]:
    try:
        cursor.execute("SELECT role_name FROM information_schema.applicable_roles")
    except pymysql.MySQLError:
        return  # MySQL before 8 has no roles
    for (name,) in cursor.fetchall():
        detail = f"The user has the role {name}, which may be given more at any time. Grant SELECT to the user itself."
        yield Finding(code="role-membership", detail=detail)


def _schemas(target: MysqlTarget, visible: list[str]) -> Iterator[Finding]:
    for name in target.schemas:
        if name not in visible:
            yield Finding(code="schema-missing", detail=f"The user sees no database {name}; grant it SELECT there.")


def _tries(cursor: Cursor, visible: list[str]) -> Iterator[Finding]:
    """Try to write wherever the user sees anything: who may write into `test` is told by no privilege of its own."""
    name = f"lodge_probe_{secrets.token_hex(4)}"
    for schema in visible[:_MOST_TRIED]:
        table = f"`{schema.replace('`', '``')}`.{name}"
        try:
            cursor.execute(f"CREATE TABLE {table} (a INT)")
        except pymysql.MySQLError:
            continue
        with contextlib.suppress(pymysql.MySQLError):
            cursor.execute(f"DROP TABLE {table}")
        yield Finding(code="wrote", detail=f"The user could make a table in {schema}. Revoke CREATE there.")
