"""How anybody held any role on any day: by a grant of one's own, by that of a group, or since everyone has it."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Subquery,
    Text,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlmodel import col

from access_service import history, past
from access_service.history import When
from access_service.tables import Group, Permission, Person, Role, ServiceAccount
from lodge_kit.tables import IdText, Instant

KINDS: dict[str, tuple[type[Person | Group | ServiceAccount], str]] = {
    "per": (Person, "person"), "grp": (Group, "group"), "svc": (ServiceAccount, "service account"),
}  # fmt: skip
_FACTS = ("role_id", "org_unit", "environment", "origin", "reason", "granted_by")


def ways(when: When) -> Subquery:
    """Answer each way in which a role was held then; a condition on `who` or `role_id` reaches the rows below.

    Columns: `who`, `way` (the grant, or the role that everyone has), `grant_id`, the grant's facts, `since`, `until`,
    `group_id`. A group's way holds from the joining on, where that was later than the grant's beginning.
    """
    return union_all(_own(when), _by_group(when), _everyones(when)).subquery("way")


def _own(when: When) -> Select[*tuple[Any, ...]]:
    given = history.grants(when.known_at).c
    return select(
        given.subject.label("who"), given.id.label("way"), given.id.label("grant_id"), *(given[one] for one in _FACTS),
        given.valid_from.label("since"), given.valid_to.label("until"), _none(IdText).label("group_id"),
    ).where(history.held(given.valid_from, given.valid_to, when))  # fmt: skip


def _by_group(when: When) -> Select[*tuple[Any, ...]]:
    given, member = history.grants(when.known_at), history.linked(past.MEMBER, when)
    since = func.greatest(given.c.valid_from, member.c.since, type_=Instant)
    until = func.least(given.c.valid_to, member.c.until, type_=Instant)  # of an end and no end, the end is the least
    return (
        select(member.c.inner, given.c.id, given.c.id, *(given.c[one] for one in _FACTS), since, until, member.c.outer)
        .join_from(given, member, member.c.outer == given.c.subject)
        .where(history.held(given.c.valid_from, given.c.valid_to, when))
    )


def _everyones(when: When) -> Select[*tuple[Any, ...]]:
    since = func.greatest(col(Person.created_at), col(Role.created_at), type_=Instant)
    facts = (col(Role.id), _none(IdText), _none(Text), _none(Text), literal("", Text), _none(IdText))
    return (
        select(col(Person.id), col(Role.id), _none(IdText), *facts, since, _none(Instant), _none(IdText))
        .join_from(Role, Person, true())
        .where(col(Role.everyone), since <= when.moment)
    )


def somebody(subject: str, when: When) -> ColumnElement[bool]:
    """Say whether a person, a group or a service account could hold anything then."""
    kind, _ = KINDS.get(subject[:3], (Person, ""))
    if issubclass(kind, Group):
        lives = or_(col(Group.deleted_at).is_(None), col(Group.deleted_at) > when.moment)
        return exists().where(col(Group.id) == subject, col(Group.created_at) <= when.moment, lives)
    return exists().where(col(kind.id) == subject, history.active(kind, when))


def contained(start: Select[str, str], when: When) -> Subquery:
    """Answer which permissions came with which way: `way`, `permission_id`, and a role that contained it.

    `start` are (way, role) pairs. A role that was not active then gave nothing and passed nothing on.
    """
    reached = _reached(start, when)
    contains = history.linked(past.CONTAINS, when)
    return (
        select(
            reached.c.way, contains.c.inner.label("permission_id"), func.min(reached.c.role_id).label("contained_in")
        )
        .join_from(reached, contains, contains.c.outer == reached.c.role_id)
        .join(Permission, col(Permission.id) == contains.c.inner)
        .where(history.active(Permission, when))
        .group_by(reached.c.way, contains.c.inner)
        .subquery("contained")
    )


def _reached(start: Select[str, str], when: When) -> CTE:
    first = start.subquery()
    reached = (
        select(first.c.way, first.c.role_id)
        .join(Role, col(Role.id) == first.c.role_id)
        .where(history.active(Role, when))
        .cte("reached", recursive=True)
    )
    inherits = history.linked(past.INHERITS, when)
    return reached.union(
        select(reached.c.way, inherits.c.inner)
        .join_from(reached, inherits, inherits.c.outer == reached.c.role_id)
        .join(Role, col(Role.id) == inherits.c.inner)
        .where(history.active(Role, when))
    )


def _none(kind: Any) -> ColumnElement[datetime | str | None]:
    return literal(None, kind)
