"""The data source of student records and its reports, each as the service itself would have written it.

The source is truly checked, and truly asked for the columns of each report.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from enquiry_service import sources
from enquiry_service.parameters import DEFINITIONS
from enquiry_service.sources.targets import PostgresqlTarget
from enquiry_service.statements import Allowance, check
from enquiry_service.tables import DataSource, Report, ReportVersion
from lodge_local.demonstration.campus import Campus
from lodge_local.demonstration.chance import Chance
from lodge_local.demonstration.log_ins import SUPPORT_OFFICER, SYSTEM_OWNER
from lodge_local.demonstration.questions import FIRST_TRY, SCHEMA, UNDER_REVIEW, Question, questions
from lodge_local.failures import Failed

SECRET = "student-records"  # noqa: S105 - the name of a file
_NIGHT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reporting:
    """The source, its reports, and all versions of these."""

    source: DataSource
    reports: list[Report]
    versions: list[ReportVersion]

    @property
    def approved(self) -> list[ReportVersion]:
        """The versions that run."""
        return [one for one in self.versions if one.state == "approved"]


def reported(chance: Chance, campus: Campus, target: PostgresqlTarget) -> Reporting:
    """Answer all of it; raises Failed where the check of the source finds that it could be written to."""
    source = _source(chance, campus, target)
    author, approver = _writers(campus)
    reports: list[Report] = []
    versions: list[ReportVersion] = []
    for number, question in enumerate((*questions(campus.day), UNDER_REVIEW)):
        made = chance.working(campus.began + timedelta(days=40 + 25 * number))
        report = Report(
            id=chance.id("rpt", made), name=question.name, description=question.description, source_id=source.id,
            owner=author, created_at=made, updated_at=made,
        )  # fmt: skip
        reports.append(report)
        course = list(_course(question, first=number == 0))
        for place, (sql, state) in enumerate(course, start=1):
            written = made + timedelta(days=30 * (place - 1))
            version = _version(chance, report, place, state, written, author, approver)
            version.sql, version.parameters = sql, list(question.parameters)
            version.result_columns = [one.model_dump() for one in _columns(target, source, version)]
            version.classes = {one["name"]: "none" for one in version.result_columns}  # counts and means, of nobody
            versions.append(version)
    return Reporting(source, reports, versions)


def _course(question: Question, *, first: bool) -> Iterator[tuple[str, str]]:
    """Answer the SQL and the state of each version of a report."""
    if first:
        yield FIRST_TRY, "retired"
    yield question.sql, "review" if question is UNDER_REVIEW else "approved"


def _version(
    chance: Chance, report: Report, number: int, state: str, made: datetime, author: str, approver: str
) -> ReportVersion:
    is_judged = state != "review"
    return ReportVersion(
        id=chance.id("rpv", made), report_id=report.id, number=number, state=state, sql="", author=author,
        approver=approver if is_judged else None, approved_at=made + _NIGHT if is_judged else None,
        reason="Superseded." if state == "retired" else None, version=3 if is_judged else 2, created_at=made,
        updated_at=made + _NIGHT if is_judged else made,
    )  # fmt: skip


def _writers(campus: Campus) -> tuple[str, str]:
    """Answer who writes the reports and who approves them: two people, so that the officer may approve what waits."""
    officer = campus.log_in(SUPPORT_OFFICER).id
    here = (one.id for one in campus.of("Software Support") if one.left_on is None and one.id != officer)
    return next(here), officer


def _source(chance: Chance, campus: Campus, target: PostgresqlTarget) -> DataSource:
    made = chance.working(campus.began + timedelta(days=30))
    findings = sources.adapter(target.adapter).check(target)
    blocking = " ".join(one.detail for one in findings if one.blocking)
    if blocking:
        raise Failed(f"the student records cannot be a data source: {blocking}")
    return DataSource(
        id=chance.id("src", made), name="Student records", adapter=target.adapter, host=target.host, port=target.port,
        description="Campus Records, live: read-only, as of last night.", database=target.database,
        username=target.username, secret_name=SECRET, allowed_schemas=[SCHEMA], owner=campus.log_in(SYSTEM_OWNER).id,
        checked_at=campus.now, check_findings=[one.model_dump() for one in findings],
        version=2, created_at=made, updated_at=campus.now,
    )  # fmt: skip


def _columns(target: PostgresqlTarget, source: DataSource, version: ReportVersion) -> list[sources.Column]:
    definitions = DEFINITIONS.validate_python(version.parameters)
    allowance = Allowance(schemas=tuple(source.allowed_schemas), functions=frozenset(source.allowed_functions))
    checked = check(version.sql, parameters=definitions, allowance=allowance)
    return sources.adapter(target.adapter).columns(target, checked)
