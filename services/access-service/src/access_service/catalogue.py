"""Systems, their permissions, and the roles made of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import conditions, events, freshness, past
from access_service.decisions import ADMINISTRATOR, LODGE
from access_service.rules import inherits_in_circle
from access_service.tables import Permission, Person, Role, RoleInheritance, System
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem


class InheritanceCircle(Problem):
    """A role would inherit from itself (RBAC1: the hierarchy is a partial order)."""

    status, code = HTTPStatus.CONFLICT, "inheritance-circle"


async def get_system(session: AsyncSession, system_id: str) -> System:
    """Read a system. Raises `NotFound`."""
    system = await session.get(System, system_id)
    if system is None:
        raise NotFound(f"There is no system {system_id}.")
    return system


async def get_role(session: AsyncSession, role_id: str) -> Role:
    """Read a role. Raises `NotFound`."""
    role = await session.get(Role, role_id)
    if role is None:
        raise NotFound(f"There is no role {role_id}.")
    return role


async def add_system(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str, now: datetime) -> System:
    """Add a system; `facts` are columns of `System`."""
    await _demand_person(session, facts.get("owner"))
    system = System(id=ids.new("sys"), created_at=now, updated_at=now, **facts)
    session.add(system)
    audit.record(session, "system.added", kind="system", of=system.id, by=by, now=now, key=system.key)
    await session.flush()
    return system


async def change_system(
    session: AsyncSession, system: System, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change a system's name, description or owner."""
    await _demand_person(session, facts.get("owner"))
    for name, value in facts.items():
        setattr(system, name, value)
    system.updated_at = now
    audit.record(session, "system.changed", kind="system", of=system.id, by=by, now=now, **facts)


async def add_permission(
    session: AsyncSession, system: System, facts: Mapping[str, Any], *, by: Caller | str, now: datetime
) -> Permission:
    """Add a permission to a system; `facts` are columns of `Permission`. Raises `Invalid` for its condition."""
    if facts.get("condition") is not None:
        await conditions.demand(facts["condition"])
    permission = Permission(id=ids.new("prm"), system_id=system.id, created_at=now, updated_at=now, **facts)
    session.add(permission)
    audit.record(session, "permission.added", kind="permission", of=permission.id, by=by, now=now, name=permission.name)
    await session.flush()
    return permission


async def add_role(
    session: AsyncSession, system: System, facts: Mapping[str, Any], *,
    permissions: Sequence[str], inherits: Sequence[str], by: Caller | str, now: datetime,
) -> Role:  # fmt: skip
    """Add a role with the permissions it contains and the roles it inherits from, all of the same system."""
    await _demand_person(session, facts.get("owner"))
    role = Role(id=ids.new("rol"), system_id=system.id, created_at=now, updated_at=now, **facts)
    session.add(role)
    await session.flush()
    await contain(session, role, permissions, now=now)
    await inherit(session, role, inherits, now=now)
    audit.record(session, "role.added", kind="role", of=role.id, by=by, now=now, name=role.name)
    return role


async def change_role(
    session: AsyncSession, role: Role, facts: Mapping[str, Any], *,
    permissions: Sequence[str] | None, inherits: Sequence[str] | None, by: Caller, now: datetime,
) -> None:  # fmt: skip
    """Change a role; `permissions` and `inherits` replace what it had where they are given."""
    await _demand_not_administrators(session, role)
    await _demand_person(session, facts.get("owner"))
    if facts.get("state", role.state) != role.state:
        await past.leave_standing(session, role, role.state, now=now)
    for name, value in facts.items():
        setattr(role, name, value)
    if permissions is not None:
        await contain(session, role, permissions, now=now)
    if inherits is not None:
        await inherit(session, role, inherits, now=now)
    changed = sorted(facts) + ["permissions"] * (permissions is not None) + ["inherits"] * (inherits is not None)
    await _role_changed(session, role, changed, by=by, now=now)


async def retire_role(session: AsyncSession, role: Role, *, by: Caller, now: datetime) -> None:
    """Take a role out of use: its grants stay on record and permit nothing any more."""
    if role.state == "retired":
        raise Conflict("This role is retired already.")
    await _demand_not_administrators(session, role)
    await past.leave_standing(session, role, role.state, now=now)
    role.state = "retired"
    await _role_changed(session, role, ["state"], by=by, now=now)


async def contain(session: AsyncSession, role: Role, permissions: Iterable[str], *, now: datetime) -> None:
    """Make `permissions` what the role itself contains. Raises `Invalid` for one of another system."""
    wanted = sorted(set(permissions))
    known = select(col(Permission.id)).where(
        col(Permission.system_id) == role.system_id, col(Permission.id).in_(wanted)
    )
    _demand_all("/permissions", wanted, set((await session.execute(known)).scalars()))
    await past.relink(session, past.CONTAINS, role.id, wanted, now=now)


async def inherit(session: AsyncSession, role: Role, inherits: Iterable[str], *, now: datetime) -> None:
    """Make `inherits` the roles it inherits from. Raises `InheritanceCircle`, `Invalid`."""
    wanted = sorted(set(inherits))
    # Locked: two changes that are each without a circle may make one together.
    system_roles = select(col(Role.id)).where(col(Role.system_id) == role.system_id).with_for_update()
    _demand_all("/inherits", wanted, set((await session.execute(system_roles)).scalars()))
    await past.relink(session, past.INHERITS, role.id, wanted, now=now)
    edges: dict[str, list[str]] = {}
    for row in await session.execute(select(RoleInheritance.role_id, RoleInheritance.inherits)):  # type: ignore[call-overload]  # columns
        edges.setdefault(row.role_id, []).append(row.inherits)
    circle = inherits_in_circle(edges)
    if circle:
        raise InheritanceCircle(f"A role would inherit from itself: {' → '.join(circle)}. Leave one of these out.")


def _demand_all(pointer: str, wanted: Sequence[str], known: set[str]) -> None:
    missing = [one for one in wanted if one not in known]
    if missing:
        raise Invalid.at(pointer, f"This system has no {', '.join(missing)}.", "unknown-id")


async def _demand_not_administrators(session: AsyncSession, role: Role) -> None:
    system = await get_system(session, role.system_id)
    if system.key == LODGE and role.name == ADMINISTRATOR:
        raise Conflict("Lodge's role administrator stays as it is: without it nobody could mend anything here.")


async def _demand_person(session: AsyncSession, person: str | None) -> None:
    if person is not None and await session.get(Person, person) is None:
        raise Invalid.at("/owner", f"There is no person {person}.", "unknown-person")


async def _role_changed(session: AsyncSession, role: Role, changed: list[str], *, by: Caller, now: datetime) -> None:
    role.updated_at = now
    await session.flush()
    await publish(session, events.RoleChanged(changed=changed), of=role.id, version=role.version, actor=by, now=now)
    audit.record(session, "role.changed", kind="role", of=role.id, by=by, now=now, changed=changed)
    await freshness.forget(session, freshness.EVERYBODY)
