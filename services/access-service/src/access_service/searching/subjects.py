"""Who may do it with a resource: people, or service accounts, in the order of Lodge's ids."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text

from access_service import conditions
from access_service.decisions import Reader, place
from access_service.held import ABOUT_ACCOUNT, ABOUT_PERSON, ATTRIBUTES, COVERED, MEANT
from access_service.judging import PEOPLE, PROGRAMS, Candidate, Question, Subject, judge
from access_service.searching.pages import Page, gather

# From the permissions that are meant to the roles that contain or inherit them, and to whom those were given.
_GIVEN = f"""
    WITH RECURSIVE {MEANT}, reach (permission_id, role_id) AS (
        SELECT rp.permission_id, r.id FROM meant m JOIN role_permission rp ON rp.permission_id = m.id
        JOIN role r ON r.id = rp.role_id AND r.state = 'active'
        UNION SELECT h.permission_id, r.id FROM reach h JOIN role_inheritance i ON i.inherits = h.role_id
        JOIN role r ON r.id = i.role_id AND r.state = 'active'
    ), given (subject, permission_id) AS (
        SELECT DISTINCT g.subject, m.id FROM reach h JOIN meant m ON m.id = h.permission_id
        JOIN role_grant g ON g.role_id = h.role_id AND g.valid_from <= :at AND (g.valid_to IS NULL OR g.valid_to > :at)
        WHERE {COVERED}
    )
"""  # noqa: S608 - constants of these modules; every value is bound
# Of those who have it without a grant no more are needed than fit on the page: the first of all by id.
_PEOPLE = text(
    _GIVEN  # noqa: S608 - constants of these modules; every value is bound
    + """
    , holder (id, permission_id) AS (
        SELECT g.subject, g.permission_id FROM given g
        UNION SELECT gm.person_id, g.permission_id FROM given g JOIN group_member gm ON gm.group_id = g.subject
        UNION SELECT p.id, h.permission_id FROM reach h JOIN role r ON r.id = h.role_id AND r.everyone
        CROSS JOIN (
            SELECT id FROM person WHERE status = 'active' AND id > :after ORDER BY id LIMIT :n
        ) p
    )
    SELECT p.id, array_agg(h.permission_id) AS permissions
    FROM holder h JOIN person p ON p.id = h.id AND p.status = 'active'
    WHERE h.id > :after GROUP BY p.id ORDER BY p.id LIMIT :n
"""
)
_PROGRAMS = text(
    _GIVEN  # noqa: S608 - constants of these modules; every value is bound
    + """
    SELECT a.id, array_agg(g.permission_id) AS permissions
    FROM given g JOIN service_account a ON a.id = g.subject AND a.status = 'active'
    WHERE g.subject > :after GROUP BY a.id ORDER BY a.id LIMIT :n
"""
)
_CONDITIONS = text(
    f"WITH RECURSIVE {MEANT} SELECT id, system_id, condition, request_wins, properties FROM meant"  # noqa: S608
)

# What one is called: by what `known_as` finds that very one by, the institution's own id first.
_IS_ID = "EXISTS (SELECT 1 FROM person o WHERE o.id = {0} UNION ALL SELECT 1 FROM service_account o WHERE o.id = {0})"
_IS_EXTERNAL = "EXISTS (SELECT 1 FROM person o WHERE o.external_id = {0} AND o.deleted_at IS NULL)"
_IS_USER = """EXISTS (SELECT 1 FROM person o
    WHERE lower(o.user_name) = lower({0}) AND o.user_name = {0} AND o.deleted_at IS NULL)"""
_ABOUT_PEOPLE = text(f"""
    SELECT id, {ABOUT_PERSON} AS about, CASE
        WHEN external_id IS NOT NULL AND NOT {_IS_ID.format("p.external_id")} THEN external_id
        WHEN NOT {_IS_ID.format("p.user_name")} AND NOT {_IS_EXTERNAL.format("p.user_name")} THEN user_name
        ELSE id END AS called
    FROM person p WHERE id = ANY (:found)
""")  # noqa: S608 - constants of these modules; every value is bound
_ABOUT_PROGRAMS = text(f"""
    SELECT id, {ABOUT_ACCOUNT} AS about, CASE
        WHEN NOT {_IS_ID.format("a.name")} AND NOT {_IS_EXTERNAL.format("a.name")} AND NOT {_IS_USER.format("a.name")}
        THEN name ELSE id END AS called
    FROM service_account a WHERE id = ANY (:found)
""")  # noqa: S608 - constants of these modules; every value is bound


@dataclass(frozen=True, slots=True)
class _Holder:
    subject: Subject
    called: str
    permissions: Sequence[str]


async def subjects(reader: Reader, question: Question, *, at: datetime, after: str, limit: int) -> Page[str]:
    """Answer a page of what those are called who may, whose Lodge ids come after `after`."""
    if question.subject_type in PEOPLE:
        finding, telling = _PEOPLE, _ABOUT_PEOPLE
    elif question.subject_type in PROGRAMS:
        finding, telling = _PROGRAMS, _ABOUT_PROGRAMS
    else:
        return Page([], None)
    asked = place(question) | {"action": question.action, "at": at}
    ways = await _ways(reader, asked)

    async def fetch(last: str, count: int) -> list[_Holder]:
        rows = (await reader.execute(finding, asked | {"after": last, "n": count})).all()
        told = {row.id: row for row in await reader.execute(telling, {"found": [row.id for row in rows]})}
        return [
            _Holder(Subject(row.id, dict.fromkeys(ATTRIBUTES) | about.about), about.called, row.permissions)
            for row in rows
            if (about := told.get(row.id))
        ]

    def permitted(holder: _Holder) -> bool:
        held = [ways[permission] for permission in holder.permissions if permission in ways]
        return judge(replace(question, subject=holder.called), holder.subject, held, known=True).permit

    page = await gather(fetch, permitted, lambda holder: holder.subject.id, after=after, limit=limit)
    return Page([holder.called for holder in page.found], page.after)


async def _ways(reader: Reader, asked: dict[str, object]) -> dict[str, Candidate]:
    """Answer how each permission that is meant is held by those to whom it is given: here, on its condition."""
    rows = (await reader.execute(_CONDITIONS, asked)).all()
    await conditions.read(row.condition for row in rows if row.condition is not None)
    return {
        row.id: Candidate(
            row.id, row.system_id, None, None, (), there=True, condition=row.condition, request_wins=row.request_wins,
            registered=row.properties or {},
        )
        for row in rows
    }  # fmt: skip
