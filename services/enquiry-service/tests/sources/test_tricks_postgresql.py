"""Ways to write, to see or to hold what a report may not: each refused by the check, each harmless without it.

Without the check they go to PostgreSQL as a report would, under the role that may only read, and are stopped by:

    grammar      it is not one query, and COPY (SELECT …) takes nothing else; or this PostgreSQL was built without it
    role         the role lacks the privilege
    read only    the transaction is READ ONLY
    limits       the plan's cost, the time, the size
    session      it ran, touched nothing but its own connection, and ended with it
    rolled back  it ran, and what it made went with the transaction (PostgreSQL 16 and later refuse it)
    seen         it ran and saw what the role may see anyway: only the check keeps reports from it
"""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .tricks import Trick, harmless, refused

TRICKS = {
    "delete in with": Trick(
        "WITH gone AS (DELETE FROM campus.course RETURNING *) SELECT * FROM gone", "DELETE", "grammar|role"
    ),
    "insert in with": Trick(
        "WITH a AS (INSERT INTO campus.course VALUES (0, 'x') RETURNING 1) SELECT * FROM a", "INSERT", "grammar|role"
    ),
    "update in nested with": Trick(
        "SELECT * FROM (WITH a AS (UPDATE campus.course SET title = '' RETURNING 1) SELECT * FROM a) b",
        "UPDATE",
        "grammar",
    ),
    "merge": Trick(
        "MERGE INTO campus.course c USING campus.course d ON c.id = d.id WHEN MATCHED THEN DELETE", "MERGE", "grammar"
    ),
    "plain delete": Trick("DELETE FROM campus.course", "DELETE", "grammar"),
    "truncate": Trick("TRUNCATE campus.course", "SELECT", "grammar"),
    "select into": Trick("SELECT * INTO campus.copy FROM campus.course", "INTO", "grammar|role"),
    "create table as": Trick("CREATE TABLE campus.copy AS SELECT 1", "CREATE", "grammar"),
    "temporary table": Trick("CREATE TEMP TABLE t AS SELECT 1", "CREATE", "grammar"),
    "stacked": Trick("SELECT 1; DROP TABLE campus.course", "more than one", "grammar"),
    "stacked behind a comment": Trick("SELECT 1 /* ; /* */ */; DELETE FROM campus.course --", "more than", "grammar"),
    "out of the parenthesis": Trick(
        "SELECT 1) AS q(a)) TO STDOUT; DELETE FROM campus.course; COPY (SELECT (1", "read", "grammar"
    ),
    "copy to program": Trick("COPY campus.course TO PROGRAM 'touch /tmp/lodge'", "COPY", "grammar"),
    "copy to a file": Trick("COPY (SELECT 1) TO '/tmp/lodge'", "COPY", "grammar"),
    "copy from a file": Trick("COPY campus.course FROM '/etc/passwd'", "COPY", "grammar"),
    "do block": Trick("DO $$ BEGIN DELETE FROM campus.course; END $$", "SELECT", "grammar"),
    "prepared": Trick("PREPARE p AS DELETE FROM campus.course", "SELECT", "grammar"),
    "executed": Trick("EXECUTE lodge_ours", "SELECT", "grammar"),
    "explained": Trick("EXPLAIN ANALYZE DELETE FROM campus.course", "SELECT", "grammar"),
    "called": Trick("CALL campus.grow()", "SELECT", "grammar"),
    "set role": Trick("SET ROLE postgres", "SELECT", "grammar"),
    "read write again": Trick("SET TRANSACTION READ WRITE", "SELECT", "grammar"),
    "committed": Trick("COMMIT", "SELECT", "grammar"),
    "lock for update": Trick("SELECT * FROM campus.course FOR UPDATE", "locks", "role|read only"),
    "lock for share": Trick("SELECT * FROM (SELECT * FROM campus.course FOR KEY SHARE) q", "locks", "role|read only"),
    "lock table": Trick("LOCK TABLE campus.course", "SELECT", "grammar"),
    "sequence": Trick("SELECT nextval('campus.numbers')", "nextval", "role|read only"),
    "sequence by schema": Trick("SELECT pg_catalog.setval('campus.numbers', 9)", "setval", "role|read only"),
    "a function that writes": Trick("SELECT campus.grow()", "campus.grow", "role|read only"),
    "a function in from": Trick("SELECT * FROM campus.grow()", "campus.grow", "role|read only"),
    "a function in lateral": Trick("SELECT * FROM campus.course, LATERAL campus.grow() g", "grow", "role|read only"),
    "rows from": Trick("SELECT * FROM ROWS FROM (pg_sleep(0))", "pg_sleep", "session"),
    "sleep": Trick("SELECT pg_sleep(60)", "pg_sleep", "limits"),
    "sleep quoted": Trick('SELECT "pg_sleep"(60)', "pg_sleep", "limits"),
    "sleep by schema": Trick("SELECT pg_catalog.pg_sleep(60)", "pg_sleep", "limits"),
    "sleep quoted by schema": Trick('SELECT "pg_catalog"."pg_sleep"(60)', "pg_sleep", "limits"),
    "sleep in unicode": Trick('SELECT U&"pg\\005fsleep"(60)', "read|BITWISE|function", "limits"),
    "sleep after a comment": Trick("SELECT pg_sleep/**/(60)", "pg_sleep", "limits"),
    "sleep in order by": Trick("SELECT 1 ORDER BY pg_sleep(60) IS NULL", "pg_sleep", "limits"),
    "sleep in a filter": Trick(
        "SELECT count(*) FILTER (WHERE pg_sleep(60) IS NULL) FROM campus.course", "pg_sl", "limits"
    ),
    "sleep in limit": Trick("SELECT 1 LIMIT (SELECT 1 FROM pg_sleep(60))", "pg_sleep", "limits"),
    "advisory lock": Trick("SELECT pg_advisory_lock(42)", "pg_advisory_lock", "session"),
    "transaction's advisory lock": Trick("SELECT pg_advisory_xact_lock(42)", "pg_advisory_xact_lock", "session"),
    "longer timeout": Trick("SELECT set_config('statement_timeout', '0', false)", "set_config", "session"),
    "writable again": Trick(
        "SELECT set_config('transaction_read_only', 'off', true)", "set_config", "read only|session"
    ),
    "terminate backends": Trick(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user", "pg_", "role|session"
    ),
    "cancel backends": Trick("SELECT pg_cancel_backend(1)", "pg_cancel_backend", "role|session"),
    "reload": Trick("SELECT pg_reload_conf()", "pg_reload_conf", "role"),
    "read a file": Trick("SELECT pg_read_file('/etc/passwd')", "pg_read_file", "role"),
    "read a file's bytes": Trick("SELECT pg_read_binary_file('PG_VERSION')", "pg_read_binary_file", "role"),
    "list a folder": Trick("SELECT pg_ls_dir('/')", "pg_ls_dir", "role"),
    "make a large object": Trick("SELECT lo_create(0)", "lo_create", "read only|rolled back"),
    "import a large object": Trick("SELECT lo_import('/etc/passwd')", "lo_import", "role"),
    "export a large object": Trick("SELECT lo_export(1, '/tmp/lodge')", "lo_export", "role"),
    "large object from bytes": Trick("SELECT lo_from_bytea(0, 'x')", "lo_from_bytea", "read only|rolled back"),
    "query to xml": Trick(
        "SELECT query_to_xml('DELETE FROM campus.course', true, true, '')", "query_to_xml", "role|read only|grammar"
    ),
    "table to xml": Trick("SELECT table_to_xml('hidden.salary', true, true, '')", "table_to_xml", "role"),
    "database to xml": Trick("SELECT database_to_xml(true, true, '')", "database_to_xml", "seen|role|grammar"),
    "xml table": Trick("SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b text)", "XMLTABLE|read", "seen|grammar"),
    "cursor to xml": Trick("SELECT cursor_to_xml('c', 1, true, true, '')", "cursor_to_xml", "grammar|role"),
    "statistics by text": Trick(
        "SELECT ts_stat('DELETE FROM campus.course RETURNING to_tsvector(title)')", "ts_stat", "role|read only|grammar"
    ),
    "settings": Trick("SELECT current_setting('data_directory')", "current_setting", "role"),
    "who am i": Trick("SELECT current_user", "CURRENT", "seen"),
    "which role": Trick("SELECT user", "connection", "seen"),
    "version": Trick("SELECT version()", "version", "seen"),
    "catalogue": Trick("SELECT * FROM pg_catalog.pg_class", "pg_catalog", "seen"),
    "catalogue unnamed": Trick("SELECT * FROM pg_stat_activity", "catalogue", "seen"),
    "catalogue quoted": Trick('SELECT * FROM "pg_roles"', "catalogue", "seen"),
    "catalogue behind a with": Trick(
        "SELECT * FROM pg_roles r, (WITH pg_roles AS (SELECT 1) SELECT * FROM pg_roles) q", "catalogue", "seen"
    ),
    "passwords": Trick("SELECT * FROM pg_authid", "catalogue", "role"),
    "information schema": Trick("SELECT * FROM information_schema.tables", "information_schema", "seen"),
    "another schema": Trick("SELECT * FROM hidden.salary", "hidden", "role"),
    "another schema in a subquery": Trick("SELECT (SELECT max(amount) FROM hidden.salary)", "hidden", "role"),
    "another database": Trick("SELECT * FROM postgres.public.t", "database", "grammar"),
    "table command": Trick("TABLE hidden.salary", "hidden", "role"),
    "cast to regclass": Trick("SELECT 'hidden.salary'::regclass", "regclass", "seen|role"),
    "cast to regrole": Trick("SELECT CAST('postgres' AS regrole)", "regclass", "seen|grammar"),
    "cast by name": Trick("SELECT regclass 'pg_authid'", "regclass", "seen"),
    "cast to a domain": Trick("SELECT 'x'::campus.code", "campus.code", "seen"),
    "operator by schema": Trick("SELECT 1 OPERATOR(pg_catalog.+) 2", "OPERATOR", "seen"),
    "a row to a function": Trick("SELECT (SELECT pg_notify('c', 'x'))", "pg_notify", "session|read only"),
    "dollar quotes": Trick("SELECT $a$'; $a$, pg_sleep(60), $b$ --$b$", "pg_sleep", "limits"),
    "escape string": Trick("SELECT E'\\'', pg_sleep(60), '--'", "pg_sleep", "limits"),
    "backslash": Trick("SELECT '\\', pg_sleep(60), '", "end", "grammar"),
    "huge series": Trick("SELECT * FROM generate_series(1, 1000000000000)", "generate_series", "limits"),
    "huge text": Trick("SELECT repeat('x', 900000000)", "repeat", "limits|session"),
    "dblink": Trick("SELECT * FROM dblink('dbname=postgres', 'DELETE FROM t') AS d(a int)", "dblink", "grammar"),
    "a setting by show": Trick("SHOW data_directory", "SELECT", "grammar|role"),
    "listen": Trick("LISTEN channel", "SELECT", "grammar"),
    "positional parameter": Trick("SELECT $1", ":name", "grammar|seen"),
    "wal": Trick("SELECT pg_switch_wal()", "pg_switch_wal", "role"),
    "logical message": Trick("SELECT pg_logical_emit_message(false, 'a', 'b')", "pg_logical", "role|session|read only"),
    "random seed": Trick("SELECT setseed(0.5)", "setseed", "session"),
    "transaction id": Trick("SELECT pg_current_xact_id()", "pg_current_xact_id", "read only|session"),
    "exported snapshot": Trick("SELECT pg_export_snapshot()", "pg_export_snapshot", "session"),
}

