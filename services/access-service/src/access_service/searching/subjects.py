"""Who may do it with a resource: people, or service accounts, in the order of Lodge's ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy import text

from access_service import conditions
from access_service.decisions import Reader, place
from access_service.held import ABOUT_ACCOUNT, ABOUT_PERSON, ATTRIBUTES, COVERED, MEANT
from access_service.judging import PEOPLE, PROGRAMS, Candidate, Question, Subject, judge
from access_service.searching.pages import Page, gather

# From the permissions that are meant to the roles that contain or inherit them, and to whom those were given.
_REACH = f"""
    WITH RECURSIVE {MEANT}, reach (permission_id, role_id) AS (
        SELECT rp.permission_id, r.id FROM meant m JOIN role_permission rp ON rp.permission_id = m.id
        JOIN role r ON r.id = rp.role_id AND r.state = 'active'
        UNION SELECT h.permission_id, r.id FROM reach h JOIN role_inheritance i ON i.inherits = h.role_id
        JOIN role r ON r.id = i.role_id AND r.state = 'active'
    )
"""  # noqa: S608 - constants of these modules; every value is bound
_NEXT = "g.subject > :after AND g.subject < :below"
_GROUPS = "g.subject >= 'grp_' AND g.subject < 'grp`'"  # as the index of such grants has it
# The first of those to whom a role was given, in the order of their ids, and no more than fit on a page: an id that is
# among the first of all is among the first of each role that it was given. `:below` ends the ids of one kind.
_FIRST = f"""
    FROM reach h JOIN meant m ON m.id = h.permission_id CROSS JOIN LATERAL (
        SELECT DISTINCT g.subject FROM role_grant g
        WHERE g.role_id = h.role_id AND {{among}}
            AND g.valid_from <= :at AND (g.valid_to IS NULL OR g.valid_to > :at) AND {COVERED}
        ORDER BY g.subject {{limit}}
    ) f
"""  # noqa: S608 - constants of these modules; every value is bound
_PEOPLE = text(f"""{_REACH}
    , given (subject, permission_id) AS (
        SELECT DISTINCT f.subject, m.id {_FIRST.format(among=_GROUPS, limit="")}
    ), holder (id, permission_id) AS (
        SELECT f.subject, m.id {_FIRST.format(among=_NEXT, limit="LIMIT :n")}
        UNION SELECT f.person_id, g.permission_id FROM given g CROSS JOIN LATERAL (
            SELECT gm.person_id FROM group_member gm WHERE gm.group_id = g.subject AND gm.person_id > :after
            ORDER BY gm.person_id LIMIT :n
        ) f
        UNION SELECT p.id, h.permission_id FROM reach h JOIN role r ON r.id = h.role_id AND r.everyone
        CROSS JOIN (SELECT id FROM person WHERE id > :after ORDER BY id LIMIT :n) p
    )
    SELECT id, array_agg(permission_id) AS permissions FROM holder GROUP BY id ORDER BY id LIMIT :n
""")  # noqa: S608 - constants of these modules; every value is bound
_PROGRAMS = text(f"""{_REACH}
    , given (subject, permission_id) AS (
        SELECT f.subject, m.id {_FIRST.format(among=_NEXT, limit="LIMIT :n")}
    )
    SELECT subject AS id, array_agg(DISTINCT permission_id) AS permissions
    FROM given GROUP BY subject ORDER BY subject LIMIT :n
""")  # noqa: S608 - constants of these modules; every value is bound
_CONDITIONS = text(
    f"WITH RECURSIVE {MEANT} SELECT id, system_id, condition, request_wins, properties FROM meant"  # noqa: S608
)

# What one is called: by what `known_as` finds that very one by, the institution's own id first.
_IS_ID = "EXISTS (SELECT 1 FROM person o WHERE o.id = {0} UNION ALL SELECT 1 FROM service_account o WHERE o.id = {0})"
_IS_EXTERNAL = "EXISTS (SELECT 1 FROM person o WHERE o.external_id = {0} AND o.deleted_at IS NULL)"
_IS_USER = """EXISTS (SELECT 1 FROM person o
    WHERE lower(o.user_name) = lower({0}) AND o.user_name = {0} AND o.deleted_at IS NULL)"""
_ABOUT_PEOPLE = text(f"""
    SELECT id, status, {ABOUT_PERSON} AS about, CASE
        WHEN external_id IS NOT NULL AND NOT {_IS_ID.format("p.external_id")} THEN external_id
        WHEN NOT {_IS_ID.format("p.user_name")} AND NOT {_IS_EXTERNAL.format("p.user_name")} THEN user_name
        ELSE id END AS called
    FROM person p WHERE id = ANY (:found)
""")  # noqa: S608 - constants of these modules; every value is bound
_ABOUT_PROGRAMS = text(f"""
    SELECT id, status, {ABOUT_ACCOUNT} AS about, CASE
        WHEN NOT {_IS_ID.format("a.name")} AND NOT {_IS_EXTERNAL.format("a.name")} AND NOT {_IS_USER.format("a.name")}
        THEN name ELSE id END AS called
    FROM service_account a WHERE id = ANY (:found)
""")  # noqa: S608 - constants of these modules; every value is bound


@dataclass(frozen=True, slots=True)
class _Holder:
    subject: Subject
    called: str
    is_active: bool
    permissions: Sequence[str]


async def subjects(reader: Reader, question: Question, *, at: datetime, after: str, limit: int) -> Page[str]:
    """Answer a page of what those are called who may, whose Lodge ids come after `after`."""
    if question.subject_type in PEOPLE:
        finding, telling, kind = _PEOPLE, _ABOUT_PEOPLE, "per_"
    elif question.subject_type in PROGRAMS:
        finding, telling, kind = _PROGRAMS, _ABOUT_PROGRAMS, "svc_"
    else:
        return Page([], None)
    asked = place(question) | {"action": question.action, "at": at}
    ways = await _ways(reader, asked)

    async def fetch(last: str, count: int) -> list[_Holder]:
        rows = (
            await reader.execute(finding, asked | {"after": max(last, kind), "below": _end_of(kind), "n": count})
        ).all()
        told = {row.id: row for row in await reader.execute(telling, {"found": [row.id for row in rows]})}
        return [
            _Holder(
                Subject(row.id, dict.fromkeys(ATTRIBUTES) | about.about), about.called, about.status == "active",
                row.permissions,
            )
            for row in rows
            if (about := told.get(row.id))
        ]  # fmt: skip

    def permitted(holder: _Holder) -> bool:
        held = [ways[permission] for permission in holder.permissions if permission in ways]
        return (
            holder.is_active
            and judge(replace(question, subject=holder.called), holder.subject, held, known=True).permit
        )

    page = await gather(fetch, permitted, lambda holder: holder.subject.id, after=after, limit=limit)
    return Page([holder.called for holder in page.found], page.after)


def _end_of(kind: str) -> str:
    """Answer the text before which all ids with this prefix come."""
    return kind[:-1] + chr(ord(kind[-1]) + 1)


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
