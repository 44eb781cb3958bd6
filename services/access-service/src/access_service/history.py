"""Present and past, joined in one place: every reading `as_of` is made of these.

Links and states are facts from the moment that they were recorded until the one at which their end was; of what was
recorded after `known_at`, a reading knows nothing. A grant says itself from when to when it holds, and may be recorded
long before or changed later: it is read as it was on record at `known_at`.

Statements made of these are made once. The instants are parameters, which `When.parameters` has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped
from sqlmodel import col

from access_service.past import Link
from access_service.tables import (
    Grant,
    OrgUnit,
    PastGrant,
    PastLink,
    PastMeaning,
    PastStanding,
    Permission,
    Person,
    Role,
    ServiceAccount,
)
from lodge_kit.tables import IdText, Instant

Column = ColumnElement[Any] | Mapped[Any]
Standing = Person | ServiceAccount | Role | Permission | OrgUnit
"""What is in a state at any time: a person is active or not, an org unit stands below another ('': at the top)."""

Found = Select[*tuple[Any, ...]]
_STATES: Mapping[type[Standing], Column] = {
    Person: col(Person.status),
    ServiceAccount: col(ServiceAccount.status),
    Role: col(Role.state),
    Permission: col(Permission.state),
    OrgUnit: func.coalesce(col(OrgUnit.parent), ""),
}


@dataclass(frozen=True, slots=True)
class When:
    """The instant that is asked about, and the one by whose records it is answered."""

    as_of: datetime
    known_at: datetime

    @property
    def moment(self) -> datetime:
        """When links and states are read: of a time to come, what is on record now is all that is known."""
        return min(self.as_of, self.known_at)

    @property
    def parameters(self) -> dict[str, datetime]:
        """Answer what a statement's parameters are called and stand for."""
        return {"as_of": self.as_of, "known_at": self.known_at, "moment": self.moment}


AS_OF = bindparam("as_of", type_=Instant)
KNOWN_AT = bindparam("known_at", type_=Instant)
MOMENT = bindparam("moment", type_=Instant)
WANTED = bindparam("wanted", type_=ARRAY(IdText))
"""Ids of what is asked about: an array, so that of any length it is the same statement."""


def links(link: Link) -> Subquery:
    """Answer the links of a kind that were ever on record: `outer`, `inner`, `since`, and `until` where it was known.

    Conditions on its columns reach the tables below it, so that what is asked of one thing reads that thing's rows.
    """
    outer, inner, since = link.column(link.outer), link.column(link.inner), link.column(link.since)
    present = select(outer.label("outer"), inner.label("inner"), since.label("since"), _unknown("until"))
    past = select(
        col(PastLink.outer), col(PastLink.inner), col(PastLink.since),
        case((col(PastLink.until) <= KNOWN_AT, col(PastLink.until))).label("until"),
    ).where(col(PastLink.kind) == link.kind, col(PastLink.since) <= KNOWN_AT)  # fmt: skip
    return union_all(present.where(since <= KNOWN_AT), past).subquery()


def linked(link: Link) -> Subquery:
    """Answer the links of a kind that held then."""
    ever = links(link)
    return select(ever).where(held(ever.c.since, ever.c.until)).subquery()


def grants() -> Subquery:
    """Answer every grant as it was on record at an instant; who ended it, only where that was recorded by then."""
    ended = col(Grant.ended_at) <= KNOWN_AT
    same = [
        col(Grant.id), col(Grant.subject), col(Grant.role_id), col(Grant.org_unit), col(Grant.environment),
        col(Grant.origin), col(Grant.reason), col(Grant.granted_by), col(Grant.created_at),
        case((ended, col(Grant.ended_by))).label("ended_by"), case((ended, col(Grant.ended_at))).label("ended_at"),
        case((ended, col(Grant.end_reason))).label("end_reason"),
    ]  # fmt: skip
    present = select(*same, col(Grant.valid_from), col(Grant.valid_to)).where(col(Grant.updated_at) <= KNOWN_AT)
    past = (
        select(*same, col(PastGrant.valid_from), col(PastGrant.valid_to))
        .join(PastGrant, col(PastGrant.grant_id) == col(Grant.id))
        .where(col(PastGrant.recorded_at) <= KNOWN_AT, col(PastGrant.superseded_at) > KNOWN_AT)
    )
    return union_all(present, past).subquery()


def meanings() -> Subquery:
    """Answer what each permission ever permitted: `id`, `action`, `resource_type`, `condition`, `since`, `until`."""
    begun = select(func.max(col(PastMeaning.until))).where(col(PastMeaning.permission_id) == col(Permission.id))
    since = func.coalesce(begun.correlate(Permission).scalar_subquery(), col(Permission.created_at))
    present = select(
        col(Permission.id), col(Permission.action), col(Permission.resource_type), col(Permission.condition),
        col(Permission.request_wins), since.label("since"), _unknown("until"),
    )  # fmt: skip
    past = select(
        col(PastMeaning.permission_id), col(PastMeaning.action), col(PastMeaning.resource_type),
        col(PastMeaning.condition), col(PastMeaning.request_wins), col(PastMeaning.since),
        case((col(PastMeaning.until) <= KNOWN_AT, col(PastMeaning.until))),
    )  # fmt: skip
    ever = union_all(present, past).subquery()
    return select(ever).where(ever.c.since <= KNOWN_AT).subquery()


def held(since: Column, until: Column) -> ColumnElement[bool]:
    """Say that a span holds at the instant asked about; no end is for ever."""
    return and_(since <= AS_OF, or_(until.is_(None), until > AS_OF))


def state(kind: type[Standing]) -> ColumnElement[str]:
    """Answer the state that a row was in then."""
    was = (
        select(col(PastStanding.state))
        .where(col(PastStanding.subject) == col(kind.id))
        .where(col(PastStanding.since) <= MOMENT, col(PastStanding.until) > MOMENT)
        .correlate(kind)
        .scalar_subquery()
    )
    return func.coalesce(was, _STATES[kind])


def active(kind: type[Standing]) -> ColumnElement[bool]:
    """Say that a row existed then and was active."""
    return and_(col(kind.created_at) <= MOMENT, state(kind) == "active")


def standings(kind: type[Standing]) -> Select[str, str, datetime, datetime | None]:
    """Answer every state that `wanted` rows of a kind were ever on record in: id, state, since, until."""
    begun = select(func.max(col(PastStanding.until))).where(col(PastStanding.subject) == col(kind.id))
    since = func.coalesce(begun.correlate(kind).scalar_subquery(), col(kind.created_at)).label("since")
    present: Found = select(col(kind.id).label("id"), _STATES[kind].label("state"), since, _unknown("until"))
    past = select(
        col(PastStanding.subject), col(PastStanding.state), col(PastStanding.since),
        case((col(PastStanding.until) <= KNOWN_AT, col(PastStanding.until))),
    ).where(col(PastStanding.subject) == any_(WANTED))  # fmt: skip
    ever = union_all(present.where(col(kind.id) == any_(WANTED)), past).subquery()
    return select(ever.c.id, ever.c.state, ever.c.since, ever.c.until).where(ever.c.since <= KNOWN_AT)


def _unknown(name: str) -> ColumnElement[Any]:
    return literal(None, Instant).label(name)
