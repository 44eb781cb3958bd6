"""What somebody can reach, and who holds something, on any day: as statements, which lists page through.

They answer as the decisions do: who is not active holds nothing, a role that is not active gives nothing. Each is one
subquery with plain columns, so that a list sorts and pages by their names.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, Subquery, Text, and_, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service import history, past
from access_service.history import Found, When
from access_service.questions.ways import KINDS, contained, somebody, ways
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
    way = ways(when)
    held = _narrowed(select(way).where(way.c.who == subject, somebody(subject, when)), way, scope).cte("held")
    if not permissions:
        found = select(*_shown(held), held.c.way.label("key")).select_from(held)
        return _listed(_named(held, found, when), system)
    inside = contained(select(held.c.way, held.c.role_id), when)
    found = (
        select(
            *_shown(held), (held.c.way + inside.c.permission_id).label("key"), *_permission(),
        )
        .join_from(held, inside, inside.c.way == held.c.way)
        .join(Permission, col(Permission.id) == inside.c.permission_id)
        .join(_container, col(_container.id) == inside.c.contained_in)
    )  # fmt: skip
    return _listed(_named(held, found, when), system)


def holders(
    roles: Collection[str], when: When, *, scope: Scope, units: Collection[str] | None = None,
    environment: str | None = None,
) -> Found:  # fmt: skip
    """Answer a row for each way in which a person or a service account held one of these roles then.

    `units` are an org unit with all above it: only what holds there. `environment` likewise.
    """
    way = ways(when)
    found = _narrowed(select(way).where(way.c.role_id.in_(roles)), way, scope)
    if units is not None:
        found = found.where(or_(way.c.org_unit.is_(None), way.c.org_unit.in_(units)))
    if environment is not None:
        found = found.where(or_(way.c.environment.is_(None), way.c.environment == environment))
    held = found.cte("held")
    name = func.coalesce(col(Person.name), col(ServiceAccount.name))
    rows = (
        select(*_shown(held), held.c.who, name.label("who_name"), (held.c.way + held.c.who).label("key"))
        .select_from(held)
        .outerjoin(Person, and_(col(Person.id) == held.c.who, history.active(Person, when)))
        .outerjoin(ServiceAccount, and_(col(ServiceAccount.id) == held.c.who, history.active(ServiceAccount, when)))
        .where(name.is_not(None))
    )
    return _listed(_named(held, rows, when))


def contents(role: str, when: When) -> Found:
    """Answer the permissions that a role had then, its own and inherited ones, each with a role that contained it."""
    start: Found = select(literal("", Text).label("way"), col(Role.id).label("role_id")).where(col(Role.id) == role)
    inside = contained(start, when)
    found: Found = (
        select(col(Permission.id).label("key"), *_permission())
        .join_from(inside, Permission, col(Permission.id) == inside.c.permission_id)
        .join(_container, col(_container.id) == inside.c.contained_in)
    )
    return _listed(found)


def members(group: str, when: When) -> Select[Person, datetime]:
    """Answer who was in a group then, active or not, and since when."""
    member = history.linked(past.MEMBER, when)
    found = select(Person, member.c.since.label("added_at")).where(member.c.outer == group)
    return found.join(member, member.c.inner == col(Person.id))


# -- columns and names

_granter, _program, _container = aliased(Person), aliased(ServiceAccount), aliased(Role)


def _shown(held: CTE) -> Sequence[ColumnElement[Any]]:
    own = (held.c[one] for one in ("grant_id", "environment", "origin", "reason", "since", "until"))
    return (
        *own, held.c.role_id, col(Role.name).label("role_name"),
        col(System.id).label("system_id"), col(System.name).label("system_name"),
        held.c.org_unit.label("org_unit_id"), col(OrgUnit.name).label("org_unit_name"),
        held.c.group_id, col(Group.name).label("group_name"),
        held.c.granted_by.label("by_id"), func.coalesce(col(_granter.name), col(_program.name)).label("by_name"),
    )  # fmt: skip


def _permission() -> Sequence[history.Column]:
    return (
        col(Permission.id).label("permission_id"), col(Permission.name).label("permission_name"),
        col(Permission.description), col(Permission.action), col(Permission.resource_type),
        col(Permission.supplier_code), col(Permission.condition),
        col(_container.id).label("container_id"), col(_container.name).label("container_name"),
    )  # fmt: skip


def _named(held: CTE, found: Found, when: When) -> Found:
    return (
        found.join(Role, col(Role.id) == held.c.role_id)
        .join(System, col(System.id) == col(Role.system_id))
        .outerjoin(OrgUnit, col(OrgUnit.id) == held.c.org_unit)
        .outerjoin(Group, col(Group.id) == held.c.group_id)
        .outerjoin(_granter, col(_granter.id) == held.c.granted_by)
        .outerjoin(_program, col(_program.id) == held.c.granted_by)
        .where(history.active(Role, when))
    )


def _narrowed(found: Found, way: Subquery, scope: Scope) -> Found:
    return found if scope == "*" else found.where(way.c.org_unit.in_(scope))


def _listed(found: Found, system: str | None = None) -> Found:
    if system is not None:
        found = found.where(or_(col(System.id) == system, col(System.key) == system))
    return select(found.subquery("found"))
