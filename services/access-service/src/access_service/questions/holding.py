"""What somebody can reach, and who holds something, on any day: as statements, which lists page through.

They answer as the decisions do: who is not active holds nothing, a role that is not active gives nothing. Each is one
subquery with plain columns, so that a list sorts and pages by their names.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, Subquery, any_, func, or_, select, true, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service import history, past
from access_service.history import Found, When
from access_service.questions import ways
from access_service.questions.ways import KINDS, SOMEBODY, contained
from access_service.tables import Group, OrgUnit, Permission, Person, Role, ServiceAccount, System
from lodge_kit.identity import Scope
from lodge_kit.problems import NotFound


async def demand_subject(session: AsyncSession, prefix: str, subject: str) -> None:
    """Refuse with 404 who is no person (`per`), no group (`grp`) or no service account (`svc`)."""
    kind, name = KINDS[prefix]
    if await session.get(kind, subject) is None:
        raise NotFound(f"There is no {name} {subject}.")


def access(subject: str, when: When, *, scope: Scope, system: str | None = None, permissions: bool = False) -> Found:
    """Answer a row for each way in which a person, a group or a service account held a role then.

    With `permissions` a row for each permission of each way: what the role contained and inherited then.
    """
    found = _PERMISSIONS_OF if permissions else _ROLES_OF
    rows = _narrowed(select(found), found.c.org_unit_id, scope)
    if system is not None:
        rows = rows.where(or_(found.c.system_id == system, found.c.system_key == system))
    return rows.params(subject=subject, **when.parameters)


def holders(
    roles: Collection[str], when: When, *, scope: Scope, units: Collection[str] | None = None,
    environment: str | None = None,
) -> Found:  # fmt: skip
    """Answer a row for each way in which a person or a service account held one of these roles then.

    `units` are an org unit with all above it: only what holds there. `environment` likewise. Roles that were not in use
    then are not to be among `roles`. There may be tens of thousands of rows, of which a page shows fifty: other names
    than the holders' own are joined to these alone, by `named`.
    """
    found = _HOLDERS_OF
    rows = _narrowed(select(found), found.c.org_unit, scope)
    if units is not None:
        rows = rows.where(or_(found.c.org_unit.is_(None), found.c.org_unit.in_(units)))
    if environment is not None:
        rows = rows.where(or_(found.c.environment.is_(None), found.c.environment == environment))
    return rows.params(wanted=list(roles), **when.parameters)


def contents(roles: Collection[str], when: When) -> Found:
    """Answer the permissions that roles contained then, each once, with the first of the roles that did."""
    return select(_CONTENTS_OF).params(wanted=list(roles), **when.parameters)


def members(group: str, when: When) -> Select[Person, datetime]:
    """Answer who was in a group then, active or not, and since when."""
    member = history.linked(past.MEMBER)
    found = select(Person, member.c.since.label("added_at")).where(member.c.outer == group)
    return found.join(member, member.c.inner == col(Person.id)).params(**when.parameters)


def named(page: Subquery) -> Found:
    """Join the names to a page of holders."""
    return _named(page, select(*page.c, *_shown(page)).select_from(page))


def _narrowed(rows: Found, org_unit: history.Column, scope: Scope) -> Found:
    return rows if scope == "*" else rows.where(org_unit.in_(scope))


# -- columns and names

_granter, _program, _container = aliased(Person), aliased(ServiceAccount), aliased(Role)


_OWN = ("grant_id", "environment", "origin", "reason", "since", "until", "role_id", "group_id")


def _shown(held: CTE | Subquery) -> Sequence[ColumnElement[Any]]:
    return (
        col(Role.name).label("role_name"),
        col(System.id).label("system_id"), col(System.key).label("system_key"), col(System.name).label("system_name"),
        held.c.org_unit.label("org_unit_id"), col(OrgUnit.name).label("org_unit_name"),
        col(Group.name).label("group_name"),
        held.c.granted_by.label("by_id"), func.coalesce(col(_granter.name), col(_program.name)).label("by_name"),
    )  # fmt: skip


def _permission() -> Sequence[history.Column]:
    return (
        col(Permission.id).label("permission_id"), col(Permission.name).label("permission_name"),
        col(Permission.description), col(Permission.action), col(Permission.resource_type),
        col(Permission.supplier_code), col(Permission.condition),
        col(_container.id).label("container_id"), col(_container.name).label("container_name"),
    )  # fmt: skip


def _named(held: CTE | Subquery, found: Found) -> Found:
    return (
        found.join(Role, col(Role.id) == held.c.role_id)
        .join(System, col(System.id) == col(Role.system_id))
        .outerjoin(OrgUnit, col(OrgUnit.id) == held.c.org_unit)
        .outerjoin(Group, col(Group.id) == held.c.group_id)
        .outerjoin(_granter, col(_granter.id) == held.c.granted_by)
        .outerjoin(_program, col(_program.id) == held.c.granted_by)
    )


# -- the statements, made once


def _roles_of() -> Subquery:
    held = _held_by_subject()
    return _in_use(held, select(*_own(held), *_shown(held), held.c.way.label("key")).select_from(held))


def _permissions_of() -> Subquery:
    held = _held_by_subject()
    inside = contained(select(held.c.way, held.c.role_id))
    found = (
        select(*_own(held), *_shown(held), (held.c.way + inside.c.permission_id).label("key"), *_permission())
        .join_from(held, inside, inside.c.way == held.c.way)
        .join(Permission, col(Permission.id) == inside.c.permission_id)
        .join(_container, col(_container.id) == inside.c.contained_in)
    )
    return _in_use(held, found)


def _own(held: CTE) -> Iterator[ColumnElement[Any]]:
    return (held.c[one] for one in _OWN)


def _in_use(held: CTE, found: Found) -> Subquery:
    return _named(held, found).where(history.active(Role)).subquery("found")


def _held_by_subject() -> CTE:
    return select(ways.of_subject()).where(SOMEBODY).cte("held")


def _holders_of() -> Subquery:
    way = ways.of_roles()
    key = (way.c.who + way.c.way).label("key")
    # In order before anybody is looked up, and each by a subquery of its own, which no plan can make one join of: so a
    # page in the order of the holders looks up those that it shows, and no other.
    held = select(way, key).order_by(way.c.who, key).subquery("held")
    holders: Iterator[Found] = (
        select(col(kind.name).label("name")).where(col(kind.id) == held.c.who, history.active(kind))
        for kind in (Person, ServiceAccount)
    )
    holder = union_all(*holders).limit(1).lateral("holder")
    return select(held, holder.c.name.label("who_name")).join_from(held, holder, true()).subquery("found")


def _contents_of() -> Subquery:
    contains = history.linked(past.CONTAINS)
    return (
        select(col(Permission.id).label("key"), *_permission())
        .ext(distinct_on(contains.c.inner))
        .join_from(contains, Permission, col(Permission.id) == contains.c.inner)
        .join(_container, col(_container.id) == contains.c.outer)
        .where(contains.c.outer == any_(history.WANTED), history.active(Permission))
        .order_by(contains.c.inner, func.array_position(history.WANTED, contains.c.outer))
        .subquery("found")
    )


_ROLES_OF, _PERMISSIONS_OF, _HOLDERS_OF, _CONTENTS_OF = _roles_of(), _permissions_of(), _holders_of(), _contents_of()
