"""The student records: a database of 20,000 students on the private PostgreSQL, and a role that may only read it."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg import sql

from lodge_local import databases
from lodge_local.demonstration import words
from lodge_local.demonstration.chance import Chance
from lodge_local.demonstration.questions import SCHEMA, year_of

DATABASE = "records"
READER = "records_reader"
STUDENTS = 20_000
_YEARS = 4
_PASS = 40
_CREDITS = (15, 15, 15, 20, 30, 40)

_TABLES = f"""
    CREATE SCHEMA {SCHEMA};
    CREATE TABLE {SCHEMA}.faculties (id int PRIMARY KEY, code text NOT NULL UNIQUE, name text NOT NULL);
    CREATE TABLE {SCHEMA}.programmes (
        id int PRIMARY KEY, code text NOT NULL UNIQUE, name text NOT NULL, level text NOT NULL, years int NOT NULL,
        faculty_id int NOT NULL REFERENCES {SCHEMA}.faculties
    );
    CREATE TABLE {SCHEMA}.modules (
        id int PRIMARY KEY, code text NOT NULL UNIQUE, title text NOT NULL, credits int NOT NULL, stage int NOT NULL,
        faculty_id int NOT NULL REFERENCES {SCHEMA}.faculties
    );
    CREATE TABLE {SCHEMA}.students (
        id int PRIMARY KEY, number text NOT NULL UNIQUE, given_names text NOT NULL, family_name text NOT NULL,
        email text NOT NULL, born_on date NOT NULL, domicile text NOT NULL, fee_status text NOT NULL,
        programme_id int NOT NULL REFERENCES {SCHEMA}.programmes, entry_year int NOT NULL, status text NOT NULL,
        status_since date NOT NULL
    );
    CREATE TABLE {SCHEMA}.enrolments (
        id int PRIMARY KEY, student_id int NOT NULL REFERENCES {SCHEMA}.students,
        programme_id int NOT NULL REFERENCES {SCHEMA}.programmes, module_id int NOT NULL REFERENCES {SCHEMA}.modules,
        academic_year int NOT NULL, status text NOT NULL, enrolled_on date NOT NULL
    );
    CREATE TABLE {SCHEMA}.results (
        enrolment_id int PRIMARY KEY REFERENCES {SCHEMA}.enrolments, mark int NOT NULL, grade text NOT NULL,
        decided_on date NOT NULL
    );
"""
_INDEXES = f"""
    CREATE INDEX ON {SCHEMA}.enrolments (student_id);
    CREATE INDEX ON {SCHEMA}.enrolments (module_id, academic_year);
    CREATE INDEX ON {SCHEMA}.students (programme_id);
