"""Ways to write, to see or to hold what a report may not, on SQLite: each refused by the check, each harmless without.

Without the check they go to the file as a report would, and are stopped by:

    grammar     it is not one query, or this SQLite does not know it
    authorizer  a statement may select and read, and nothing else
    read only   the file was opened so, and is asked to stay so: by `mode=ro` and by `query_only`
    limits      the time, the size
    seen        it ran and saw what the reader of the file may see anyway: only the check keeps reports from it

Each of the three that keep from writing is tried alone too.
"""

import contextlib
import hashlib
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from enquiry_service.sources import sqlite

from .tricks import ONLY_AT_THE_SOURCE, Trick, harmless, refused

_ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)"

WRITES = {
    "plain delete": Trick("DELETE FROM many", "DELETE", "grammar"),
    "delete with returning": Trick("DELETE FROM many RETURNING n", "DELETE", "grammar"),
    "delete behind a with": Trick("WITH a AS (SELECT 1) DELETE FROM many", "DELETE|read", "grammar"),
    "delete indexed": Trick("DELETE FROM many NOT INDEXED", "DELETE|read", "grammar"),
    "insert": Trick("INSERT INTO many VALUES (0)", "INSERT", "grammar"),
    "insert with returning": Trick("INSERT INTO many VALUES (0) RETURNING n", "INSERT", "grammar"),
    "insert or replace": Trick("INSERT OR REPLACE INTO many VALUES (0)", "INSERT|read", "grammar"),
    "insert on conflict": Trick("INSERT INTO many SELECT 1 WHERE true ON CONFLICT DO NOTHING", "INSERT", "grammar"),
    "insert defaults": Trick("INSERT INTO many DEFAULT VALUES", "INSERT|read", "grammar"),
    "replace into": Trick("REPLACE INTO many VALUES (0)", "REPLACE|SELECT|INSERT|read", "grammar"),
    "update": Trick("UPDATE many SET n = 0", "UPDATE", "grammar"),
    "update or ignore": Trick("UPDATE OR IGNORE many SET n = 0", "UPDATE|read", "grammar"),
    "update from": Trick("UPDATE many SET n = 0 FROM module", "UPDATE", "grammar"),
    "update behind a with": Trick("WITH a AS (SELECT 1) UPDATE many SET n = 0", "UPDATE|read", "grammar"),
    "update of the schema": Trick("UPDATE sqlite_master SET sql = 'x'", "UPDATE", "grammar"),
    "create table": Trick("CREATE TABLE copy (a)", "CREATE", "grammar"),
    "create table as": Trick("CREATE TABLE copy AS SELECT 1", "CREATE", "grammar"),
    "create index": Trick("CREATE INDEX i ON many (n)", "CREATE", "grammar"),
    "create view": Trick("CREATE VIEW v AS SELECT 1", "CREATE", "grammar"),
    "create trigger": Trick(
        "CREATE TRIGGER t AFTER INSERT ON many BEGIN DELETE FROM many; END", "CREATE|read|statement", "grammar"
    ),
    "virtual table": Trick("CREATE VIRTUAL TABLE v USING fts5(a)", "CREATE|SELECT|read", "grammar"),
    "alter": Trick("ALTER TABLE many ADD COLUMN x", "ALTER|SELECT", "grammar"),
    "rename": Trick("ALTER TABLE many RENAME TO few", "ALTER|SELECT", "grammar"),
    "drop": Trick("DROP TABLE many", "DROP", "grammar"),
    "drop of what is not there": Trick("DROP INDEX IF EXISTS main.i", "DROP", "grammar"),
    "analyze": Trick("ANALYZE", "ANALYZE|SELECT|read", "grammar"),
    "vacuum": Trick("VACUUM", "SELECT|VACUUM|read", "grammar"),
    "user version": Trick("PRAGMA user_version = 7", "PRAGMA|SELECT|read", "grammar"),
    "application id": Trick("PRAGMA application_id = 7", "PRAGMA|SELECT|read", "grammar"),
}
"""What would change the file."""

