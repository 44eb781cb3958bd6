"""Roles of a system: the permissions that they contain, the roles that they inherit from, draft, active, retired."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import col

from access_service import decisions, events, freshness, past, rules
from access_service.catalogue.systems import demand_person, get_system, hold_system
from access_service.decisions import ADMINISTRATOR, LODGE
from access_service.tables import Permission, Role, RoleInheritance, RolePermission, System
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Forbidden, Invalid, NotFound, Problem


class InheritanceCircle(Problem):
    """A role would inherit from itself (RBAC1: the hierarchy is a partial order)."""

    status, code = HTTPStatus.CONFLICT, "inheritance-circle"


async def get_role(session: AsyncSession, role_id: str) -> Role:
    """Read a role. Raises `NotFound`."""
    role = await session.get(Role, role_id)
    if role is None:
        raise NotFound(f"There is no role {role_id}.")
    return role


async def hold_role(session: AsyncSession, role_id: str) -> Role:
    """Read a role that is about to change, as it is once no other change of the catalogue is under way."""
    role = await get_role(session, role_id)
    await hold_system(session, role.system_id)
    await session.refresh(role)
    return role


async def add_role(
    session: AsyncSession, system: System, facts: Mapping[str, Any], *,
    permissions: Sequence[str], inherits: Sequence[str], by: Caller | str, now: datetime,
) -> Role:  # fmt: skip
    """Add a role with the permissions it contains and the roles it inherits from, all of the same system."""
    await demand_person(session, facts.get("owner"))
    role = make(session, system, facts, by=by, now=now)
    await session.flush()
    await _link(session, system, role, permissions=permissions, inherits=inherits, by=by, now=now)
    return role


def make(session: AsyncSession, system: System, facts: Mapping[str, Any], *, by: Caller | str, now: datetime) -> Role:
    """Make a role's row without contents, to be written with the next flush."""
    role = Role(id=ids.new("rol"), system_id=system.id, created_at=now, updated_at=now, **facts)
    session.add(role)
    audit.record(session, "role.added", kind="role", of=role.id, by=by, now=now, name=role.name)
    return role


async def change_role(
    session: AsyncSession, role: Role, facts: Mapping[str, Any], *,
    permissions: Sequence[str] | None, inherits: Sequence[str] | None, by: Caller, now: datetime,
) -> None:  # fmt: skip
    """Change a role; `permissions` and `inherits` replace what it had where they are given."""
    system = await get_system(session, role.system_id)
    _demand_not_administrators(system, role)
    await demand_person(session, facts.get("owner"))
    for name, value in facts.items():
        setattr(role, name, value)
    await _link(session, system, role, permissions=permissions, inherits=inherits, by=by, now=now)
    changed = sorted(facts) + ["permissions"] * (permissions is not None) + ["inherits"] * (inherits is not None)
    await tell_changed(session, role, changed, by=by, now=now)


async def activate_role(session: AsyncSession, role: Role, *, by: Caller, now: datetime) -> None:
    """Put a draft to use, or a retired role to use again: its grants that were not ended hold from now on."""
    if role.state == "active":
        raise Conflict("This role is active already.")
    system = await get_system(session, role.system_id)
    if system.key == LODGE:
        await _demand_held(session, await decisions.contained(session, role.id), by=by, now=now)
    await stand(session, role, "active", now=now)
    await tell_changed(session, role, ["state"], by=by, now=now)


async def retire_role(session: AsyncSession, role: Role, *, by: Caller, now: datetime) -> None:
    """Take a role out of use: its grants stay on record and permit nothing any more."""
    if role.state == "retired":
        raise Conflict("This role is retired already.")
    _demand_not_administrators(await get_system(session, role.system_id), role)
    await stand(session, role, "retired", now=now)
    await tell_changed(session, role, ["state"], by=by, now=now)


async def stand(session: AsyncSession, role: Role, state: str, *, now: datetime) -> None:
    """Move a role to another state, the one it leaves on record."""
    await past.leave_standing(session, role, role.state, now=now)
    role.state = state


