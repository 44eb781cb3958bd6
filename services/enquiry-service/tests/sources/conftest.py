"""One small database in each product that may be a source: the same rows, behind a role that can only read."""

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
from psycopg import sql
from pydantic import SecretStr

from enquiry_service import dialects
from enquiry_service.checked import Checked
from enquiry_service.parameters import DEFINITIONS
from enquiry_service.sources import adapter
from enquiry_service.sources.targets import MysqlTarget, SqliteTarget
from enquiry_service.statements import Allowance, check
from lodge_kit.testing.needs import mariadb_url

SECRET = "correct-horse-battery-staple"
ROWS: list[tuple[Any, ...]] = [
    (1, "Algebra", "12.50", "2026-01-31", "2026-03-29 00:30:00.250000"),
    (2, 'Bäume, "alt"', "-0.50", "0099-12-31", "2026-03-29 00:30:00"),
    (3, "=cmd|'/c calc'!A0", None, None, None),
    (4, "", "0.00", "2028-02-29", "1999-12-31 23:59:59"),
    (5, None, "99999.99", "9999-12-31", "2026-06-01 12:00:00"),
    (6, "line\nbreak\r\n", "1.00", "2026-01-01", "2026-01-01 00:00:00"),
    (7, "日本語 😀", "7.00", "2026-01-01", "2026-01-01 00:00:00"),
]
MANY = 200


class Place(NamedTuple):
    """A source, and a look at it by its owner."""

    target: Any
    fingerprint: Callable[[], Any]
    """Answers what must not have changed."""

    @property
    def adapter(self) -> Any:
        return adapter(self.target.adapter)

    def checked(self, text: str, *parameters: dict[str, Any]) -> Checked:
        return check(
            text,
            parameters=DEFINITIONS.validate_python(list(parameters)),
            allowance=Allowance(schemas=self.target.schemas),
            dialect=dialects.of(self.target.adapter),
        )


_COLUMNS = "(id int, title text, fee numeric(8, 2), starts date, begins {})"


@pytest.fixture(scope="session")
def postgresql_place(campus: Any) -> Place:
    with psycopg.connect(campus.owner_url, autocommit=True) as owner:
        owner.execute(f"CREATE TABLE campus.module {_COLUMNS.format('timestamp')}")
        owner.execute("CREATE TABLE campus.many AS SELECT n FROM generate_series(1, %s) n", (MANY,))
        owner.cursor().executemany("INSERT INTO campus.module VALUES (%s, %s, %s, %s, %s)", ROWS)
        owner.execute("ANALYZE campus.module, campus.many")
        owner.execute(sql.SQL("GRANT SELECT ON campus.module, campus.many TO {}").format(sql.Identifier(campus.role)))

    def fingerprint() -> Any:
        with psycopg.connect(campus.owner_url) as owner:
            return owner.execute("SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM campus.module m").fetchone()

    return Place(campus.target, fingerprint)


class Server(NamedTuple):
    """A MariaDB server, and a name for what is made there."""

    root: Mapping[str, Any]
    name: str

    def do(self, statement: str, rows: Sequence[Any] = ()) -> Any:
        """Do it as root, once or for each of `rows`, with the name for `$`; answer what is answered."""
        text = statement.replace("$", self.name)
        with closing(pymysql.connect(**self.root)) as owner, owner.cursor() as cursor:
            if rows:
                cursor.executemany(text, rows)
            else:
                cursor.execute(text)
            return cursor.fetchall()

    def fingerprint(self) -> Any:
        """Answer the rows' checksums, and which tables and users there are."""
        return [
            self.do("CHECKSUM TABLE $.module, $.many, $_hidden.salary"),
            self.do("SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE '$%'"),
            self.do("SELECT user, host FROM mysql.user WHERE user LIKE '$%' OR user LIKE 'lodge%'"),
        ]


_MADE = (
    "CREATE DATABASE $ CHARACTER SET utf8mb4",
    "CREATE DATABASE $_hidden",
    "CREATE TABLE $_hidden.salary (amount INT)",
    f"CREATE TABLE $.module {_COLUMNS.format('DATETIME(6)')}",
    "CREATE TABLE $.many (n INT)",
    "CREATE FUNCTION $.grow() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO $.many VALUES (0); RETURN 1; END",
    f"CREATE USER $@'%' IDENTIFIED BY '{SECRET}'",
    "GRANT SELECT ON $.* TO $@'%'",
)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[Server]:
    url = urlsplit(mariadb_url())
    root = {
        "host": url.hostname, "port": url.port or 3306, "user": url.username or "root", "password": url.password or "",
        "charset": "utf8mb4", "autocommit": True,
    }  # fmt: skip
    server = Server(root, f"enq_{secrets.token_hex(5)}")
    try:
        for statement in _MADE:
            server.do(statement)
        server.do("INSERT INTO $.module VALUES (%s, %s, %s, %s, %s)", ROWS)
        server.do("INSERT INTO $.many VALUES (%s)", [(number + 1,) for number in range(MANY)])
        yield server
    finally:
        for statement in ("USER IF EXISTS $@'%'", "DATABASE IF EXISTS $", "DATABASE IF EXISTS $_hidden"):
            server.do(f"DROP {statement}")


@pytest.fixture(scope="session")
def mysql_place(mysql_server: Server) -> Place:
    target = MysqlTarget(
        host=mysql_server.root["host"], port=mysql_server.root["port"], database=mysql_server.name,
        username=mysql_server.name, password=SecretStr(SECRET), schemas=(mysql_server.name,),
    )  # fmt: skip
    return Place(target, mysql_server.fingerprint)


@pytest.fixture(scope="session")
def sqlite_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    path = tmp_path_factory.mktemp("files") / "campus.sqlite"
    with closing(sqlite3.connect(path)) as owner:
        owner.execute("CREATE TABLE module (id INTEGER, title TEXT, fee TEXT, starts TEXT, begins TEXT)")
        owner.execute("CREATE TABLE many (n INTEGER)")
        owner.executemany("INSERT INTO module VALUES (?, ?, ?, ?, ?)", ROWS)
        owner.executemany("INSERT INTO many VALUES (?)", [(n + 1,) for n in range(MANY)])
        owner.commit()
    return Place(SqliteTarget(path=str(path), schemas=("main",)), lambda: (path.read_bytes(), _beside(path)))


def _beside(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


@pytest.fixture(params=["postgresql", pytest.param("mysql", marks=pytest.mark.needs("mariadb")), "sqlite"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found
