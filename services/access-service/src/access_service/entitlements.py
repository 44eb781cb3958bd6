"""Who should hold which supplier's code: grants, groups and inheritance expanded, as they are or were at an instant.

What somebody holds by several ways for one org unit and installation is told once, by the way that lasts longest.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Subquery,
    Text,
    and_,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.selectable import LateralFromClause
from sqlmodel import col

from access_service import past
from access_service.tables import Grant, Group, OrgUnit, PastLink, PastStanding, Permission, Person, Role

KEY: ColumnElement[str] = literal_column("concat(held.permission_id, held.org_unit, ' ', held.environment)", Text())
"""What tells the entitlements of one person apart, by whichever way they are held; people come in the order of ids."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entitlements are asked for: those to a system at an instant."""

    system: str
    at: datetime
    environment: str | None = None
    """Those that hold in this installation of the system; None: in whichever."""
    units: Literal["*"] | Collection[str] = "*"
    """Those by grants for these org units only."""


class Code(NamedTuple):
    """A permission, and what the supplier calls it."""

    name: str
    supplier_code: str | None


@dataclass(frozen=True, slots=True)
class Roles:
    """What the roles of a system gave at an instant, by inheritance too; only what was active."""

    names: Mapping[str, str]
    codes: Mapping[str, Code]
    """Permissions by their ids."""
    gives: Mapping[str, Collection[str]]
    """The permissions of each role, by ids."""
    everybodys: Collection[str]
    """Roles that every active person holds without a grant."""


async def roles(session: AsyncSession, asked: Asked) -> Roles:
    """Work out what the roles of the system give: thousands at most, where those who hold them may be a million."""
    at = asked.at
    of_system = col(Role.system_id) == asked.system, col(Role.created_at) <= at, _state(Role, at) == "active"
    usable = select(col(Role.id)).where(*of_system).cte("usable")
    reached = select(usable.c.id.label("role_id"), usable.c.id.label("has")).cte("reached", recursive=True)
    inherits, contains = _linked(past.INHERITS, at), _linked(past.CONTAINS, at)
    further = select(reached.c.role_id, inherits.c.inner).join(inherits, inherits.c.outer == reached.c.has)
    reached = reached.union(further.join(usable, usable.c.id == inherits.c.inner))
    in_use = and_(col(Permission.created_at) <= at, _state(Permission, at) == "active")
    given = select(reached.c.role_id, contains.c.inner).distinct()
    given = given.join(contains, contains.c.outer == reached.c.has)
    given = given.join(Permission, and_(col(Permission.id) == contains.c.inner, in_use))
    gives: dict[str, list[str]] = {}
    for role, permission in await session.execute(given.order_by(contains.c.inner)):
        gives.setdefault(role, []).append(permission)
    named = select(col(Role.id), col(Role.name), col(Role.everyone)).where(past.among(col(Role.id), gives))
    coded = select(col(Permission.id), col(Permission.name), col(Permission.supplier_code))
    coded = coded.where(col(Permission.system_id) == asked.system)
    found = (await session.execute(named)).all()
    return Roles(
        names={one.id: one.name for one in found},
        codes={one.id: Code(one.name, one.supplier_code) for one in await session.execute(coded)},
        gives=gives,
        everybodys={one.id for one in found if one.everyone},
    )


def entitlements(asked: Asked, known: Roles) -> Select[*tuple[Any, ...]]:
    """Select a row for each active person and permission, org unit and installation.

    Each person's rows are found by themselves (LATERAL), so that the first of millions come at once and none waits in
    memory. Org units have no history: their names are today's.
    """
    held = _held(asked, known)
    return (
        select(
            col(Person.id).label("person_id"),
            col(Person.external_id),
            col(Person.user_name),
            col(Person.name).label("person_name"),
            held.c.permission_id,
            held.c.role_id,
            held.c.id.label("grant_id"),
            held.c.group_id,
            col(Group.name).label("group_name"),
            held.c.environment,
            held.c.org_unit,
            col(OrgUnit.name).label("org_unit_name"),
            held.c.valid_to.label("until"),
        )
        .select_from(Person)
        .join(held, true())
        .outerjoin(Group, col(Group.id) == held.c.group_id)
        .outerjoin(OrgUnit, col(OrgUnit.id) == held.c.org_unit)
        .where(col(Person.created_at) <= asked.at, _state(Person, asked.at) == "active")
    )


def _held(asked: Asked, known: Roles) -> LateralFromClause:
    """Find what one person holds: of several ways to the same for the same, the one that lasts longest."""
    ways = _ways(asked, known)
    # Looked up by the role, where a join would go through all that the system's roles give for each person again.
    gives = literal(known.gives, JSONB)
    permissions = func.jsonb_array_elements_text(gives.op("->", return_type=JSONB())(ways.c.role_id))
    given = permissions.table_valued("permission_id").render_derived("given")
    found = select(given.c.permission_id, *ways.c).select_from(ways.join(given, true()))
    alike = given.c.permission_id, ways.c.org_unit, ways.c.environment
    longest_first = ways.c.valid_to.desc().nulls_first()
    return found.ext(distinct_on(*alike)).order_by(*alike, longest_first, ways.c.id).lateral("held")


def _ways(asked: Asked, known: Roles) -> Subquery:
    """Find the grants that hold for one person, his own and those of his groups; what everybody holds has none."""
    at = asked.at
    columns = [col(Grant.id), col(Grant.role_id), col(Grant.environment), col(Grant.org_unit), col(Grant.valid_to)]
    holds = [col(Grant.valid_from) <= at, or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > at)]
    if asked.environment:
        holds.append(or_(col(Grant.environment).is_(None), col(Grant.environment) == asked.environment))
    if asked.units != "*":
        holds.append(col(Grant.org_unit).in_(asked.units))
    members = _linked(past.MEMBER, at)
    own = select(*columns, null().label("group_id")).where(col(Grant.subject) == col(Person.id), *holds)
    by_group = (
        select(*columns, members.c.outer)
        .join(members, members.c.outer == col(Grant.subject))
        .where(members.c.inner == col(Person.id), *holds)
    )
    found = [own.correlate(Person), by_group.correlate(Person)]
    if asked.units == "*" and known.everybodys:
        everybodys = func.unnest(_texts(list(known.everybodys))).column_valued("everybodys")
        found.append(select(null(), everybodys, null(), null(), null(), null()))
    return union_all(*found).subquery("ways")


def _texts(values: Collection[str]) -> ColumnElement[Any]:
    return literal(list(values), ARRAY(Text(collation="C")))


def _linked(link: past.Link, at: datetime) -> Subquery:
    """Find what was in what at an instant: what is since then, and what was taken away after it."""
    here = select(link.column(link.outer).label("outer"), link.column(link.inner).label("inner"))
    was = select(col(PastLink.outer), col(PastLink.inner)).where(
        col(PastLink.kind) == link.kind, col(PastLink.since) <= at, col(PastLink.until) > at
    )
    return union_all(here.where(link.column(link.since) <= at), was).subquery()


def _state(kind: type[Person | Role | Permission], at: datetime) -> ColumnElement[str]:
    """Answer the state that something was in at an instant."""
    then = select(col(PastStanding.state)).where(
        col(PastStanding.subject) == col(kind.id), col(PastStanding.since) <= at, col(PastStanding.until) > at
    )
    now: Any = kind.status if issubclass(kind, Person) else kind.state
    return func.coalesce(then.correlate(kind).scalar_subquery(), now)
