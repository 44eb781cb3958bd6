"""How anybody held any role on any day: by a grant of one's own, by that of a group, or since everyone has it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Subquery,
    Text,
    and_,
    any_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from access_service import history, past
from access_service.tables import Group, Permission, Person, Role, ServiceAccount
from lodge_kit.tables import IdText, Instant

KINDS: dict[str, tuple[type[Person | Group | ServiceAccount], str]] = {
    "per": (Person, "person"), "grp": (Group, "group"), "svc": (ServiceAccount, "service account"),
}  # fmt: skip
_FACTS = ("role_id", "org_unit", "environment", "origin", "reason", "granted_by")


SUBJECT = bindparam("subject", type_=IdText)


def of_subject() -> Subquery:
    """Answer each way in which the subject held a role then.

    Columns: `who`, `way` (the grant, or the role that everyone has), `grant_id`, the grant's facts, `since`, `until`,
    `group_id`. A group's way holds from the joining on, where that was later than the grant's beginning.
    """
    given, again, member = history.grants(), history.grants(), history.linked(past.MEMBER)
    mine, groups = member.c.inner == SUBJECT, history.linked(past.MEMBER)
    # An array and no join: with a join every grant is read, with the array those of the groups by their index.
    joined = select(groups.c.outer).where(groups.c.inner == SUBJECT)
    return _united(
        _own(given).where(given.c.subject == SUBJECT),
        _by_group(again, member).where(mine, again.c.subject == _one_of(joined)),
        _everyones().where(col(Person.id) == SUBJECT),
    )


def of_roles() -> Subquery:
    """Answer each way in which anybody held a `wanted` role then; columns as above."""
    given, again, member = history.grants(), history.grants(), history.linked(past.MEMBER)
    to_groups = (
        select(again)
        .where(again.c.role_id == any_(history.WANTED), again.c.subject.startswith("grp_"))
        .cte("to_groups")
    )
    return _united(
        _own(given).where(given.c.role_id == any_(history.WANTED)),
        _by_group(to_groups, member).where(member.c.outer == _one_of(select(to_groups.c.subject))),
        _everyones().where(col(Role.id) == any_(history.WANTED)),
    )


def _united(*arms: Select[*tuple[Any, ...]]) -> Subquery:
    return union_all(*arms).subquery("way")


def _one_of(found: Select[str]) -> ColumnElement[Any]:
    return any_(func.array(found.scalar_subquery(), type_=ARRAY(IdText)))


def _own(given: Subquery) -> Select[*tuple[Any, ...]]:
    return select(
        given.c.subject.label("who"), given.c.id.label("way"), given.c.id.label("grant_id"),
        *(given.c[one] for one in _FACTS), given.c.valid_from.label("since"), given.c.valid_to.label("until"),
        _none(IdText).label("group_id"),
    ).where(history.held(given.c.valid_from, given.c.valid_to))  # fmt: skip


def _by_group(given: Subquery | CTE, member: Subquery) -> Select[*tuple[Any, ...]]:
    since = func.greatest(given.c.valid_from, member.c.since, type_=Instant)
    until = func.least(given.c.valid_to, member.c.until, type_=Instant)  # of an end and no end, the end is the least
    return (
        select(member.c.inner, given.c.id, given.c.id, *(given.c[one] for one in _FACTS), since, until, member.c.outer)
        .join_from(given, member, member.c.outer == given.c.subject)
        .where(history.held(given.c.valid_from, given.c.valid_to))
    )


def _everyones() -> Select[*tuple[Any, ...]]:
    since = func.greatest(col(Person.created_at), col(Role.created_at), type_=Instant)
    facts = (col(Role.id), _none(IdText), _none(Text), _none(Text), literal("", Text), _none(IdText))
    return (
        select(col(Person.id), col(Role.id), _none(IdText), *facts, since, _none(Instant), _none(IdText))
        .join_from(Role, Person, true())
        .where(col(Role.everyone), since <= history.MOMENT)
    )


_GROUP_LIVES = or_(col(Group.deleted_at).is_(None), col(Group.deleted_at) > history.MOMENT)
_LIVES: Mapping[type[Person | Group | ServiceAccount], ColumnElement[bool]] = {
    Person: history.active(Person),
    ServiceAccount: history.active(ServiceAccount),
    Group: and_(col(Group.created_at) <= history.MOMENT, _GROUP_LIVES),
}
SOMEBODY = or_(*(exists().where(col(kind.id) == SUBJECT, lives) for kind, lives in _LIVES.items()))
"""Whether the subject, a person, a group or a service account, could hold anything then."""


def contained(start: Select[str, str]) -> Subquery:
    """Answer which permissions came with which way: `way`, `permission_id`, and a role that contained it.

    `start` are (way, role) pairs. A role that was not active then gave nothing and passed nothing on.
    """
    reached = _reached(start)
    contains, roles = history.linked(past.CONTAINS), select(reached.c.role_id)
    return (
        select(
            reached.c.way, contains.c.inner.label("permission_id"), func.min(reached.c.role_id).label("contained_in")
        )
        .join_from(reached, contains, contains.c.outer == reached.c.role_id)
        .join(Permission, col(Permission.id) == contains.c.inner)
        .where(contains.c.outer == _one_of(roles), history.active(Permission))
        .group_by(reached.c.way, contains.c.inner)
        .subquery("contained")
    )


def _reached(start: Select[str, str]) -> CTE:
    first = start.subquery()
    reached = (
        select(first.c.way, first.c.role_id)
        .join(Role, col(Role.id) == first.c.role_id)
        .where(history.active(Role))
        .cte("reached", recursive=True)
    )
    inherits = history.linked(past.INHERITS)
    return reached.union(
        select(reached.c.way, inherits.c.inner)
        .join_from(reached, inherits, inherits.c.outer == reached.c.role_id)
        .join(Role, col(Role.id) == inherits.c.inner)
        .where(history.active(Role))
    )


def _none(kind: Any) -> ColumnElement[datetime | str | None]:
    return literal(None, kind)
