"""Loading the university: one transaction a service, the student records first, as reports are held against them.

A load that was killed is begun again: what a service has committed is recognised and left, the rest is written anew,
the same, as ids and all follow from the seed and the day on which loading began.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from enquiry_service.sources.targets import PostgresqlTarget
from lodge_kit.tables import AuditEvent, KnownName
from lodge_local.demonstration import access, enquiry, records, release
from lodge_local.demonstration.campus import Campus, found
from lodge_local.demonstration.chance import Chance
from lodge_local.demonstration.copying import copy
from lodge_local.demonstration.questions import SCHEMA
from lodge_local.demonstration.records import Names
from lodge_local.demonstration.reporting import SECRET
from lodge_local.home import Home, password

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('lodge demonstration', 0))"
_NAMES = Names()
Load = Callable[[psycopg.Connection, Campus], dict[str, int]]


@dataclass(frozen=True, slots=True)
class _Part:
    """A service's part: whether it is there, how it is written."""

    is_loaded: Callable[[psycopg.Connection, Campus], bool]
    load: Load


def load(
    urls: Mapping[str, str], *, home: Home, server: str | None, day: date, tell: Callable[[str], None],
    names: Names = _NAMES,
) -> None:  # fmt: skip
    """Load what is missing. Raises Failed, and writes nothing, where a service's database has something else.

    `urls` by the names access, enquiry, release; `server` is the superuser's URL of the private PostgreSQL, without
    which there are no student records and so no reports; `day` is the one on which loading began.
    """
    campus = found(day)
    target = None
    if server is None:
        tell("no student records and no reports: they need the private PostgreSQL (no LODGE_…_DATABASE_URL set)")
    else:
        target = _student_records(server, names, home, day, tell)
    parts = {
        "access": _Part(access.is_loaded, access.load),
        "enquiry": _Part(enquiry.is_loaded, lambda connection, campus: enquiry.load(connection, campus, target)),
        "release": _Part(release.is_loaded, release.load),
    }
    for name, part in parts.items():
        _load(name, part, urls[name], campus, tell)
    if target is not None:
        with psycopg.connect(urls["enquiry"]) as connection:
            enquiry.move_source(connection, target)


def _load(name: str, part: _Part, url: str, campus: Campus, tell: Callable[[str], None]) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(_LOCK)
        if part.is_loaded(connection, campus):
            tell(f"{name}: there already")
            return
        counts = part.load(connection, campus)
        names = [(one.id, one.name) for one in campus.units] + [(one.id, one.name) for one in campus.members]
        copy(connection, [KnownName(id=one, name=name, seen_at=campus.now) for one, name in names])
        copy(connection, [_record(name, campus, counts)])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    tell(f"{name}: {_listed(counts)}")


def _student_records(server: str, names: Names, home: Home, day: date, tell: Callable[[str], None]) -> PostgresqlTarget:
    reader_password = home.kept("sources", SECRET, password)
    owner_password = home.kept("postgres", "records", password)
    counts = records.load(server, names, password=owner_password, reader_password=reader_password, day=day)
    tell(f"student records: {_listed(counts) or 'there already'}")
    at = conninfo_to_dict(server)
    return PostgresqlTarget(
        host=str(at["host"]), port=int(str(at["port"])), database=names.database, username=names.reader,
        password=SecretStr(reader_password), schemas=(SCHEMA,),
    )  # fmt: skip


def _record(name: str, campus: Campus, counts: Mapping[str, int]) -> AuditEvent:
    """Answer the one line of the audit: that all this was loaded, and not done by those whom it names."""
    return AuditEvent(
        id=Chance(f"audit {name}").id("aud", campus.now), at=campus.now, actor=access.BY, client_id=None,
        action="demonstration.loaded", subject_type="service", subject_id=name,
        facts=json.dumps(counts, sort_keys=True), request_id="none",
    )  # fmt: skip


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