async def tell_changed(session: AsyncSession, role: Role, changed: list[str], *, by: Caller, now: datetime) -> None:
    """Write the change of a role, tell of it, and have rights asked anew."""
    role.updated_at = now
    flag_modified(
        role, "updated_at"
    )  # its links alone may have changed, in one instant: the version goes up all the same
    await session.flush()
    await publish(session, events.RoleChanged(changed=changed), of=role.id, version=role.version, actor=by, now=now)
    audit.record(session, "role.changed", kind="role", of=role.id, by=by, now=now, changed=changed)
    await freshness.forget(session, freshness.EVERYBODY)


async def inheritance(session: AsyncSession, system_id: str) -> dict[str, list[str]]:
    """Answer what inherits from what in a system, whatever its state: a role's id to those of the roles below it."""
    found = select(col(RoleInheritance.role_id), col(RoleInheritance.inherits))
    found = found.join(Role, col(Role.id) == col(RoleInheritance.role_id)).where(col(Role.system_id) == system_id)
    edges: dict[str, list[str]] = {}
    for role, inherited in await session.execute(found):
        edges.setdefault(role, []).append(inherited)
    return edges


async def _link(
    session: AsyncSession, system: System, role: Role, *,
    permissions: Iterable[str] | None, inherits: Iterable[str] | None, by: Caller | str, now: datetime,
) -> None:  # fmt: skip
    had = set(await decisions.contained(session, role.id))
    if permissions is not None:
        await _contain(session, role, permissions, now=now)
    if inherits is not None:
        await _inherit(session, role, inherits, now=now)
    if system.key == LODGE and isinstance(by, Caller):
        await _demand_held(session, sorted(set(await decisions.contained(session, role.id)) - had), by=by, now=now)


async def _contain(session: AsyncSession, role: Role, permissions: Iterable[str], *, now: datetime) -> None:
    """Make `permissions` what the role itself contains. Raises `Invalid` for one of another system, or retired."""
    wanted = sorted(set(permissions))
    known = select(col(Permission.id), col(Permission.state)).where(
        col(Permission.system_id) == role.system_id, col(Permission.id).in_(wanted)
    )
    here = select(col(RolePermission.permission_id)).where(col(RolePermission.role_id) == role.id)
    states = dict((await session.execute(known)).all())
    _demand_usable("/permissions", wanted, states, set((await session.execute(here)).scalars()))
    await past.relink(session, past.CONTAINS, role.id, wanted, now=now)


async def _inherit(session: AsyncSession, role: Role, inherits: Iterable[str], *, now: datetime) -> None:
    """Make `inherits` the roles it inherits from. Raises `InheritanceCircle`, `Invalid`."""
    wanted = sorted(set(inherits))
    known = select(col(Role.id), col(Role.state)).where(col(Role.system_id) == role.system_id)
    here = select(col(RoleInheritance.inherits)).where(col(RoleInheritance.role_id) == role.id)
    states = dict((await session.execute(known)).all())
    _demand_usable("/inherits", wanted, states, set((await session.execute(here)).scalars()))
    await past.relink(session, past.INHERITS, role.id, wanted, now=now)
    circle = rules.inherits_in_circle(await inheritance(session, role.system_id))
    if circle:
        raise InheritanceCircle(f"A role would inherit from itself: {' → '.join(circle)}. Leave one of these out.")


def _demand_usable(pointer: str, wanted: Sequence[str], states: Mapping[str, str], here: set[str]) -> None:
    missing = [one for one in wanted if one not in states]
    if missing:
        raise Invalid.at(pointer, f"This system has no {', '.join(missing)}.", "unknown-id")
    retired = [one for one in wanted if states[one] == "retired" and one not in here]
    if retired:
        raise Invalid.at(pointer, f"Retired, and so of no use in a role: {', '.join(retired)}.", "retired")


def _demand_not_administrators(system: System, role: Role) -> None:
    if system.key == LODGE and role.name == ADMINISTRATOR:
        raise Conflict("Lodge's role administrator stays as it is: without it nobody could mend anything here.")


async def _demand_held(session: AsyncSession, permissions: Iterable[str], *, by: Caller, now: datetime) -> None:
    """Refuse to put more of Lodge's own rights into a role than one has: one may hold that role, or be given it."""
    held = await decisions.usable_in_lodge(session, by, at=now)
    for name in permissions:
        if None not in held.get(name, ()):
            raise Forbidden(
                f"This would give {name}, which you do not hold for the whole institution. Ask one who does."
            )
