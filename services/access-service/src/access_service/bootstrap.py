"""First start: Lodge as a system of its own, its built-in roles, the services' accounts, the first administrator."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import catalogue, freshness, keys, people, service_accounts
from access_service.decisions import ADMINISTRATOR, LODGE
from access_service.responsibilities import functions
from access_service.tables import Grant, Permission, Person, Role, RolePermission, ServiceAccount, System
from lodge_kit import audit, identity, ids

BY = "lodge"
"""Who is on record for what the first start does."""
SERVICE = "service"
MEMBER = "member"

ROLES = {
    ADMINISTRATOR: "Every permission of Lodge.",
    MEMBER: "What every active person may do: file an enquiry, and follow it.",
    "support-officer": "The software support team: enquiries, reports, releases.",
    "system-owner": "Answers for a supplier's system and gives its roles.",
    "auditor": "Reads what was granted and done, changes nothing.",
    "directory": "The institution's directory: keeps people and groups.",
    SERVICE: "The accounts of Lodge's own services.",
}


@dataclass
class Started:
    """What the first start made: texts of keys that nobody can read again."""

    administrator_key: str | None = None
    service_keys: dict[str, str] = field(default_factory=dict)


async def lodge(session: AsyncSession, *, now: datetime) -> System:
    """Answer the system that Lodge is, made with its built-in roles where it is not there yet."""
    # Locked: the first start and the pull of permissions may meet.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lodge bootstrap', 0))"))
    found: System | None = (await session.execute(select(System).where(col(System.key) == LODGE))).scalar_one_or_none()
    if found is not None:
        return found
    facts = {"key": LODGE, "name": "Lodge", "description": "Lodge itself: who may do what here."}
    system = await catalogue.add_system(session, facts, by=BY, now=now)
    for name, description in ROLES.items():
        role = {"name": name, "description": description, "everyone": name == MEMBER}
        await catalogue.add_role(session, system, role, permissions=(), inherits=(), by=BY, now=now)
    return system


async def take_over(session: AsyncSession, permissions: Iterable[identity.Permission], *, now: datetime) -> int:
    """Add a service's permissions that are new, to the built-in roles too; answers how many. Never takes one away."""
    system = await lodge(session, now=now)
    known = set(
        (await session.execute(select(col(Permission.name)).where(col(Permission.system_id) == system.id))).scalars()
    )
    fresh = [one for one in permissions if one.name not in known]
    if not fresh:
        return 0
    await catalogue.hold_system(session, system.id)
    roles = await _roles(session, system)
    for one in fresh:
        facts = {"name": one.name, "description": one.description, "action": one.name, "resource_type": LODGE}
        facts["module"] = one.name.partition(".")[0]
        row = await catalogue.add_permission(session, system, facts, by=BY, now=now)
        into = [roles[name] for name in (ADMINISTRATOR, *one.roles) if name in roles]
        values = [{"role_id": role.id, "permission_id": row.id, "since": now} for role in into]
        await session.execute(insert(RolePermission).values(values).on_conflict_do_nothing())
        for role in into:
            role.updated_at = now  # another version: who read the role before has not seen what it contains now
    await freshness.forget(session, freshness.EVERYBODY)
    return len(fresh)


async def start(session: AsyncSession, accounts: Iterable[str], *, now: datetime) -> Started:
    """Make the first administrator and the services' accounts where there are none. Safe to call again.

    When there is an administrator already, none is made: who lost the key asks that administrator for another.
    """
    system = await lodge(session, now=now)
    roles = await _roles(session, system)
    await functions.start(session, by=BY, now=now)
    started = Started()
    if not await people.administrators(session, now=now):
        taken = select(col(Person.id)).where(col(Person.user_name) == "administrator")
        # One who is not active any more keeps the name.
        suffix = f"-{now:%Y%m%d%H%M%S}" if (await session.execute(taken)).first() else ""
        facts = {"user_name": f"administrator{suffix}", "name": "First Administrator"}
        person = await people.create(session, facts, by=BY, now=now)
        _give(session, person.id, roles[ADMINISTRATOR], now=now)
        made = await keys.make(session, person.id, keys.Wanted("first administrator"), by=BY, now=now)
        started.administrator_key = made.text
    for name in accounts:
        made_for = await _account(session, f"{name}-service", roles, now=now)
        wanted = keys.Wanted(f"first start {now:%Y-%m-%d %H:%M:%S}")
        made = await keys.make(session, made_for.id, wanted, by=BY, now=now)
        started.service_keys[name] = made.text
    audit.record(session, "lodge.started", kind="system", of=system.id, by=BY, now=now)
    return started


async def _roles(session: AsyncSession, system: System) -> Mapping[str, Role]:
    rows = await session.execute(select(Role).where(col(Role.system_id) == system.id))
    return {role.name: role for role in rows.scalars()}


async def _account(session: AsyncSession, name: str, roles: Mapping[str, Role], *, now: datetime) -> ServiceAccount:
    found: ServiceAccount | None = (
        await session.execute(select(ServiceAccount).where(col(ServiceAccount.name) == name))
    ).scalar_one_or_none()
    if found is not None:
        return found
    facts = {"name": name, "description": "Made at first start: calls between the services."}
    account = await service_accounts.add(session, facts, by=BY, now=now)
    _give(session, account.id, roles[SERVICE], now=now)
    return account


def _give(session: AsyncSession, subject: str, role: Role, *, now: datetime) -> None:
    session.add(
        Grant(
            id=ids.new("grt"), subject=subject, role_id=role.id, valid_from=now, origin="birthright",
            reason="First start.", granted_by=BY, created_at=now, updated_at=now,
        )
    )  # fmt: skip
