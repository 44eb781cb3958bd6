"""Groups of people who are given roles together."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import freshness, past
from access_service.tables import Group, GroupMember, Person
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Forbidden, Invalid, NotFound


async def get(session: AsyncSession, group_id: str) -> Group:
    """Read a group. Raises `NotFound`."""
    group = await session.get(Group, group_id)
    if group is None:
        raise NotFound(f"There is no group {group_id}.")
    return group


async def create(session: AsyncSession, *, name: str, description: str, by: Caller, now: datetime) -> Group:
    """Make a group without members."""
    group = Group(id=ids.new("grp"), name=name, description=description, created_at=now, updated_at=now)
    session.add(group)
    audit.record(session, "group.created", kind="group", of=group.id, by=by, now=now, name=name)
    await session.flush()
    return group


async def change(session: AsyncSession, group: Group, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> None:
    """Change a group's name or description."""
    for name, value in facts.items():
        setattr(group, name, value)
    group.updated_at = now
    audit.record(session, "group.changed", kind="group", of=group.id, by=by, now=now, **facts)


async def add(session: AsyncSession, group: Group, person_id: str, *, by: Caller, now: datetime) -> None:
    """Make a person a member; being one already is no error. Raises `Forbidden` for oneself, `Invalid`."""
    if person_id == by.id:
        raise Forbidden("Nobody joins a group by oneself: a group's roles would come with it. Ask another who may.")
    if await session.get(Person, person_id) is None:
        raise Invalid.at("/person", f"There is no person {person_id}.", "unknown-person")
    new = insert(GroupMember).values(group_id=group.id, person_id=person_id, added_at=now)
    await session.execute(new.on_conflict_do_nothing())
    await _membership_changed(session, group, person_id, "group.member-added", by=by, now=now)


async def remove(session: AsyncSession, group: Group, person_id: str, *, by: Caller, now: datetime) -> None:
    """Take a person out of the group. Raises `NotFound` when not in it."""
    if not await past.unlink(session, past.MEMBER, group.id, [person_id], now=now):
        raise NotFound(f"{person_id} is not a member of {group.id}.")
    await _membership_changed(session, group, person_id, "group.member-removed", by=by, now=now)


async def _membership_changed(
    session: AsyncSession, group: Group, person_id: str, deed: str, *, by: Caller, now: datetime
) -> None:
    audit.record(session, deed, kind="group", of=group.id, by=by, now=now, person=person_id)
    await freshness.forget(session, person_id)