"""
_SUBJECTS = ("BA {}", "BSc {}", "MSc {}", "MA {}")
_TITLES = ("Introduction to {}", "Foundations of {}", "Methods in {}", "Topics in {}", "Advanced {}", "{} in Practice",
           "{} and Society", "Project in {}")  # fmt: skip
_DOMICILES = (("England", 62), ("Scotland", 4), ("Wales", 5), ("Northern Ireland", 2), ("European Union", 7),
              ("China", 6), ("India", 5), ("Nigeria", 4), ("United States", 2), ("Malaysia", 3))  # fmt: skip
_HOME = ("England", "Scotland", "Wales", "Northern Ireland")
_PLACES, _SHARES = [name for name, _ in _DOMICILES], [share for _, share in _DOMICILES]

Line = tuple[Any, ...]


def load(server: str, *, password: str, reader_password: str, day: date) -> dict[str, int]:
    """Make the database where it is not whole, and let the reader in with this password; answers what was loaded.

    `server` is the superuser's URL. All rows are one transaction; a load that was killed leaves an empty database.
    """
    owner = databases.create_database(server, DATABASE, password=password, extensions=())
    with psycopg.connect(owner) as connection:
        there = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).fetchone()
        counts = {} if there else _fill(connection, day)
    if counts:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute("ANALYZE")
    _let_in(server, owner, reader_password)
    return counts


def _let_in(server: str, owner: str, password: str) -> None:
    """Let the reader SELECT, and nothing else: what the check of a data source asks for."""
    reader, database, schema = sql.Identifier(READER), sql.Identifier(DATABASE), sql.Identifier(SCHEMA)
    with psycopg.connect(server, autocommit=True) as connection:
        known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (READER,)).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(reader))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(reader, sql.Literal(password)))
        connection.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, reader))
    with psycopg.connect(server, dbname=DATABASE, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        # Advice of the check: large objects can be made by any role unless that is taken away.
        for call in ("lo_create(oid)", "lo_creat(integer)", "lo_from_bytea(oid, bytea)"):
            connection.execute(f"REVOKE EXECUTE ON FUNCTION pg_catalog.{call} FROM PUBLIC".encode())
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, reader))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, reader))


def _fill(connection: psycopg.Connection, day: date) -> dict[str, int]:
    connection.execute(_TABLES.encode())
    programmes, modules = list(_programmes()), list(_modules())
    chance = Chance("students")
    students = list(_students(chance, programmes, day))
    enrolments, results = _enrolments(chance, students, programmes, modules, day)
    faculties = [(number, code, name) for number, (code, (name, _)) in enumerate(words.FACULTIES.items(), start=1)]
    tables = {
        "faculties": faculties, "programmes": programmes, "modules": modules, "students": students,
        "enrolments": enrolments, "results": results,
    }  # fmt: skip
    for name, rows in tables.items():
        into = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(SCHEMA, name))
        with connection.cursor() as cursor, cursor.copy(into) as copying:
            copying.write("".join("\t".join(map(str, row)) + "\n" for row in rows))
    connection.execute(_INDEXES.encode())
    return {name: len(tables[name]) for name in ("students", "enrolments", "results")}


def _programmes() -> Iterator[Line]:
    number = 0
    for faculty, (code, (_, departments)) in enumerate(words.FACULTIES.items(), start=1):
        for place, department in enumerate(departments):
            science = code in ("FEC", "FHL")
            for level, years, title in (
                ("UG", 3, _SUBJECTS[science]),
                ("PG", 1, _SUBJECTS[2 if science else 3]),
            ):
                number += 1
                yield number, f"{level}-{code}{place + 1}", title.format(department), level, years, faculty


def _modules() -> Iterator[Line]:
    chance, number = Chance("modules"), 0
    for faculty, (code, (_, departments)) in enumerate(words.FACULTIES.items(), start=1):
        for place, department in enumerate(departments):
            for stage in range(1, 5):
                for title in chance.some(_TITLES, 6):
                    number += 1
                    name = f"{code[1:]}{place + 1}{stage}{number % 100:02}"
                    yield number, name, title.format(department), chance.one(_CREDITS), stage, faculty


def _students(chance: Chance, programmes: list[Line], day: date) -> Iterator[Line]:
    year = year_of(day)
    weights = [3 if programme[3] == "UG" else 1 for programme in programmes]
    for number in range(1, STUDENTS + 1):
        programme = chance.one(programmes, weights)
        entry = year - chance.number(0, _YEARS - 1)
        given, family = chance.one(words.GIVEN), chance.one(words.FAMILY)
        domicile = chance.one(_PLACES, _SHARES)
        age = chance.number(18, 21) if programme[3] == "UG" else chance.number(21, 40)
        born = date(entry - age, 1, 1) + timedelta(days=chance.number(0, 364))
        status, since = _status(chance, programme, entry, day)
        yield (
            number, f"{entry % 100:02}{number:06}", given, family, f"s{entry % 100:02}{number:06}@campus.example", born,
            domicile, "home" if domicile in _HOME else "overseas", programme[0], entry, status, since,
        )  # fmt: skip


def _status(chance: Chance, programme: Line, entry: int, day: date) -> tuple[str, date]:
    began = date(entry, 9, 21)
    if chance.happens(0.06):
        left = began + timedelta(days=chance.number(10, 600))
        if left < day:
            return "withdrawn", left
    if entry + programme[4] <= year_of(day):
        return "completed", date(entry + programme[4], 7, 15)
    return "enrolled", min(began, day)


def _enrolments(
    chance: Chance, students: list[Line], programmes: list[Line], modules: list[Line], day: date
) -> tuple[list[Line], list[Line]]:
    """Answer who takes which modules, four a year, and the marks: all of past years, few of the present one."""
    enrolments: list[Line] = []
    results: list[Line] = []
    year = year_of(day)
    offered: dict[tuple[int, int], list[int]] = {}
    for module in modules:
        offered.setdefault((module[5], module[4]), []).append(module[0])
    for student in students:
        programme, entry, status, since = student[8], student[9], student[10], student[11]
        faculty, length, level = (
            programmes[programme - 1][5],
            programmes[programme - 1][4],
            programmes[programme - 1][3],
        )
        ability = chance.near(60, 9)
        for stage in range(1, length + 1):
            taken_in = entry + stage - 1
            began = date(taken_in, 9, 21)
            if taken_in > year or began > day or (status == "withdrawn" and began > since):
                break
            gone = status == "withdrawn" and year_of(since) == taken_in
            for chosen in chance.some(offered[faculty, stage if level == "UG" else 4], 4):
                number = len(enrolments) + 1
                kept = "withdrawn" if gone else "enrolled"
                enrolments.append((number, student[0], programme, chosen, taken_in, kept, began))
                if not gone and chance.happens(0.995 if taken_in < year else 0.02):
                    mark = max(0, min(100, round(chance.near(ability, 10))))
                    decided = date(taken_in + 1, 6, 25) if taken_in < year else day - timedelta(days=1)
                    results.append((number, mark, _grade(mark), decided))
    return enrolments, results


def _grade(mark: int) -> str:
    return next((grade for least, grade in ((70, "A"), (60, "B"), (50, "C"), (_PASS, "D")) if mark >= least), "F")
