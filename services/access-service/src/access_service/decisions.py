"""May this one do that, there, then? Answered from the rows as they are, so never older than the last commit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

LODGE = "lodge"
"""The key of the system that Lodge itself is."""
ADMINISTRATOR = "administrator"
"""Lodge's built-in role that contains every permission of Lodge."""

# An array and no OR: with an OR every grant is read, with the array those of the subject by their index.
_HELD = """
    WITH RECURSIVE held (role_id, org_unit, grant_id) AS (
        SELECT g.role_id, g.org_unit, g.id FROM role_grant g
        WHERE g.subject = ANY (ARRAY(
                SELECT CAST(:who AS text) UNION ALL SELECT m.group_id FROM group_member m WHERE m.person_id = :who))
            AND g.valid_from <= :at AND (g.valid_to IS NULL OR g.valid_to > :at)
        UNION ALL
        SELECT r.id, NULL, NULL FROM role r WHERE r.everyone AND starts_with(:who, 'per_')
        UNION
        SELECT i.inherits, h.org_unit, h.grant_id FROM held h
        JOIN role r ON r.id = h.role_id AND r.state = 'active' JOIN role_inheritance i ON i.role_id = r.id
    )
"""

_IN_LODGE = text(
    _HELD  # noqa: S608 - constants of this module; every value is bound
    + """
    SELECT p.name, array_agg(DISTINCT h.org_unit) AS units FROM held h
    JOIN role r ON r.id = h.role_id AND r.state = 'active'
    JOIN system s ON s.id = r.system_id AND s.key = :lodge
    JOIN role_permission rp ON rp.role_id = r.id JOIN permission p ON p.id = rp.permission_id AND p.state = 'active'
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

_DECIDING = text(
    _HELD  # noqa: S608 - constants of this module; every value is bound
    + """
    , above (id) AS (
        SELECT CAST(:org_unit AS text) COLLATE "C"
        UNION SELECT o.parent FROM above a JOIN org_unit o ON o.id = a.id WHERE o.parent IS NOT NULL
    )
    SELECT r.id AS role_id, r.name AS role_name, h.grant_id, h.org_unit,
        h.org_unit IS NULL OR h.org_unit IN (SELECT id FROM above WHERE id IS NOT NULL) AS there
    FROM held h JOIN role r ON r.id = h.role_id AND r.state = 'active'
    JOIN role_permission rp ON rp.role_id = r.id
    JOIN permission p ON p.id = rp.permission_id AND p.action = :action AND p.resource_type = :resource_type
        AND p.state = 'active'
    JOIN system s ON s.id = p.system_id AND (CAST(:system AS text) IS NULL OR s.key = :system OR s.id = :system)
    ORDER BY there DESC, h.grant_id NULLS FIRST LIMIT 1
"""
)


# In this order, active or not: nobody gets another's rights by a user name that is another's id.
# The index of user names is by their lower case, so that is asked for besides.
_KNOWN = text("""
    SELECT 0 AS rank, id, status FROM person WHERE id = :subject
    UNION ALL SELECT 1, id, status FROM service_account WHERE id = :subject
    UNION ALL SELECT 2, id, status FROM person WHERE external_id = :subject
    UNION ALL SELECT 3, id, status FROM person WHERE lower(user_name) = :lower AND user_name = :subject
    UNION ALL SELECT 4, id, status FROM service_account WHERE name = :subject
    ORDER BY rank LIMIT 1
""")

Reader = AsyncSession | AsyncConnection
"""Where rows are read from: a transaction, or a connection that needs none."""


@dataclass(frozen=True, slots=True)
class Question:
    """What AuthZEN's access evaluation asks (Authorization API 1.0, section 6)."""

    subject: str
    action: str
    resource_type: str
    system: str | None = None
    org_unit: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Permit or deny, and by which grant and role, or why not."""

    permit: bool
    reason: str
    role: str | None = None
    grant: str | None = None


async def held_in_lodge(session: AsyncSession, who: str, *, at: datetime) -> dict[str, list[str | None]]:
    """Answer Lodge's own permissions that `who` holds, each with the org units of the grants; None is everywhere."""
    rows = await session.execute(_IN_LODGE, {"who": who, "at": at, "lodge": LODGE})
    return {row.name: list(row.units) for row in rows}


async def contained(session: AsyncSession, role: str) -> list[str]:
    """Answer the names of all permissions of a role, inherited ones too."""
    return list((await session.execute(_CONTAINED, {"role": role})).scalars())


async def decide(reader: Reader, question: Question, *, at: datetime) -> Decision:
    """Decide. Deny by default: an unknown or inactive subject, an unknown action, another org unit.

    A grant that is scoped to an org unit permits only where the question names a unit at or below it.
    """
    who = await known_as(reader, question.subject)
    if who is None:
        return Decision(permit=False, reason="The subject is unknown or not active.")
    asked = {
        "who": who,
        "at": at,
        "action": question.action,
        "resource_type": question.resource_type,
        "system": question.system,
        "org_unit": question.org_unit,
    }
    row = (await reader.execute(_DECIDING, asked)).first()
    if row is None:
        return Decision(permit=False, reason="No grant that holds now contains this permission.")
    if not row.there:
        return Decision(permit=False, reason="The permission is held for other org units only.", role=row.role_id)
    return Decision(permit=True, reason=f"Held by role {row.role_name}.", role=row.role_id, grant=row.grant_id)


async def known_as(reader: Reader, subject: str) -> str | None:
    """Answer the id of the active person or service account that `subject` names: by id, external id or user name."""
    first = (await reader.execute(_KNOWN, {"subject": subject, "lower": subject.lower()})).first()
    return first.id if first is not None and first.status == "active" else None
