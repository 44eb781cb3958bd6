"""What somebody must hold to give a role, or to have others get one by a group."""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import decisions, org_units, rights
from access_service.rules import joined
from access_service.tables import Grant, Role, System
from lodge_kit.identity import Caller
from lodge_kit.problems import Forbidden


def demand_within_scope(by: Caller, org_unit: str | None) -> None:
    """Refuse who may not give or end roles there. Raises `Forbidden`."""
    scope = by.scope(rights.GRANT)
    if scope != "*" and org_unit not in scope:
        where = f"for org unit {org_unit}" if org_unit else "for the whole institution"
        held = "you hold it for some org units only" if scope else "you do not hold it"
        raise Forbidden(f"This needs the permission {rights.GRANT.name} {where}; {held}.")


async def demand_held(session: AsyncSession, role: Role, by: Caller, org_unit: str | None, *, now: datetime) -> None:
    """Refuse to give more of Lodge's own rights than the giver has: who may give roles could have them all else."""
    system = await session.get(System, role.system_id)
    if system is None or system.key != decisions.LODGE:
        return
    held = await decisions.held_in_lodge(session, by.id, at=now)
    parents = await org_units.parents(session) if org_unit else {}
    for name in await decisions.contained(session, role.id):
        scope = joined(held.get(name, []), parents)
        if scope != "*" and org_unit not in scope:
            raise Forbidden(f"This role of Lodge contains {name}, which you do not hold there. Ask one who does.")


async def demand_may_join(session: AsyncSession, group: str, *, by: Caller, now: datetime) -> None:
    """Refuse to put anybody into a group that holds a role of Lodge itself, unless `by` could give that role."""
    for grant, role in await _of_lodge(session, group, now=now):
        demand_within_scope(by, grant.org_unit)
        await demand_held(session, role, by, grant.org_unit, now=now)


async def demand_may_leave(session: AsyncSession, group: str, *, by: Caller, now: datetime) -> None:
    """Refuse to take anybody out of a group that holds a role of Lodge itself, unless `by` could end that grant."""
    for grant, _ in await _of_lodge(session, group, now=now):
        demand_within_scope(by, grant.org_unit)


async def _of_lodge(session: AsyncSession, group: str, *, now: datetime) -> list[tuple[Grant, Role]]:
    """Answer what a group holds of Lodge's own roles, now or later."""
    found = (
        select(Grant, Role)
        .join(Role, col(Role.id) == col(Grant.role_id))
        .join(System, col(System.id) == col(Role.system_id))
        .where(col(Grant.subject) == group, col(System.key) == decisions.LODGE)
        .where(or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > now))
    )
    return [(row[0], row[1]) for row in await session.execute(found)]
