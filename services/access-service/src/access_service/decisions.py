"""May this one do that, there, then? Answered from the rows as they are, so never older than the last commit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import col

from access_service import conditions, rules
from access_service.held import ABOUT_ACCOUNT, ABOUT_PERSON, ATTRIBUTES, HELD, MEANT, WAYS
from access_service.judging import SUBJECT_TYPES, UNKNOWN, Candidate, Decision, Question, Subject, judge
from access_service.tables import ApiKey
from lodge_kit.identity import Caller

__all__ = ["ADMINISTRATOR", "LODGE", "Decision", "Question", "Reader", "decide", "known_as"]

LODGE = "lodge"
"""The key of the system that Lodge itself is."""
ADMINISTRATOR = "administrator"
"""Lodge's built-in role that contains every permission of Lodge."""
# A grant for one environment of a system is none for Lodge itself, of which there is one.
_IN_LODGE = text(
    HELD  # noqa: S608 - constants of this module; every value is bound
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

_OF_ONE_ACTION = text(HELD + "," + MEANT + WAYS)

# In this order, active or not: nobody gets another's rights by a user name that is another's id.
# The index of user names is by their lower case, so that is asked for besides.
_KNOWN = text(f"""
    SELECT 0 AS rank, id, status, {ABOUT_PERSON} AS about FROM person WHERE id = :subject
    UNION ALL SELECT 1, id, status, {ABOUT_ACCOUNT} FROM service_account WHERE id = :subject
    UNION ALL SELECT 2, id, status, {ABOUT_PERSON} FROM person WHERE external_id = :subject AND deleted_at IS NULL
    UNION ALL SELECT 3, id, status, {ABOUT_PERSON} FROM person
        WHERE lower(user_name) = :lower AND user_name = :subject AND deleted_at IS NULL
    UNION ALL SELECT 4, id, status, {ABOUT_ACCOUNT} FROM service_account WHERE name = :subject
    ORDER BY rank LIMIT 1
""")  # noqa: S608 - constants of this module; every value is bound

Reader = AsyncSession | AsyncConnection
"""Where rows are read from: a transaction, or a connection that needs none."""


async def held_in_lodge(session: AsyncSession, who: str, *, at: datetime) -> dict[str, list[str | None]]:
    """Answer Lodge's own permissions that `who` holds, each with the org units of the grants; None is everywhere."""
    rows = await session.execute(_IN_LODGE, {"who": who, "at": at, "lodge": LODGE})
    return {row.name: list(row.units) for row in rows}


async def scopes_of(session: AsyncSession, who: str, client_id: str | None) -> list[str] | None:
    """Answer the permissions that a call is held to by the key it was made with; None where by none."""
    if client_id is None or not client_id.startswith("key_"):
        return None
    found = select(col(ApiKey.scopes)).where(col(ApiKey.id) == client_id, col(ApiKey.owner) == who)
    return (await session.execute(found)).scalar_one_or_none()


async def usable_in_lodge(session: AsyncSession, by: Caller, *, at: datetime) -> dict[str, list[str | None]]:
    """Answer what `held_in_lodge` does of a caller, as far as the key goes by which he calls."""
    scopes = await scopes_of(session, by.id, by.client_id)
    held = await held_in_lodge(session, by.id, at=at)
    return {name: units for name, units in held.items() if scopes is None or name in scopes}


async def contained(session: AsyncSession, role: str) -> list[str]:
    """Answer the names of all permissions of a role, inherited ones too."""
    return list((await session.execute(_CONTAINED, {"role": role})).scalars())


async def decide(reader: Reader, question: Question, *, at: datetime) -> Decision:
    """Decide. Deny by default: an unknown or inactive subject, an unknown action, another org unit or environment.

    A grant that is scoped to an org unit permits only where the question names a unit at or below it, one that is
    scoped to an environment only where it names that one.
    """
    subject = await known_as(reader, question)
    return UNKNOWN if subject is None else await decide_about(subject, reader, question, at=at)


async def decide_about(subject: Subject, reader: Reader, question: Question, *, at: datetime) -> Decision:
    """Decide about a subject that was found already."""
    asked = place(question) | {"who": subject.id, "at": at, "action": question.action}
    rows = (await reader.execute(_OF_ONE_ACTION, asked)).all()
    await conditions.read(row.condition for row in rows if row.condition is not None)
    return judge(question, subject, candidates(rows), known=bool(rows))


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
