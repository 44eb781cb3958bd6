"""enquiry-service's part: the source of student records, its reports and their runs, and two years of enquiries."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg

from enquiry_service.parameters import DEFINITIONS, bind, written
from enquiry_service.sources.targets import PostgresqlTarget
from enquiry_service.tables import Artifact, Enquiry, ReportVersion, Run
from lodge_local.demonstration.asking import Asked, asked
from lodge_local.demonstration.campus import Campus
from lodge_local.demonstration.chance import Chance, at
from lodge_local.demonstration.copying import copy
from lodge_local.demonstration.reporting import SECRET, reported
from lodge_local.failures import Failed

_KEPT = timedelta(days=30)
_EXPIRED, _FAILED = "expired", "failed"
_TOOK_TOO_LONG = "The query was ended at the source: it took longer than 300 s."


def is_loaded(connection: psycopg.Connection, campus: Campus) -> bool:
    """Say whether this very history is here; raises Failed where something else is."""
    known = connection.execute("SELECT FROM known_name WHERE id = %s", (campus.members[0].id,)).fetchone()
    filed = connection.execute("SELECT FROM enquiry UNION ALL SELECT FROM data_source LIMIT 1").fetchone()
    if filed is not None and known is None:
        raise Failed(
            "enquiry-service's database has enquiries of its own, and the demonstration data is for an empty one:"
            " start with LODGE_DEMO=0, or name an empty database."
        )
    return filed is not None


def load(connection: psycopg.Connection, campus: Campus, target: PostgresqlTarget | None) -> dict[str, int]:
    """Write all of it; answers how many of the things that one would count.

    Without a target there is no data source, and so there are no reports. The source is truly checked, and truly
    asked for the columns of each report; raises Failed where the check finds something.
    """
    chance = Chance("reports")
    reporting = reported(chance, campus, target) if target else None
    history = list(asked(campus))
    enquiries = copy(connection, [one.enquiry for one in history])
    runs = list(_runs(chance, campus, reporting.approved, history)) if reporting else []
    if reporting:
        copy(connection, [reporting.source, *reporting.reports, *reporting.versions])
        copy(connection, [run for run, _ in runs])
        copy(connection, [artifact for _, artifact in runs if artifact is not None])
    copy(connection, [event for one in history for event in one.events])
    messages = copy(connection, [message for one in history for message in one.messages])
    reports = len(reporting.reports) if reporting else 0
    return {"enquiries": enquiries, "messages": messages, "reports": reports, "runs": len(runs)}


def move_source(connection: psycopg.Connection, target: PostgresqlTarget) -> None:
    """Tell where the student records are now: LODGE_PORT may be another one than when they were loaded."""
    connection.execute(
        "UPDATE data_source SET port = %s, version = version + 1"
        " WHERE secret_name = %s AND username = %s AND host = %s AND port <> %s",
        (target.port, SECRET, target.username, target.host, target.port),
    )


def _runs(
    chance: Chance, campus: Campus, approved: list[ReportVersion], history: list[Asked]
) -> Iterator[tuple[Run, Artifact | None]]:
    """Answer runs, whose files were destroyed on their day, for enquiries that they answered; and some that failed."""
    until = campus.now - _KEPT - timedelta(days=2)
    for one in history:
        answered = one.enquiry.answered_at
        if one.enquiry.kind not in ("data", "report") or answered is None or answered >= until:
            continue
        if not chance.happens(0.4):
            continue
        version = chance.one([each for each in approved if each.created_at < answered] or approved[:1])
        if version.created_at >= answered:
            continue
        if chance.happens(0.1):
            yield _run(chance, one.enquiry, version, answered - timedelta(hours=1), _FAILED), None
        run = _run(chance, one.enquiry, version, answered - timedelta(minutes=20), _EXPIRED)
        one.answer_with(run.id)
        yield run, _artifact(chance, run)


def _run(chance: Chance, enquiry: Enquiry, version: ReportVersion, asked_at: datetime, status: str) -> Run:
    started = asked_at + timedelta(milliseconds=chance.number(80, 900))
    is_good = status == _EXPIRED
    took = timedelta(milliseconds=chance.number(120, 4_000)) if is_good else timedelta(seconds=300)
    rows = chance.number(3, 900) if is_good else 0
    values = bind(DEFINITIONS.validate_python(version.parameters), {})
    return Run(
        id=chance.id("run", asked_at), report_version_id=version.id, enquiry_id=enquiry.id, purpose=enquiry.purpose,
        parameters={name: written(value) for name, value in values.items()}, requested_by=enquiry.assignee or "",
        org_unit=enquiry.org_unit, status=status, rows=rows, bytes=rows * chance.number(30, 60),
        sha256=chance.digest() if is_good else None, reason=None if is_good else _TOOK_TOO_LONG,
        backend_gone=None if is_good else True, started_at=started, finished_at=started + took,
        version=5, created_at=asked_at, updated_at=started + (_KEPT if is_good else took),
    )  # fmt: skip


def _artifact(chance: Chance, run: Run) -> Artifact:
    made = run.finished_at or run.created_at
    gone = made + _KEPT
    return Artifact(
        id=chance.id("art", made), run_id=run.id, path=f"{run.id}.csv", bytes=run.bytes, sha256=run.sha256 or "",
        expires_at=gone, destroyed_at=at(gone.date() + timedelta(days=1)), version=2, created_at=made, updated_at=gone,
    )  # fmt: skip