SQLSTATES = {
    "42501": "role", "25006": "read only", "25001": "read only",
    "57014": "limits", "53200": "limits", "54000": "limits",
}  # fmt: skip
"""Insufficient privilege; read-only transaction; cancelled, out of memory, too large.

What else PostgreSQL refuses is no query that it can read.
"""


@pytest.mark.parametrize("name", TRICKS)
def test_the_check_refuses_each_trick_and_says_why(name: str) -> None:
    refused(TRICKS[name], "postgresql", schema="campus")


@pytest.mark.parametrize("name", TRICKS)
def test_without_the_check_each_trick_is_harmless(name: str, campus: Any, result: Path) -> None:
    harmless(TRICKS[name], campus.target, result, fingerprint=lambda: _fingerprint(campus.owner_url), layers=_layers)


def _layers(stopped: str) -> tuple[str, ...]:
    """Answer by which of the layers a trick can have ended so."""
    if stopped == "ran":
        return ("session", "seen", "rolled back")
    if stopped == "limits" or "expects" in stopped or "larger" in stopped:
        return ("limits",)
    state = re.search(r"\((\w{5})\)\.$", stopped)
    return (SQLSTATES.get(state[1], "grammar") if state else "grammar",)


def _fingerprint(url: str) -> list[Any]:
    """Answer what must not have changed: every row, every object, every lock, every other's connection."""
    with psycopg.connect(url) as owner:
        return [
            owner.execute("SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM campus.student s").fetchone(),
            owner.execute("SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM campus.course c").fetchone(),
            owner.execute("SELECT last_value, is_called FROM campus.numbers").fetchone(),
            owner.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone(),
            owner.execute("SELECT count(*), max(oid) FROM pg_class").fetchone(),
            # Roles belong to the whole server: those of the tests beside us come and go.
            owner.execute("SELECT count(*) FROM pg_roles WHERE rolname !~ '^(enq|lodge)_'").fetchone(),
            owner.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE l.locktype = 'advisory' AND d.datname = current_database()"
            ).fetchone(),
        ]
