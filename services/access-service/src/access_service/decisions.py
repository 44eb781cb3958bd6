"""May this one do that, there, then? Answered from the rows as they are, so never older than the last commit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from access_service import conditions, rules
from access_service.judging import SUBJECT_TYPES, UNKNOWN, Candidate, Decision, Question, Subject, judge

__all__ = ["ADMINISTRATOR", "ATTRIBUTES", "LODGE", "Decision", "Question", "Reader", "decide", "known_as"]

LODGE = "lodge"
"""The key of the system that Lodge itself is."""
ADMINISTRATOR = "administrator"
"""Lodge's built-in role that contains every permission of Lodge."""
ATTRIBUTES = ("name", "user_name", "external_id", "email", "title", "employee_number", "org_unit", "manager")
"""What the server holds of a subject and conditions see; a service account has a name only."""

# An array and no OR: with an OR every grant is read, with the array those of the subject by their index.
_HELD = """
    WITH RECURSIVE held (role_id, given, org_unit, environment, grant_id) AS (
        SELECT g.role_id, g.role_id, g.org_unit, g.environment, g.id FROM role_grant g
        WHERE g.subject = ANY (ARRAY(
                SELECT CAST(:who AS text) UNION ALL SELECT m.group_id FROM group_member m WHERE m.person_id = :who))
            AND g.valid_from <= :at AND (g.valid_to IS NULL OR g.valid_to > :at)
        UNION ALL
        SELECT r.id, r.id, NULL, NULL, NULL FROM role r WHERE r.everyone AND starts_with(:who, 'per_')
        UNION
        SELECT i.inherits, h.given, h.org_unit, h.environment, h.grant_id FROM held h
        JOIN role r ON r.id = h.role_id AND r.state = 'active' JOIN role_inheritance i ON i.role_id = r.id
    )
"""

# A grant for one environment of a system is none for Lodge itself, of which there is one.
_IN_LODGE = text(
    _HELD  # noqa: S608 - constants of this module; every value is bound
    + """
    SELECT p.name, array_agg(DISTINCT h.org_unit) AS units FROM held h
    JOIN role r ON r.id = h.role_id AND r.state = 'active'
    JOIN system s ON s.id = r.system_id AND s.key = :lodge
    JOIN role_permission rp ON rp.role_id = r.id JOIN permission p ON p.id = rp.permission_id AND p.state = 'active'
    WHERE h.environment IS NULL
    GROUP BY p.name
"""
)

_CONTAINED = text("""
    WITH RECURSIVE inherited (id) AS (
        SELECT CAST(:role AS text) COLLATE "C"
        UNION SELECT i.inherits FROM inherited h JOIN role_inheritance i ON i.role_id = h.id
    )
    SELECT DISTINCT p.name FROM inherited h JOIN role_permission rp ON rp.role_id = h.id
    JOIN permission p ON p.id = rp.permission_id ORDER BY p.name
""")

# The permissions that are meant, and where the resource is for each: as its system registered it, or as it is said.
MEANT = """
    meant AS (
        SELECT p.id, p.action, p.system_id, p.condition, p.request_wins, res.properties,
            CASE WHEN p.request_wins AND :says_unit OR NOT coalesce(res.properties ? 'org_unit', false)
                THEN CAST(:org_unit AS text) ELSE res.properties ->> 'org_unit' END COLLATE "C" AS unit,
            CASE WHEN p.request_wins AND :says_environment OR NOT coalesce(res.properties ? 'environment', false)
                THEN CAST(:environment AS text) ELSE res.properties ->> 'environment' END AS environment
        FROM permission p
        JOIN system s ON s.id = p.system_id AND (CAST(:system AS text) IS NULL OR s.key = :system OR s.id = :system)
        LEFT JOIN resource res ON res.system_id = p.system_id AND res.type = p.resource_type AND res.name = :resource
        WHERE p.resource_type = :resource_type AND {action} AND p.state = 'active'
    ), above (unit, id) AS (
        SELECT DISTINCT m.unit, m.unit FROM meant m WHERE m.unit IS NOT NULL
        UNION SELECT a.unit, o.parent FROM above a JOIN org_unit o ON o.id = a.id WHERE o.parent IS NOT NULL
    )
"""
COVERED = """
    (g.org_unit IS NULL OR EXISTS (SELECT 1 FROM above a WHERE a.unit = m.unit AND a.id = g.org_unit))
        AND (g.environment IS NULL OR g.environment IS NOT DISTINCT FROM m.environment)
"""

# Every way in which one of them is held; a single row without a grant and a role where it is not held at all.
_WAYS = """
    , ways AS (
        SELECT rp.permission_id, h.given, h.grant_id, array_agg(r.id) AS containing
        FROM held h JOIN role r ON r.id = h.role_id AND r.state = 'active'
        JOIN role_permission rp ON rp.role_id = r.id
        WHERE rp.permission_id IN (SELECT m.id FROM meant m)
        GROUP BY rp.permission_id, h.given, h.grant_id
    )
    SELECT m.id AS permission, m.action, m.system_id AS system, m.condition, m.request_wins,
        CASE WHEN m.condition IS NOT NULL THEN m.properties END AS registered,
        w.given, w.grant_id, w.containing, g.subject, {covered} AS there,
        (SELECT json_agg(json_build_array(i.role_id, i.inherits)) FROM role_inheritance i
            JOIN role r ON r.id = i.role_id AND r.state = 'active'
            WHERE i.role_id IN (SELECT h.role_id FROM held h)) AS inheritance
    FROM meant m LEFT JOIN ways w ON w.permission_id = m.id LEFT JOIN role_grant g ON g.id = w.grant_id
"""
_OF_ONE_ACTION = text(_HELD + "," + MEANT.format(action="p.action = :action") + _WAYS.format(covered=COVERED))
_OF_EVERY_ACTION = text(_HELD + "," + MEANT.format(action="true") + _WAYS.format(covered=COVERED))