TRICKS = WRITES | {
    "temporary table": Trick("CREATE TEMP TABLE t (a)", "CREATE", "grammar"),
    "vacuum into": Trick("VACUUM INTO '/tmp/lodge'", "SELECT|VACUUM|read", "grammar"),
    "attach": Trick("ATTACH '/tmp/lodge' AS other", "SELECT|ATTACH|read", "grammar"),
    "attach by a name": Trick("ATTACH DATABASE 'file:/tmp/lodge?mode=rwc' AS other", "SELECT|ATTACH|read", "grammar"),
    "detach": Trick("DETACH main", "SELECT|DETACH|read", "grammar"),
    "reindex": Trick("REINDEX", "SELECT|read", "grammar"),
    "stacked": Trick("SELECT 1; DROP TABLE many", "more than one", "grammar"),
    "stacked behind a comment": Trick("SELECT 1 /* ; */; DELETE FROM many -- ", "more than one", "grammar"),
    "stacked behind a line's comment": Trick("SELECT 1 -- ; \n; DELETE FROM many", "more than one", "grammar"),
    "a comment that does not end": Trick("SELECT 1 /* FROM many", "end|read", "grammar|seen"),
    "a comment in a comment": Trick("SELECT 1 /* /* */; DELETE FROM many --*/", "more than one|end|read", "grammar"),
    "out of the parenthesis": Trick("SELECT 1) LIMIT 0; DELETE FROM many; SELECT * FROM (SELECT 1", "read", "grammar"),
    "out of it and into a union": Trick(
        "SELECT 1) UNION SELECT * FROM (SELECT sql FROM sqlite_master", "", "authorizer"
    ),
    "begin": Trick("BEGIN IMMEDIATE", "SELECT|TRANSACTION|read", "grammar"),
    "commit": Trick("COMMIT", "SELECT|COMMIT", "grammar"),
    "rollback": Trick("ROLLBACK", "SELECT|ROLLBACK", "grammar"),
    "savepoint": Trick("SAVEPOINT a", "SELECT|read", "grammar"),
    "release": Trick("RELEASE a", "SELECT|read", "grammar"),
    "explain": Trick("EXPLAIN SELECT 1", "SELECT|EXPLAIN|read", "grammar"),
    "explain the plan": Trick("EXPLAIN QUERY PLAN SELECT 1", "SELECT|EXPLAIN|read", "grammar"),
    "writable again": Trick("PRAGMA query_only = OFF", "PRAGMA|SELECT|read", "grammar"),
    "writable schema": Trick("PRAGMA writable_schema = ON", "PRAGMA|SELECT|read", "grammar"),
    "a journal beside it": Trick("PRAGMA journal_mode = WAL", "PRAGMA|SELECT|read", "grammar"),
    "where temporary files go": Trick("PRAGMA temp_store_directory = '/tmp/lodge'", "PRAGMA|SELECT|read", "grammar"),
    "a pragma as a table": Trick("SELECT * FROM pragma_database_list", "catalogue", "authorizer"),
    "a pragma as a function": Trick("SELECT * FROM pragma_table_info('many')", "pragma_table_info", "authorizer"),
    "a pragma by its schema": Trick("SELECT * FROM main.pragma_table_list", "catalogue", "authorizer|grammar"),
    "a pragma in a subquery": Trick("SELECT (SELECT file FROM pragma_database_list)", "catalogue", "authorizer"),
    "a pragma by the case": Trick("SELECT * FROM PRAGMA_database_list", "catalogue", "authorizer"),
    "a pragma in quotes": Trick('SELECT * FROM "pragma_database_list"', "catalogue", "authorizer"),
    "a pragma in brackets": Trick("SELECT * FROM [pragma_database_list]", "catalogue", "authorizer"),
    "a pragma in backticks": Trick("SELECT * FROM `pragma_database_list`", "catalogue", "authorizer"),
    "a pragma that writes": Trick("SELECT * FROM pragma_user_version(7)", "pragma_user_version", "grammar|authorizer"),
    "a pragma that checks": Trick("SELECT * FROM pragma_integrity_check", "catalogue", "authorizer"),
    "the schema": Trick("SELECT sql FROM sqlite_master", "catalogue", "authorizer"),
    "the schema by its new name": Trick("SELECT sql FROM sqlite_schema", "catalogue", "authorizer|grammar"),
    "the schema by its schema": Trick("SELECT sql FROM main.sqlite_master", "catalogue", "authorizer"),
    "the schema in a join": Trick("SELECT s.sql FROM many JOIN sqlite_master AS s", "catalogue", "authorizer"),
    "the schema in where": Trick("SELECT 1 WHERE 1 IN (SELECT rootpage FROM sqlite_master)", "catalogue", "authorizer"),
    "the schema in a with": Trick("WITH a AS (SELECT * FROM sqlite_master) SELECT * FROM a", "catalogue", "authorizer"),
    "the schema in a union": Trick("SELECT 'a' UNION SELECT sql FROM sqlite_master", "catalogue", "authorizer"),
    "the schema in single quotes": Trick("SELECT * FROM 'sqlite_master'", "read|catalogue", "authorizer"),
    "the schema counted": Trick("SELECT count(*) FROM sqlite_master", "catalogue", "authorizer"),
    "the temporary schema": Trick("SELECT * FROM sqlite_temp_master", "catalogue", "authorizer"),
    "another schema": Trick("SELECT * FROM temp.many", "temp", "grammar"),
    "the pages": Trick("SELECT * FROM dbstat", "catalogue", "grammar|authorizer"),
    "the raw pages": Trick("SELECT * FROM sqlite_dbpage", "catalogue", "grammar|authorizer"),
    "the code": Trick("SELECT * FROM bytecode('SELECT 1')", "bytecode", "grammar|authorizer"),
    "statements": Trick("SELECT * FROM sqlite_stmt", "catalogue", "grammar|authorizer"),
    "load code": Trick("SELECT load_extension('/tmp/lodge.so')", "load_extension", "authorizer|grammar"),
    "a tokenizer's address": Trick("SELECT hex(fts3_tokenizer('simple'))", "fts3_tokenizer", "authorizer|grammar"),
    "read a file": Trick("SELECT readfile('/etc/passwd')", "readfile", "grammar|authorizer"),
    "write a file": Trick("SELECT writefile('/tmp/lodge', 'x')", "writefile", "grammar|authorizer"),
    "edit a file": Trick("SELECT edit('x', 'touch /tmp/lodge')", "edit", "grammar|authorizer"),
    "read a table of a file": Trick("SELECT * FROM csv('/etc/passwd')", "csv", "grammar"),
    "a folder": Trick("SELECT * FROM fsdir('/')", "fsdir", "grammar"),
    "zip": Trick("SELECT * FROM zipfile('/tmp/lodge')", "zipfile", "grammar"),
    "text from an address": Trick("SELECT * FROM carray(1, 1)", "carray", "grammar"),
    "which SQLite": Trick("SELECT sqlite_version()", "sqlite_version", "seen"),
    "how it was built": Trick("SELECT sqlite_compileoption_get(1)", "sqlite_compileoption_get", "seen"),
    "in the log": Trick("SELECT sqlite_log(1, 'x')", "sqlite_log", "seen|grammar"),
    "changes": Trick("SELECT changes(), total_changes()", "changes", "seen"),
    "last row": Trick("SELECT last_insert_rowid()", "last_insert_rowid", "seen"),
    "chance": Trick("SELECT random()", "random", "seen"),
    "huge blob": Trick("SELECT zeroblob(900000000)", "zeroblob", "limits"),
    "huge blob of chance": Trick("SELECT hex(randomblob(900000000))", "randomblob", "limits"),
    "huge text": Trick("SELECT replace(hex(zeroblob(100000)), '0', hex(zeroblob(100000)))", "zeroblob", "limits"),
    "huge padding": Trick("SELECT printf('%1000000000d', 1)", "printf", "limits|seen"),
    "huge format": Trick("SELECT format('%.*c', 900000000, 'x')", "format", "limits|seen|grammar"),
    "endless recursion": Trick(f"{_ENDLESS} SELECT count(*) FROM r", ONLY_AT_THE_SOURCE, "limits"),  # noqa: S608 - a hostile text
    "endless recursion in rows": Trick(f"{_ENDLESS} SELECT n FROM r WHERE n < 0", ONLY_AT_THE_SOURCE, "limits"),  # noqa: S608 - likewise
    "cross join": Trick(
        "SELECT count(*) FROM many a, many b, many c, many d, many e, many f", ONLY_AT_THE_SOURCE, "limits"
    ),
    "a series": Trick("SELECT * FROM generate_series(1, 1000000000000)", "generate_series", "grammar|limits"),
    "a quote that does not end": Trick("SELECT 'a", "end", "grammar"),
    "two quotes": Trick("SELECT 'a''', sqlite_version(), ''", "sqlite_version", "seen"),
    "a backslash": Trick("SELECT '\\', sqlite_version(), '\\'", "sqlite_version|end", "seen"),
    "double quotes": Trick('SELECT "a""", sqlite_version() FROM (SELECT 1 AS "a""")', "sqlite_version", "seen"),
    "wide letters": Trick("SELECT \uff33QLite_version()", "function|read", "grammar"),
    "positional parameter": Trick("SELECT ?", ":name|read", "seen|grammar"),
    "numbered parameter": Trick("SELECT ?1", ":name|read", "seen|grammar"),
    "parameter by @": Trick("SELECT @a", ":name|read", "seen|grammar"),
    "parameter by $": Trick("SELECT $a", ":name|read", "seen|grammar"),
    "parameter by $ as a table": Trick("SELECT * FROM $a", ":name|read", "grammar"),
    "nul": Trick("SELECT 1\x00; DELETE FROM many", "control", "grammar"),
    "values only": Trick("VALUES (sqlite_version())", "sqlite_version", "seen"),
}


