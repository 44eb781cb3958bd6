"""The tree of org units: what a scope is measured by."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import freshness, past, rules
from access_service.tables import OrgUnit
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Invalid


async def parents(session: AsyncSession) -> dict[str, str | None]:
    """Answer the whole tree: each unit with the one above it."""
    rows = await session.execute(select(col(OrgUnit.id), col(OrgUnit.parent)))
    return {row.id: row.parent for row in rows}


async def demand(session: AsyncSession, unit: str | None, *, pointer: str = "/org_unit") -> None:
    """Refuse with 422 a unit that does not exist."""
    if unit is not None and await session.get(OrgUnit, unit) is None:
        raise Invalid.at(pointer, f"There is no org unit {unit}.", "unknown-org-unit")


async def create(
    session: AsyncSession, *, name: str, code: str | None, parent: str | None, by: Caller, now: datetime
) -> OrgUnit:
    """Add a unit below `parent`, or at the top."""
    await demand(session, parent, pointer="/parent")
    unit = OrgUnit(id=ids.new("org"), name=name, code=code, parent=parent, created_at=now, updated_at=now)
    session.add(unit)
    audit.record(session, "org-unit.created", kind="org-unit", of=unit.id, by=by, now=now, name=name, parent=parent)
    await session.flush()
    return unit


async def change(session: AsyncSession, unit: OrgUnit, wanted: dict[str, object], *, by: Caller, now: datetime) -> None:
    """Rename or move a unit. Moving one changes what scopes cover, so every gateway asks anew."""
    if "parent" in wanted:
        above = wanted["parent"]
        parent = above if isinstance(above, str) else None
        await demand(session, parent, pointer="/parent")
        if rules.subtree_in_circle(unit.id, parent, await parents(session)):
            raise Invalid.at("/parent", "A unit cannot be placed below itself.", "circle")
        if parent != unit.parent:
            await past.leave_standing(session, unit, unit.parent or "", now=now)
        await freshness.forget(session, freshness.EVERYBODY)
    for name, value in wanted.items():
        setattr(unit, name, value)
    unit.updated_at = now
    audit.record(session, "org-unit.changed", kind="org-unit", of=unit.id, by=by, now=now, **wanted)
