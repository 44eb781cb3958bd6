"""What was, put on record as it ends. The other tables hold what is; a reading `as_of` joins both.

What began and ended in one instant never was, and leaves nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Delete, Table, any_, delete, func, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from access_service.tables import (
    Grant,
    OrgUnit,
    PastGrant,
    PastMeaning,
    PastStanding,
    Permission,
    Person,
    Role,
    Row,
    ServiceAccount,
)
from lodge_kit.tables import IdText, Instant


def among(column: Mapped[str] | ColumnElement[str], ids: Iterable[str]) -> ColumnElement[bool]:
    """Say that `column` is one of these, in one bound value: there may be tens of thousands."""
    return column == any_(literal(list(ids), ARRAY(IdText)))


@dataclass(frozen=True, slots=True)
class Link:
    """A table of links between an outer thing and what is in it."""

    kind: str
    table: Table
    outer: str
    inner: str
    since: str = "since"

    def column(self, name: str) -> Column[Any]:
        """Answer one of its columns."""
        return self.table.c[name]


_TABLES = Row.metadata.tables
MEMBER = Link("member", _TABLES["group_member"], "group_id", "person_id", "added_at")
CONTAINS = Link("contains", _TABLES["role_permission"], "role_id", "permission_id")
INHERITS = Link("inherits", _TABLES["role_inheritance"], "role_id", "inherits")


async def unlink(
    session: AsyncSession, link: Link, outer: str, inner: Sequence[str] | None, *, now: datetime
) -> list[str]:
    """Take these (None: all) out of `outer`; answers those that were in it."""
    gone = delete(link.table).where(link.column(link.outer) == outer)
    if inner is not None:
        gone = gone.where(among(link.column(link.inner), inner))
    return [row.inner for row in await _end(session, link, gone, now)]


async def unlink_everywhere(session: AsyncSession, link: Link, inner: str, *, now: datetime) -> list[str]:
    """Take `inner` out of whatever it is in; answers what that was."""
    gone = delete(link.table).where(link.column(link.inner) == inner)
    return [row.outer for row in await _end(session, link, gone, now)]


async def _end(session: AsyncSession, link: Link, gone: Delete, now: datetime) -> Sequence[Any]:
    """Delete and put on record in one statement, however many there are."""
    outer, inner = link.column(link.outer).label("outer"), link.column(link.inner).label("inner")
    ended = gone.returning(outer, inner, link.column(link.since).label("since")).cte("ended")
    were = select(literal(link.kind), ended.c.outer, ended.c.inner, ended.c.since, literal(now, Instant))
    past = _TABLES["past_link"]
    kept = insert(past).from_select(
        ["kind", "outer", "inner", "since", "until"], were.where(ended.c.since < now), include_defaults=False
    )
    return (await session.execute(select(ended.c.outer, ended.c.inner).add_cte(kept.cte("kept")))).all()


async def relink(session: AsyncSession, link: Link, outer: str, wanted: Sequence[str], *, now: datetime) -> None:
    """Make `wanted` all that is in `outer`; what stays keeps its beginning."""
    found = select(link.column(link.inner)).where(link.column(link.outer) == outer)
    here = set((await session.execute(found)).scalars())
    await unlink(session, link, outer, sorted(here - set(wanted)), now=now)
    fresh = [{link.outer: outer, link.inner: one, link.since: now} for one in sorted(set(wanted) - here)]
    if fresh:
        await session.execute(insert(link.table), fresh)


async def leave_standing(
    session: AsyncSession, row: Person | Role | Permission | ServiceAccount | OrgUnit, state: str, *, now: datetime
) -> None:
    """Put on record that `row` was in `state` until now. Call it before the state is changed.

    The state of an org unit is the unit that it stands below, '' at the top.
    """
    last = select(func.max(col(PastStanding.until))).where(col(PastStanding.subject) == row.id)
    since = (await session.execute(last)).scalar() or row.created_at
    if since < now:
        session.add(PastStanding(subject=row.id, since=since, until=now, state=state))


async def leave_meaning(session: AsyncSession, permission: Permission, *, now: datetime) -> None:
    """Put on record what a permission permitted until now. Call it before its action, type or condition is changed."""
    last = select(func.max(col(PastMeaning.until))).where(col(PastMeaning.permission_id) == permission.id)
    since = (await session.execute(last)).scalar() or permission.created_at
    if since < now:
        session.add(
            PastMeaning(
                permission_id=permission.id, since=since, until=now, action=permission.action,
                resource_type=permission.resource_type, condition=permission.condition,
                request_wins=permission.request_wins,
            )
        )  # fmt: skip


def supersede(session: AsyncSession, grant: Grant, *, now: datetime) -> None:
    """Put on record what was known of a grant until now. Call it before the grant is changed."""
    if grant.updated_at < now:
        session.add(
            PastGrant(
                grant_id=grant.id, recorded_at=grant.updated_at, superseded_at=now, valid_from=grant.valid_from,
                valid_to=grant.valid_to, ended_by=grant.ended_by, ended_at=grant.ended_at, end_reason=grant.end_reason,
            )
        )  # fmt: skip