def test_there_are_enough_of_them() -> None:
    assert len(TRICKS) >= 60


@pytest.mark.parametrize("name", [name for name, trick in TRICKS.items() if trick.static != ONLY_AT_THE_SOURCE])
def test_the_check_refuses_each_trick_and_says_why(name: str) -> None:
    refused(TRICKS[name], "sqlite", schema="main")


@pytest.mark.parametrize("name", TRICKS)
def test_without_the_check_each_trick_is_harmless(name: str, sqlite_place: Any, result: Path) -> None:
    harmless(TRICKS[name], sqlite_place.target, result, fingerprint=sqlite_place.fingerprint, layers=_layers)


@pytest.fixture
def copy(sqlite_place: Any, tmp_path: Path) -> Path:
    """A file of the same tables, which its owner may write."""
    path = tmp_path / "copy.sqlite"
    shutil.copy(sqlite_place.target.path, path)
    return path


@pytest.mark.parametrize("layer", ["mode=ro", "query_only", "authorizer"])
@pytest.mark.parametrize("name", WRITES)
def test_each_layer_keeps_from_writing_by_itself(name: str, layer: str, copy: Path) -> None:
    before = hashlib.sha256(copy.read_bytes()).digest()
    mode = "ro" if layer == "mode=ro" else "rw"
    with closing(sqlite3.connect(f"file:{copy}?mode={mode}", uri=True, isolation_level=None)) as connection:
        if layer == "query_only":
            connection.execute("PRAGMA query_only = ON")
        if layer == "authorizer":
            connection.set_authorizer(sqlite.authorize)
        with contextlib.suppress(sqlite3.DatabaseError):
            connection.execute(WRITES[name].sql).fetchall()
    assert hashlib.sha256(copy.read_bytes()).digest() == before


def test_without_any_layer_they_write(copy: Path) -> None:
    before, harmless = copy.read_bytes(), []
    for name, trick in WRITES.items():
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            try:
                connection.execute(trick.sql).fetchall()
            except sqlite3.DatabaseError:
                harmless.append(name)
    assert copy.read_bytes() == before
    assert harmless == ["update of the schema", "vacuum"], "these two are refused in a transaction, or at all"


def _layers(stopped: str) -> tuple[str, ...]:
    """Answer by which of the layers a trick can have ended so."""
    if stopped == "ran":
        return ("seen",)
    if stopped == "limits" or "larger" in stopped:
        return ("limits",)
    if re.search("nothing else|not authorized|prohibited", stopped):
        return ("authorizer",)
    return ("read only",) if "READONLY" in stopped else ("grammar",)
