"""Ways to write, to see or to hold what a report may not, on MariaDB: each refused by the check, each harmless without.

`$` stands for the database that the source allows. Without the check they go to the server as a report would, as the
user that may only read, and are stopped by:

    grammar    it is not one statement that can be prepared, or this server does not know it
    role       the user lacks the privilege
    read only  the transaction is READ ONLY
    limits     the time, the plan, the size
    session    it ran, touched nothing but its own connection, and ended with it
    seen       it ran and saw what the user may see anyway: only the check keeps reports from it
"""

import re
from pathlib import Path
from typing import Any

import pytest

from .tricks import ONLY_AT_THE_SOURCE, Trick, harmless, refused

TRICKS = {
    "plain delete": Trick("DELETE FROM many", "DELETE", "role|read only"),
    "delete with returning": Trick("DELETE FROM many RETURNING n", "DELETE", "role|read only"),
    "delete from several": Trick("DELETE a, b FROM many a JOIN module b ON a.n = b.id", "DELETE|read", "role"),
    "insert": Trick("INSERT INTO many VALUES (0)", "INSERT", "role|read only"),
    "insert on duplicate": Trick("INSERT INTO many VALUES (0) ON DUPLICATE KEY UPDATE n = 1", "INSERT", "role|read"),
    "insert with returning": Trick("INSERT INTO many VALUES (0) RETURNING n", "INSERT", "role|read only"),
    "replace into": Trick("REPLACE INTO many VALUES (0)", "REPLACE|SELECT|INSERT|read", "role|read only"),
    "update": Trick("UPDATE many SET n = 0", "UPDATE", "role|read only"),
    "update behind a with": Trick("WITH a AS (SELECT 1) UPDATE many SET n = 0", "UPDATE|read", "grammar"),
    "delete behind a with": Trick("WITH a AS (SELECT 1) DELETE FROM many", "DELETE|read", "role|read only|grammar"),
    "truncate": Trick("TRUNCATE many", "SELECT|TRUNCATE", "role|read only"),
    "create table as": Trick("CREATE TABLE copy AS SELECT 1", "CREATE", "role|read only"),
    "temporary table": Trick("CREATE TEMPORARY TABLE t (a INT)", "CREATE", "role|read only"),
    "create user": Trick("CREATE USER lodge_trick", "SELECT|CREATE|read", "role|read only"),
    "grant": Trick("GRANT ALL ON $.* TO $", "SELECT|GRANT|read", "role|read only"),
    "drop": Trick("DROP TABLE many", "DROP", "role|read only"),
    "alter": Trick("ALTER TABLE many ADD COLUMN x INT", "ALTER|SELECT", "role|read only"),
    "stacked": Trick("SELECT 1; DROP TABLE many", "more than one", "grammar"),
    "stacked behind a comment": Trick("SELECT 1 /* ; */; DELETE FROM many -- ", "more than one", "grammar"),
    "stacked behind a hash": Trick("SELECT 1 # ; \n; DELETE FROM many", "more than one|read", "grammar"),
    "a comment that runs": Trick("SELECT 1 /*!50000 INTO OUTFILE '/tmp/lodge' */", "comment", "role|grammar"),
    "a comment that runs on mariadb": Trick("SELECT 1 /*M! INTO OUTFILE '/tmp/lodge' */", "comment", "role|grammar"),
    "a comment that runs a union": Trick("SELECT 1 /*!UNION SELECT amount FROM $_hidden.salary */", "comment", "role"),
    "a comment that is none": Trick("SELECT 1--1, (SELECT max(amount) FROM $_hidden.salary)", "_hidden", "role"),
    "delimiter": Trick("DELIMITER $$", "SELECT|read", "grammar"),
    "into outfile": Trick("SELECT 1 INTO OUTFILE '/tmp/lodge'", "read", "role"),
    "into dumpfile": Trick("SELECT 1 INTO DUMPFILE '/tmp/lodge'", "INTO|read", "role"),
    "into outfile early": Trick("SELECT n INTO OUTFILE '/tmp/lodge' FROM many", "read", "role"),
    "into a variable": Trick("SELECT n INTO @a FROM many LIMIT 1", "INTO|read", "session|grammar"),
    "load a file": Trick("SELECT LOAD_FILE('/etc/passwd')", "load_file", "seen"),
    "load data": Trick("LOAD DATA INFILE '/etc/passwd' INTO TABLE many", "read", "role|read only|grammar"),
    "load local data": Trick("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE many", "read", "role|grammar|read only"),
    "sleep": Trick("SELECT SLEEP(60)", "sleep", "limits"),
    "sleep after a comment": Trick("SELECT SLEEP/**/(60)", "sleep", "limits|role|grammar"),
    "sleep in where": Trick("SELECT n FROM many WHERE SLEEP(60) = 0", "sleep", "limits"),
    "sleep in order by": Trick("SELECT n FROM many ORDER BY SLEEP(60)", "sleep", "limits"),
    "sleep in a join": Trick("SELECT 1 FROM many a JOIN many b ON SLEEP(60) = a.n", "sleep", "limits"),
    "sleep in limit": Trick("SELECT 1 LIMIT (SELECT SLEEP(60))", "sleep|read", "grammar"),
    "benchmark": Trick("SELECT BENCHMARK(1000000000000, MD5('a'))", "benchmark", "limits|session"),
    "lock": Trick("SELECT GET_LOCK('lodge', 1)", "get_lock", "session"),
    "release locks": Trick("SELECT RELEASE_ALL_LOCKS()", "release_all_locks", "session|role|grammar"),
    "wait for a position": Trick("SELECT MASTER_GTID_WAIT('0-1-9999999', 60)", "master_gtid_wait", "limits|session"),
    "lock tables": Trick("LOCK TABLES many WRITE", "SELECT|LOCK", "role|grammar|read only"),
    "lock for update": Trick("SELECT n FROM many FOR UPDATE", "locks", "role|read only|session"),
    "lock in share mode": Trick("SELECT n FROM many LOCK IN SHARE MODE", "locks", "role|session|read only"),
    "handler": Trick("HANDLER many OPEN", "SELECT|read", "role|grammar|session"),
    "set a global": Trick("SET GLOBAL max_statement_time = 0", "SET|SELECT", "role"),
    "set the session": Trick("SET SESSION max_statement_time = 0", "SET|SELECT", "session|grammar"),
    "set for a statement": Trick(
        "SET STATEMENT max_statement_time = 0 FOR SELECT SLEEP(60)", "SET|SELECT", "limits|grammar"
    ),
    "writable again": Trick("SET SESSION TRANSACTION READ WRITE", "SET|SELECT", "session|grammar"),
    "start to write": Trick("START TRANSACTION READ WRITE", "SELECT|TRANSACTION|read", "session|grammar"),
    "commit": Trick("COMMIT", "SELECT|COMMIT", "session|grammar"),
    "a user variable": Trick("SELECT @lodge_sql", ":name", "session"),
    "a user variable set": Trick("SELECT @a := 1", ":name|read", "session|grammar"),
    "a system variable": Trick("SELECT @@datadir", "settings", "seen"),
    "a session variable": Trick("SELECT @@session.sql_mode", "settings|read", "seen"),
    "kill": Trick("KILL 1", "KILL|SELECT", "role|grammar"),
    "kill of a choice": Trick(
        "KILL (SELECT MIN(id) FROM information_schema.processlist)", "SELECT|read", "role|grammar"
    ),
    "shutdown": Trick("SHUTDOWN", "SELECT|read", "role"),
    "flush": Trick("FLUSH TABLES WITH READ LOCK", "SELECT|read", "role"),
    "call": Trick("CALL grow()", "SELECT|read", "role|grammar"),
    "a function that writes": Trick("SELECT grow()", "grow", "role|read only"),
    "a function that writes, by schema": Trick("SELECT $.grow()", "grow", "role|read only"),
    "do": Trick("DO SLEEP(60)", "SELECT|read", "limits|grammar|session"),
    "prepared": Trick("PREPARE p FROM 'DELETE FROM many'", "SELECT|read", "grammar"),
    "executed at once": Trick("EXECUTE IMMEDIATE 'DELETE FROM many'", "SELECT|read", "grammar|role"),
    "explained": Trick("ANALYZE DELETE FROM many", "SELECT|ANALYZE|read", "role|grammar|read only"),
    "a show": Trick("SHOW DATABASES", "SELECT|SHOW", "grammar|seen"),
    "a description": Trick("DESCRIBE many", "SELECT|DESCRIBE", "grammar|seen"),
    "another database": Trick("SELECT amount FROM $_hidden.salary", "_hidden", "role"),
    "another database in a subquery": Trick("SELECT (SELECT max(amount) FROM $_hidden.salary)", "_hidden", "role"),
    "another database in a union": Trick(
        "SELECT n FROM many UNION ALL SELECT amount FROM `$_hidden`.`salary`", "_hidden", "role"
    ),
    "another database spaced out": Trick("SELECT amount FROM $_hidden . salary", "_hidden", "role"),
    "another database by the case": Trick("SELECT 1 FROM Information_Schema.tables", "nformation_", "seen"),
    "table command": Trick("TABLE $_hidden.salary", "SELECT|read|_hidden", "role|grammar"),
    "passwords": Trick("SELECT * FROM mysql.user", "mysql", "role"),
    "information schema": Trick("SELECT * FROM information_schema.tables", "information_schema", "seen"),
    "process list": Trick("SELECT * FROM information_schema.processlist", "information_schema", "seen"),
    "who am i": Trick("SELECT USER()", "user", "seen"),
    "current user": Trick("SELECT CURRENT_USER", "CURRENT|connection", "seen"),
    "which database": Trick("SELECT DATABASE()", "database", "seen"),
    "version": Trick("SELECT VERSION()", "version", "seen"),
    "connection": Trick("SELECT CONNECTION_ID()", "connection_id", "seen"),
    "last insert": Trick("SELECT LAST_INSERT_ID(5)", "last_insert_id", "session|seen"),
    "sequence": Trick("SELECT NEXTVAL(many)", "nextval", "role|grammar|read only"),
    "sequence in words": Trick("SELECT NEXT VALUE FOR many", "NEXT|read", "role|grammar|read only"),
    "huge text": Trick("SELECT REPEAT('x', 900000000)", "repeat", "limits|session"),
    "huge space": Trick("SELECT SPACE(900000000)", "space", "limits|session"),
    "huge padding": Trick("SELECT LPAD('x', 900000000, 'y')", "10000", "limits|session"),
    "a series table": Trick("SELECT * FROM seq_1_to_1000000000000", "catalogue", "limits"),
    "cross join": Trick("SELECT 1 FROM many a, many b, many c, many d, many e, many f", "^$", "limits"),
    "endless recursion": Trick(
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r", "^$", "limits"
    ),
    "xml that tells": Trick(
        "SELECT EXTRACTVALUE('<a/>', CONCAT('~', USER()))", "extractvalue|user", "grammar|seen|role"
    ),
    "xml that changes": Trick("SELECT UPDATEXML('<a/>', CONCAT('~', VERSION()), 'x')", "updatexml|version", "grammar"),
    "double quotes": Trick('SELECT "a\\"", SLEEP(60), ""', "sleep", "limits"),
    "backslash": Trick("SELECT 'a\\\\', SLEEP(60), ''", "sleep", "limits"),
    "hex name": Trick("SELECT 0x53454c454354, SLEEP(60)", "sleep", "limits"),
    "introducer": Trick("SELECT _binary'x', SLEEP(60)", "INTRODUCER", "limits"),
    "positional parameter": Trick("SELECT ?", ":name", "grammar"),
    "procedure analyse": Trick("SELECT n FROM many PROCEDURE ANALYSE()", "read|PROCEDURE|function", "seen|grammar"),
    "straight to a plugin": Trick("INSTALL SONAME 'ha_spider'", "SELECT|INSTALL|read", "role"),
    "binary log": Trick("BINLOG 'x'", "SELECT|read", "role|grammar"),
    "change master": Trick("CHANGE MASTER TO MASTER_HOST = 'x'", "SELECT|read", "role|grammar"),
    "nothing but a bracket": Trick("SELECT 1) UNION (SELECT SLEEP(60)", "read|sleep", "grammar"),
    "decode of a secret": Trick("SELECT DES_DECRYPT('x')", "des_decrypt", "seen|session"),
    "dated by a setting": Trick("SELECT SYSDATE(), UUID()", "sysdate|uuid", "seen|session"),
}

