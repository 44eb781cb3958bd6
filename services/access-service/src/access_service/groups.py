"""Groups of people who are given roles together.

Who is put into a group gets its roles: that takes the right to give them. The institution's directory
(`is_directory`) needs it for Lodge's own roles only.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import freshness, givers, past
from access_service.tables import Group, GroupMember, Person
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Forbidden, Invalid, NotFound, Problem
from lodge_kit.tables import Instant

_TOLD_AT_ONCE = 500
"""How many members one audit row names."""


class GroupNameTaken(Problem):
    """Another group has this name or external id."""

    status, code = HTTPStatus.CONFLICT, "name-taken"


async def get(session: AsyncSession, group_id: str) -> Group:
    """Read a group. Raises `NotFound`, also for one that the directory deleted."""
    group = await session.get(Group, group_id)
    if group is None or group.deleted_at is not None:
        raise NotFound(f"There is no group {group_id}.")
    return group


async def create(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> Group:
    """Make a group without members; `facts` are columns of `Group`. Raises `GroupNameTaken`."""
    await _demand_free(session, facts, of=None)
    group = Group(id=ids.new("grp"), created_at=now, updated_at=now, **facts)
    session.add(group)
    audit.record(
        session, "group.created", kind="group", of=group.id, by=by, now=now, personal=["description"],
        about=by.id, **facts,
    )  # fmt: skip
    await session.flush()
    return group


async def change(session: AsyncSession, group: Group, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> None:
    """Change what `facts` names: name, description, external id. Raises `GroupNameTaken`."""
    await _demand_free(session, facts, of=group.id)
    for name, value in facts.items():
        setattr(group, name, value)
    group.updated_at = now
    audit.record(
        session, "group.changed", kind="group", of=group.id, by=by, now=now, personal=["description"], about=by.id,
        **facts,
    )  # fmt: skip


async def delete(session: AsyncSession, group: Group, *, by: Caller, now: datetime, is_directory: bool = False) -> None:
    """Delete a group: its members leave it, its grants permit nothing more, its name is free. Raises `Forbidden`."""
    await remove(session, group, None, by=by, now=now, is_directory=is_directory)
    group.deleted_at = group.updated_at = now
    audit.record(session, "group.deleted", kind="group", of=group.id, by=by, now=now)
    await session.flush()


async def members(session: AsyncSession, group_id: str) -> list[str]:
    """Answer the ids of everybody in the group."""
    found = select(col(GroupMember.person_id)).where(col(GroupMember.group_id) == group_id)
    return list((await session.execute(found)).scalars())


async def add(
    session: AsyncSession, group: Group, people: Collection[str], *, by: Caller, now: datetime,
    pointer: str = "/person", is_directory: bool = False,
) -> list[str]:  # fmt: skip
    """Make people members, all in one statement; answers those who were none. Raises `Forbidden`, `Invalid`."""
    is_one = past.among(col(Person.id), people) & col(Person.deleted_at).is_(None)
    new = insert(GroupMember).from_select(
        ["group_id", "person_id", "added_at"],
        select(literal(group.id), col(Person.id), literal(now, Instant)).where(is_one),
    )
    joining = new.on_conflict_do_nothing().returning(col(GroupMember.person_id))
    added = list((await session.execute(joining)).scalars())
    if len(added) < len(set(people)):
        known = set((await session.execute(select(col(Person.id)).where(is_one))).scalars())
        for unknown in sorted(set(people) - known)[:1]:
            raise Invalid.at(pointer, f"There is no person {unknown}.", "unknown-person")
    if by.id in added:
        raise Forbidden("Nobody joins a group by oneself: a group's roles would come with it. Ask another who may.")
    if added:
        await givers.demand_may_join(session, group.id, by=by, now=now, is_directory=is_directory)
        await _membership_changed(session, group, added, "group.member-added", by=by, now=now)
    return added


async def remove(
    session: AsyncSession, group: Group, people: Sequence[str] | None, *, by: Caller, now: datetime,
    is_directory: bool = False,
) -> list[str]:  # fmt: skip
    """Take people (None: everybody) out of the group; answers those who were in it. Raises `Forbidden`."""
    removed = await past.unlink(session, past.MEMBER, group.id, people, now=now)
    if removed:
        await givers.demand_may_leave(session, group.id, removed, by=by, now=now, is_directory=is_directory)
        await _membership_changed(session, group, removed, "group.member-removed", by=by, now=now)
    return removed


async def set_members(
    session: AsyncSession, group: Group, people: Collection[str], *, by: Caller, now: datetime, pointer: str,
    is_directory: bool = False,
) -> None:  # fmt: skip
    """Make these all members of the group; who stays keeps the beginning. Raises `Forbidden`, `Invalid`."""
    here, wanted = set(await members(session, group.id)), set(people)
    if here - wanted:
        await remove(session, group, sorted(here - wanted), by=by, now=now, is_directory=is_directory)
    if wanted - here:
        await add(session, group, wanted - here, by=by, now=now, pointer=pointer, is_directory=is_directory)


async def _membership_changed(
    session: AsyncSession, group: Group, people: Sequence[str], deed: str, *, by: Caller, now: datetime
) -> None:
    group.updated_at = now
    for start in range(0, len(people), _TOLD_AT_ONCE):
        told = sorted(people)[start : start + _TOLD_AT_ONCE]
        audit.record(session, deed, kind="group", of=group.id, by=by, now=now, people=told)
    await session.flush()
    await freshness.forget(session, people)


async def _demand_free(session: AsyncSession, facts: Mapping[str, Any], *, of: str | None) -> None:
    same = [
        column == facts[name]
        for name, column in (("name", col(Group.name)), ("external_id", col(Group.external_id)))
        if facts.get(name) is not None
    ]
    if not same:
        return
    taken = select(func.count()).where(or_(*same), col(Group.id) != (of or ""), col(Group.deleted_at).is_(None))
    if (await session.execute(taken)).scalar():
        raise GroupNameTaken("Another group has this name or external id. Look for that one and change it.")
