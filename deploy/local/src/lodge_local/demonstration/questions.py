"""The approved reports over the student records: their SQL, their parameters. Data only.

Each is what a registry is asked for; academic years are named by the year in which they begin.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

SCHEMA = "records"


@dataclass(frozen=True, slots=True)
class Question:
    """A report: its name, and the SQL of its newest version."""

    name: str
    description: str
    sql: str
    parameters: tuple[dict[str, Any], ...] = ()


def year_of(day: date) -> int:
    """Answer the academic year that a day is in: it begins in August."""
    return day.year if day.month >= 8 else day.year - 1  # noqa: PLR2004 - August


def questions(day: date) -> tuple[Question, ...]:
    """Answer the reports; the year that they ask for by default is the last one that is complete."""
    year = {
        "name": "year", "label": "Academic year (when it begins)", "type": "integer",
        "default": year_of(day) - 1, "minimum": 2000, "maximum": 2100,
    }  # fmt: skip
    level = {"name": "level", "label": "Level", "type": "choice", "choices": ["UG", "PG"], "default": "UG"}
    least = {"name": "least", "label": "At least so many results", "type": "integer", "default": 20, "minimum": 1}
    since = {"name": "since", "label": "Since", "type": "date", "default": f"{year_of(day) - 1}-08-01"}
    faculty = {"name": "faculty", "label": "Faculty's code", "type": "text", "required": False, "max_length": 3}
    return (
        Question("Students by faculty", "Students and their modules in one academic year.", _BY_FACULTY, (year,)),
        Question(
            "Module pass rates", "Modules with enough results, the lowest rate first.", _SUCCESS_RATES, (year, least)
        ),
        Question("Withdrawals by programme", "Who has left since a day, by programme.", _WITHDRAWALS, (since,)),
        Question("Missing results", "Modules of a year that still want marks.", _MISSING, (year, faculty)),
        Question(
            "Entry by domicile", "New students of one level by domicile and fee status.", _DOMICILE, (year, level)
        ),
    )


UNDER_REVIEW = Question(
    "Marks by class",
    "How the marks of each level are spread. Waits for approval.",
    """SELECT p.level, width_bucket(r.mark, 0, 100, 10) AS tenth, count(*) AS results
FROM records.results r
JOIN records.enrolments e ON e.id = r.enrolment_id
JOIN records.programmes p ON p.id = e.programme_id
GROUP BY p.level, tenth
ORDER BY p.level, tenth""",
)

FIRST_TRY = """SELECT f.name AS faculty, count(*) AS enrolments
FROM records.enrolments e
JOIN records.programmes p ON p.id = e.programme_id
JOIN records.faculties f ON f.id = p.faculty_id
WHERE e.academic_year = :year
GROUP BY f.name
ORDER BY f.name"""
"""The first version of the first report, which counted a student once a module: superseded."""

_BY_FACULTY = """SELECT f.name AS faculty, count(DISTINCT e.student_id) AS students, count(*) AS modules_taken
FROM records.enrolments e
JOIN records.programmes p ON p.id = e.programme_id
JOIN records.faculties f ON f.id = p.faculty_id
WHERE e.academic_year = :year
GROUP BY f.name
ORDER BY f.name"""

_SUCCESS_RATES = """SELECT m.code, m.title, count(*) AS results,
    round(100.0 * count(*) FILTER (WHERE r.mark >= 40) / count(*), 1) AS pass_rate,
    round(avg(r.mark), 1) AS average
FROM records.results r
JOIN records.enrolments e ON e.id = r.enrolment_id
JOIN records.modules m ON m.id = e.module_id
WHERE e.academic_year = :year
GROUP BY m.code, m.title
HAVING count(*) >= :least
ORDER BY pass_rate, m.code"""

_WITHDRAWALS = """SELECT p.code, p.name AS programme, count(*) AS withdrawn
FROM records.students s
JOIN records.programmes p ON p.id = s.programme_id
WHERE s.status = 'withdrawn' AND s.status_since >= :since
GROUP BY p.code, p.name
ORDER BY withdrawn DESC, p.code"""

_MISSING = """SELECT f.code AS faculty, m.code, m.title, count(*) AS missing
FROM records.enrolments e
JOIN records.modules m ON m.id = e.module_id
JOIN records.faculties f ON f.id = m.faculty_id
LEFT JOIN records.results r ON r.enrolment_id = e.id
WHERE e.academic_year = :year AND r.enrolment_id IS NULL AND e.status = 'enrolled'
    AND (:faculty IS NULL OR f.code = :faculty)
GROUP BY f.code, m.code, m.title
ORDER BY missing DESC, m.code"""

_DOMICILE = """SELECT s.domicile, s.fee_status, count(*) AS students
FROM records.students s
JOIN records.programmes p ON p.id = s.programme_id
WHERE s.entry_year = :year AND p.level = :level
GROUP BY s.domicile, s.fee_status
ORDER BY students DESC, s.domicile"""
