"""The proof that a source's role cannot write: what the catalogue says of it, and what happens when it tries.

Every try is in a transaction that is rolled back. A role passes when nothing that blocks is found.
"""

# ruff: noqa: S608 - what is put into a question is a constant of this module

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from enquiry_service.sources import Finding
from enquiry_service.sources.postgresql.session import Connection
from enquiry_service.sources.targets import PostgresqlTarget

_SHOWN = 5
_TRIED = 20

_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"

_SIGNS: tuple[tuple[str, LiteralString, str], ...] = (
    (
        "role-attributes",
        """
        SELECT DISTINCT a.what
        FROM pg_catalog.pg_roles r, LATERAL (VALUES
            (r.rolsuper, 'SUPERUSER'), (r.rolcreatedb, 'CREATEDB'), (r.rolcreaterole, 'CREATEROLE'),
            (r.rolbypassrls, 'BYPASSRLS'), (r.rolreplication, 'REPLICATION')) a(has, what)
        WHERE a.has AND pg_catalog.pg_has_role(r.oid, 'MEMBER') ORDER BY 1
        """,
        "The role has {} (itself, or by a role that it is a member of); take that away.",
    ),
    (
        "role-membership",
        """
        SELECT r.rolname FROM pg_catalog.pg_roles r
        WHERE r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_read_server_files',
            'pg_execute_server_program', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription',
            'pg_signal_autovacuum_worker', 'pg_database_owner')
        AND pg_catalog.pg_has_role(r.oid, 'MEMBER') ORDER BY 1
        """,
        "The role is a member of {}; revoke it.",
    ),
    (
        "table-privileges",
        f"""
        SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_OURS} AND (
            pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')
            OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE, REFERENCES')) ORDER BY 1
        """,
        "The role may change {}; grant it SELECT only.",
    ),
    (
        "ownership",
        f"""
        SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND pg_catalog.pg_has_role(c.relowner, 'MEMBER')
        UNION ALL SELECT 'schema ' || n.nspname FROM pg_catalog.pg_namespace n
        WHERE {_OURS} AND pg_catalog.pg_has_role(n.nspowner, 'MEMBER')
        UNION ALL SELECT 'function ' || p.proname FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE {_OURS} AND pg_catalog.pg_has_role(p.proowner, 'MEMBER')
        UNION ALL SELECT 'database ' || datname FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database() AND pg_catalog.pg_has_role(datdba, 'MEMBER') ORDER BY 1
        """,
        "The role owns {}, and an owner may do anything to it; give it to another role.",
    ),
    (
        "sequence-privileges",
        f"""
        SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS}
        -- CASE, as AND may ask about what is no sequence first, which is an error.
        AND CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE, UPDATE') END ORDER BY 1
        """,
        "The role may move the sequence {}; revoke USAGE and UPDATE.",
    ),
    (
        "schema-privileges",
        f"""
        SELECT n.nspname FROM pg_catalog.pg_namespace n
        WHERE {_OURS} AND pg_catalog.has_schema_privilege(n.oid, 'CREATE') ORDER BY 1
        """,
        "The role may create in the schema {}; revoke CREATE from it and from PUBLIC.",
    ),
    (
        "database-create",
        """
        SELECT pg_catalog.current_database()
        WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        """,
        "The role may create schemas in the database {}; revoke CREATE.",
    ),
    (
        "database-temporary",
        """
        SELECT pg_catalog.current_database()
        WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')
        """,
        "The role may create temporary tables; run REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC.",
    ),
    (
        "security-definer",
        f"""
        SELECT n.nspname || '.' || p.proname FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND {_OURS} AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1
        """,
        "The role may call {}, which acts with its owner's rights; revoke EXECUTE from it and from PUBLIC.",
    ),
    (
        "foreign-servers",
        """
        SELECT srvname FROM pg_catalog.pg_foreign_server
        WHERE pg_catalog.has_server_privilege(oid, 'USAGE') ORDER BY 1
        """,
        "The role may use the foreign server {}; revoke USAGE.",
    ),
)

_ADVICE: tuple[tuple[str, LiteralString, str], ...] = (
    (
        "large-objects",
        """
        SELECT DISTINCT p.proname FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
        AND p.proname IN ('lo_create', 'lo_creat', 'lo_from_bytea')
        AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1
        """,
        "Any role may make large objects by {}; reports may not call it, and revoking EXECUTE from PUBLIC makes sure.",
    ),
)


def findings(connection: Connection, target: PostgresqlTarget) -> list[Finding]:
    """Answer everything that would let the role write, then the advice; raises psycopg.Error where it cannot tell."""
    connection.execute("SELECT pg_catalog.set_config('statement_timeout', '10s', false)")
    connection.execute("SELECT pg_catalog.set_config('lock_timeout', '1s', false)")
    connection.commit()
    found = [*_signs(connection, _SIGNS, blocking=True), *_schemas(connection, target), *_tries(connection, target)]
    connection.rollback()
    return [*found, *_signs(connection, _ADVICE, blocking=False)]


def _signs(
    connection: Connection, signs: Sequence[tuple[str, LiteralString, str]], *, blocking: bool
) -> Iterator[Finding]:
    for code, question, sentence in signs:
        names = [str(row[0]) for row in connection.execute(question)]
        if names:
            shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            yield Finding(code=code, detail=sentence.format(shown), blocking=blocking)


def _schemas(connection: Connection, target: PostgresqlTarget) -> Iterator[Finding]:
    for schema in target.schemas:
        row = connection.execute(
            "SELECT pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = %s",
            (schema,),
        ).fetchone()
        if row is None:
            yield Finding(code="schema-missing", detail=f"There is no schema {schema}; check the allowed schemas.")
        elif not row[0]:
            yield Finding(code="schema-closed", detail=f"The role may not use the schema {schema}; grant it USAGE.")


def _tries(connection: Connection, target: PostgresqlTarget) -> Iterator[Finding]:
    """Try to write: what succeeds is a finding, whatever the catalogue said."""
    probe = sql.Identifier(f"lodge_probe_{secrets.token_hex(6)}")
    attempts: list[tuple[str, sql.Composed]] = [
        ("a temporary table", sql.SQL("CREATE TEMPORARY TABLE {} ()").format(probe))
    ]
    attempts += [
        (f"a table in {schema}", sql.SQL("CREATE TABLE {}.{} ()").format(sql.Identifier(schema), probe))
        for schema in target.schemas
    ]
    for schema, name in _visible(connection, target):
        table = sql.Identifier(schema, name)
        attempts += [
            (f"a row into {schema}.{name}", sql.SQL("INSERT INTO {0} SELECT * FROM {0} WHERE false").format(table)),
            (f"a change of {schema}.{name}", sql.SQL("DELETE FROM {} WHERE false").format(table)),
        ]
    for what, attempt in attempts:
        if _succeeds(connection, attempt):
            yield Finding(code="wrote", detail=f"The role was let write {what} (it was rolled back).")


def _visible(connection: Connection, target: PostgresqlTarget) -> list[TupleRow]:
    return connection.execute(
        """
        SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY(%s) AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY c.reltuples, 1, 2 LIMIT %s
        """,
        (list(target.schemas), _TRIED),
    ).fetchall()


def _succeeds(connection: Connection, attempt: sql.Composed) -> bool:
    with contextlib.suppress(psycopg.errors.Error), connection.transaction(force_rollback=True):
        connection.execute(attempt)
        return True
    return False
