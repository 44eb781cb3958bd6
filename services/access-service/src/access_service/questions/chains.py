"""What leads where on a day: which roles have another's permissions by inheritance, which units a unit is below."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import CTE, Select, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import history, past, rules
from access_service.history import When
from access_service.tables import OrgUnit, Permission, Role
from lodge_kit.tables import IdText


async def leading_to_role(session: AsyncSession, role: str, when: When) -> Mapping[str, Sequence[str]]:
    """Answer the roles that had all that a role has then, each with the shortest chain from it to that role."""
    return await _chains(session, _ITSELF, role, when)


async def leading_to_permission(session: AsyncSession, permission: str, when: When) -> Mapping[str, Sequence[str]]:
    """Answer the roles that had a permission then, each with the shortest chain to one that contained it."""
    return await _chains(session, _CONTAINING, permission, when)


async def _chains(session: AsyncSession, start: Select[str], of: str, when: When) -> Mapping[str, Sequence[str]]:
    """Climb the inheritance, a step of it a turn: roles are few, and each is met once."""
    first = await session.execute(start, {"wanted": [of], **when.parameters})
    found: dict[str, tuple[str, ...]] = {one: (one,) for one in first.scalars()}
    fresh = list(found)
    while fresh:
        above = await session.execute(_ABOVE, {"wanted": fresh, **when.parameters})
        fresh = []
        for outer, inner in above:
            if outer not in found:
                found[outer] = (outer, *found[inner])
                fresh.append(outer)
    return found


async def led_to(session: AsyncSession, role: str, when: When) -> Mapping[str, Sequence[str]]:
    """Answer the roles of which a role had all then, the nearest first, each with the shortest chain from it."""
    inherits: dict[str, list[str]] = defaultdict(list)
    for outer, inner in await session.execute(_BELOW, {"wanted": [role], **when.parameters}):
        inherits[outer].append(inner)
    return rules.shortest_ways(inherits, role) if inherits else {}


async def unit_with_above(session: AsyncSession, unit: str, when: When) -> Collection[str]:
    """Answer an org unit and all that it stood below then: a grant for any of them holds in it."""
    found: list[str] = []
    here: str | None = unit
    while here and here not in found:
        found.append(here)
        above = await session.execute(_UNIT_ABOVE, {"wanted": [here], **when.parameters})
        here = above.scalar_one_or_none()
    return found


async def role_names(session: AsyncSession, chains: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
    """Answer what the roles of some chains are called."""
    wanted = {one for chain in chains.values() for one in chain}
    named = select(col(Role.id), col(Role.name)).where(col(Role.id).in_(wanted))
    return {row.id: row.name for row in await session.execute(named)}


# -- the statements, made once


def _containing() -> Select[str]:
    contains = history.linked(past.CONTAINS)
    return (
        select(col(Role.id))
        .join(contains, contains.c.outer == col(Role.id))
        .join(Permission, col(Permission.id) == contains.c.inner)
        .where(contains.c.inner == any_(history.WANTED), history.active(Permission), history.active(Role))
    )


def _above() -> Select[str, str]:
    inherits = history.linked(past.INHERITS)
    return (
        select(inherits.c.outer, inherits.c.inner)
        .join_from(inherits, Role, col(Role.id) == inherits.c.outer)
        .where(inherits.c.inner == any_(history.WANTED), history.active(Role))
        .order_by(inherits.c.outer, inherits.c.inner)
    )


def _below() -> CTE:
    """Answer a role and those below it, each with every role that inherits it: of the first, none ('')."""
    reached = _ITSELF.add_columns(literal("", IdText).label("outer")).cte("reached", recursive=True)
    inherits = history.linked(past.INHERITS)
    return reached.union(
        select(inherits.c.inner, inherits.c.outer)
        .join_from(reached, inherits, inherits.c.outer == reached.c.id)
        .join(Role, col(Role.id) == inherits.c.inner)
        .where(history.active(Role))
    )


_ITSELF = select(col(Role.id)).where(col(Role.id) == any_(history.WANTED), history.active(Role))
_CONTAINING, _ABOVE = _containing(), _above()
_reached = _below()
_BELOW = select(_reached.c.outer, _reached.c.id)
_UNIT_ABOVE = select(history.state(OrgUnit)).where(col(OrgUnit.id) == any_(history.WANTED))