# In this order, active or not: nobody gets another's rights by a user name that is another's id.
# The index of user names is by their lower case, so that is asked for besides.
_ABOUT_PERSON = "json_build_object({})".format(", ".join(f"'{name}', {name}" for name in ATTRIBUTES))
_ABOUT_ACCOUNT = "json_build_object('name', name)"
_KNOWN = text(f"""
    SELECT 0 AS rank, id, status, {_ABOUT_PERSON} AS about FROM person WHERE id = :subject
    UNION ALL SELECT 1, id, status, {_ABOUT_ACCOUNT} FROM service_account WHERE id = :subject
    UNION ALL SELECT 2, id, status, {_ABOUT_PERSON} FROM person WHERE external_id = :subject AND deleted_at IS NULL
    UNION ALL SELECT 3, id, status, {_ABOUT_PERSON} FROM person
        WHERE lower(user_name) = :lower AND user_name = :subject AND deleted_at IS NULL
    UNION ALL SELECT 4, id, status, {_ABOUT_ACCOUNT} FROM service_account WHERE name = :subject
    ORDER BY rank LIMIT 1
""")  # noqa: S608 - constants of this module; every value is bound

Reader = AsyncSession | AsyncConnection
"""Where rows are read from: a transaction, or a connection that needs none."""


async def held_in_lodge(session: AsyncSession, who: str, *, at: datetime) -> dict[str, list[str | None]]:
    """Answer Lodge's own permissions that `who` holds, each with the org units of the grants; None is everywhere."""
    rows = await session.execute(_IN_LODGE, {"who": who, "at": at, "lodge": LODGE})
    return {row.name: list(row.units) for row in rows}


async def contained(session: AsyncSession, role: str) -> list[str]:
    """Answer the names of all permissions of a role, inherited ones too."""
    return list((await session.execute(_CONTAINED, {"role": role})).scalars())


async def decide(reader: Reader, question: Question, *, at: datetime) -> Decision:
    """Decide. Deny by default: an unknown or inactive subject, an unknown action, another org unit or environment.

    A grant that is scoped to an org unit permits only where the question names a unit at or below it, one that is
    scoped to an environment only where it names that one.
    """
    subject = await known_as(reader, question)
    if subject is None:
        return UNKNOWN
    asked = place(question) | {"who": subject.id, "at": at, "action": question.action}
    rows = (await reader.execute(_OF_ONE_ACTION, asked)).all()
    await conditions.read(row.condition for row in rows if row.condition is not None)
    return judge(question, subject, candidates(rows), known=bool(rows))


async def permitted_actions(reader: Reader, question: Question, *, at: datetime) -> list[str]:
    """Answer the names of all actions that `decide` would permit, in order; `question.action` is not looked at."""
    subject = await known_as(reader, question)
    if subject is None:
        return []
    rows = (await reader.execute(_OF_EVERY_ACTION, place(question) | {"who": subject.id, "at": at})).all()
    await conditions.read(row.condition for row in rows if row.condition is not None)
    by_action: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        by_action[row.action].append(row)
    return [
        action
        for action, held in sorted(by_action.items())
        if judge(replace(question, action=action), subject, candidates(held), known=True).permit
    ]


async def known_as(reader: Reader, question: Question) -> Subject | None:
    """Answer the active one whom the question's subject names: by id, external id or user name (of a known type)."""
    if question.subject_type not in SUBJECT_TYPES:
        return None
    named = {"subject": question.subject, "lower": question.subject.lower()}
    first = (await reader.execute(_KNOWN, named)).first()
    if first is None or first.status != "active":
        return None
    return Subject(first.id, dict.fromkeys(ATTRIBUTES) | first.about)


def place(question: Question) -> dict[str, Any]:
    """Answer what statements are told of the resource: what it is, and where it is said to be."""
    said = question.resource_properties
    return {
        "resource_type": question.resource_type, "resource": question.resource, "system": question.system,
        "says_unit": "org_unit" in said, "org_unit": _text(said.get("org_unit")),
        "says_environment": "environment" in said, "environment": _text(said.get("environment")),
    }  # fmt: skip


def candidates(rows: Iterable[Row[Any]]) -> list[Candidate]:
    """Make candidates of the rows that name a role; the others say that a permission is known and not held."""
    held = [row for row in rows if row.given is not None]
    inheritance = _edges(held[0].inheritance or []) if held else {}
    return [
        Candidate(
            permission=row.permission,
            system=row.system,
            grant=row.grant_id,
            group=row.subject if row.subject is not None and row.subject.startswith("grp_") else None,
            roles=rules.shortest_way(inheritance, row.given, row.containing),
            there=row.there,
            condition=row.condition,
            request_wins=row.request_wins,
            registered=row.registered or {},
        )
        for row in held
    ]


def _edges(pairs: Sequence[Sequence[str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for role, inherits in pairs:
        found[role].append(inherits)
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