DENIED = {1044, 1045, 1142, 1143, 1227, 1370, 1290, 1410, 1095, 1699, 1419, 1094}
"""The user may not: a database, a table, a column, something that needs SUPER, a routine, a file, a grant, a thread."""

pytestmark = pytest.mark.needs("mariadb")


def test_there_are_enough_of_them() -> None:
    assert len(TRICKS) >= 60


@pytest.mark.parametrize("name", [name for name, trick in TRICKS.items() if trick.static != ONLY_AT_THE_SOURCE])
def test_the_check_refuses_each_trick_and_says_why(name: str) -> None:
    refused(_at(TRICKS[name], "campus"), "mysql", schema="campus")


@pytest.mark.parametrize("name", TRICKS)
def test_without_the_check_each_trick_is_harmless(name: str, mysql_place: Any, result: Path) -> None:
    target, (database,) = mysql_place.target, mysql_place.target.schemas
    harmless(_at(TRICKS[name], database), target, result, fingerprint=mysql_place.fingerprint, layers=_layers)


def _at(trick: Trick, database: str) -> Trick:
    return trick._replace(sql=trick.sql.replace("$", database))


def _layers(stopped: str) -> tuple[str, ...]:
    """Answer by which of the layers a trick can have ended so."""
    if stopped == "ran":
        return ("session", "seen")
    if stopped == "limits" or "expects" in stopped or "larger" in stopped:
        return ("limits",)
    code = re.search(r"\((\d{4})\)\.$", stopped)
    if code and int(code[1]) in DENIED:
        return ("role",)
    return ("read only",) if code and code[1] == "1792" else ("grammar",)
