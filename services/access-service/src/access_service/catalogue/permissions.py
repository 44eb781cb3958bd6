"""Permissions of a system: what can be done in it, with the supplier's own code for it; retired, never deleted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from access_service import conditions, events, freshness, past
from access_service.catalogue.systems import demand_not_lodge, get_system, hold_system
from access_service.tables import Permission, System
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, NotFound

_MEANING = ("action", "resource_type", "condition", "request_wins")
"""What a permission permits: what it permitted before is kept."""


async def get_permission(session: AsyncSession, permission_id: str) -> Permission:
    """Read a permission. Raises `NotFound`."""
    permission = await session.get(Permission, permission_id)
    if permission is None:
        raise NotFound(f"There is no permission {permission_id}.")
    return permission


async def hold_permission(session: AsyncSession, permission_id: str) -> Permission:
    """Read a permission that is about to change, as it is once no other change of the catalogue is under way."""
    permission = await get_permission(session, permission_id)
    await hold_system(session, permission.system_id)
    await session.refresh(permission)
    return permission


async def add_permission(
    session: AsyncSession, system: System, facts: Mapping[str, Any], *, by: Caller | str, now: datetime
) -> Permission:
    """Add a permission to a system; `facts` are columns of `Permission`. Raises `LodgesOwn` where a caller does it."""
    if isinstance(by, Caller):
        demand_not_lodge(system)
    if facts.get("condition") is not None:
        await conditions.demand(facts["condition"])
    permission = make(session, system, facts, by=by, now=now)
    await session.flush()
    return permission


def make(
    session: AsyncSession, system: System, facts: Mapping[str, Any], *, by: Caller | str, now: datetime
) -> Permission:
    """Make a permission's row, to be written with the next flush."""
    permission = Permission(id=ids.new("prm"), system_id=system.id, created_at=now, updated_at=now, **facts)
    session.add(permission)
    audit.record(session, "permission.added", kind="permission", of=permission.id, by=by, now=now, name=permission.name)
    return permission


async def change_permission(
    session: AsyncSession, permission: Permission, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change what a permission is called, means, or is called by its supplier. Raises `LodgesOwn`."""
    demand_not_lodge(await get_system(session, permission.system_id))
    if facts.get("condition") is not None:
        await conditions.demand(facts["condition"])
    if facts.get("state", permission.state) != permission.state:
        await past.leave_standing(session, permission, permission.state, now=now)
    if any(facts.get(name, getattr(permission, name)) != getattr(permission, name) for name in _MEANING):
        await past.leave_meaning(session, permission, now=now)
    for name, value in facts.items():
        setattr(permission, name, value)
    permission.updated_at = now
    await session.flush()
    changed = sorted(facts)
    fact = events.PermissionChanged(system=permission.system_id, changed=changed)
    await publish(session, fact, of=permission.id, version=permission.version, actor=by, now=now)
    audit.record(session, "permission.changed", kind="permission", of=permission.id, by=by, now=now, changed=changed)
    await freshness.forget(session, freshness.EVERYBODY)


async def retire_permission(session: AsyncSession, permission: Permission, *, by: Caller, now: datetime) -> None:
    """Take a permission out of use: the roles that contain it keep it on record, and permit it no more."""
    if permission.state == "retired":
        raise Conflict("This permission is retired already.")
    await change_permission(session, permission, {"state": "retired"}, by=by, now=now)


async def activate_permission(session: AsyncSession, permission: Permission, *, by: Caller, now: datetime) -> None:
    """Put a retired permission to use again: the roles that contain it permit it again."""
    if permission.state == "active":
        raise Conflict("This permission is active already.")
    await change_permission(session, permission, {"state": "active"}, by=by, now=now)
