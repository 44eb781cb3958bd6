"""What is shown of grants: who holds what, as it is on record now, or was on record at an instant."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from sqlalchemy import ColumnElement, Row, Select, and_, case, false, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col

from access_service.decisions import LODGE
from access_service.tables import Grant, Group, OrgUnit, PastGrant, Person, Role, ServiceAccount
from lodge_kit import etags, ids
from lodge_kit.directory import Reference

Environment = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Origin = Literal["birthright", "request", "emergency", "import"]
AnchorType = Literal["release", "incident", "localisation", "enquiry"]
_PREFIXES = {"release": "rel", "localisation": "loc", "enquiry": "enq"}
"""What begins the ids of anchors that Lodge has; an incident is known by another system's id."""


class Anchor(BaseModel):
    """What a role was given for: the grant ends when that closes."""

    model_config = ConfigDict(extra="forbid")

    type: AnchorType
    id: str = Field(min_length=1, max_length=200, examples=["rel_01JDB52Y007D711YCN5GF05KS6"])

    @field_validator("id")
    @classmethod
    def _of_that_type(cls, value: str, info: ValidationInfo) -> str:
        prefix = _PREFIXES.get(info.data.get("type", ""))
        if prefix and not (value.startswith(f"{prefix}_") and re.fullmatch(ids.PATTERN, value)):
            raise ValueError(f"the id of a {info.data['type']} begins with {prefix}_")
        return value


class GrantOut(BaseModel):
    """A role given to somebody."""

    id: str
    etag: str
    subject: Reference
    role: Reference
    org_unit: Reference | None
    environment: str | None
    valid_from: datetime
    valid_to: datetime | None
    origin: Origin
    anchor: Anchor | None
    reason: str
    granted_by: Reference
    ended_by: Reference | None
    ended_at: datetime | None
    end_reason: str | None
    created_at: datetime
    updated_at: datetime


class GrantVersion(BaseModel):
    """What was on record of a grant from one instant to another."""

    recorded_at: datetime
    superseded_at: datetime | None = Field(description="When something else was recorded; null: it is on record now.")
    recorded_by: Reference
    valid_from: datetime
    valid_to: datetime | None
    reason: str


GrantRow = Row[Grant, str, str, str | None, str | None, str | None, PastGrant | None]
"""A grant, the names of its holder, role, org unit, giver and ender, and what was on record where that is asked."""


def _then(name: str) -> ColumnElement[Any]:
    """Answer a column of a grant as it was on record where that is asked, else as it is."""
    was, now = getattr(PastGrant, name), getattr(Grant, name)
    return case((col(PastGrant.grant_id).is_not(None), was), else_=now)


def _name_of(who: Mapped[Any] | ColumnElement[Any]) -> ColumnElement[str | None]:
    """Name the person or service account that a column holds: a query of its own, as the grant's holder is one too."""
    person, account = aliased(Person), aliased(ServiceAccount)
    return func.coalesce(
        select(col(person.name)).where(col(person.id) == who).correlate(Grant, PastGrant).scalar_subquery(),
        select(col(account.name)).where(col(account.id) == who).correlate(Grant, PastGrant).scalar_subquery(),
    )


def recorded(
    known_at: datetime | None,
) -> Select[Grant, str, str, str | None, str | None, str | None, PastGrant | None]:
    """Select grants as they are on record, or as they were on record at `known_at`; those of later are left out."""
    known: ColumnElement[bool] = false()
    if known_at:
        known = and_(col(PastGrant.recorded_at) <= known_at, col(PastGrant.superseded_at) > known_at)
    holder = func.coalesce(col(Person.name), col(Group.name), col(ServiceAccount.name))
    found = (
        select(
            Grant,
            holder,
            col(Role.name),
            col(OrgUnit.name),
            _name_of(col(Grant.granted_by)),
            _name_of(_then("ended_by")),
            PastGrant,
        )
        .join(Role, col(Role.id) == col(Grant.role_id))
        .outerjoin(Person, col(Person.id) == col(Grant.subject))
        .outerjoin(Group, col(Group.id) == col(Grant.subject))
        .outerjoin(ServiceAccount, col(ServiceAccount.id) == col(Grant.subject))
        .outerjoin(OrgUnit, col(OrgUnit.id) == col(Grant.org_unit))
        .outerjoin(PastGrant, and_(col(PastGrant.grant_id) == col(Grant.id), known))
    )
    return found.where(col(Grant.created_at) <= known_at) if known_at else found


def held(at: datetime) -> ColumnElement[bool]:
    """Match the grants that hold at an instant, by what `recorded` has on record of them."""
    return and_(_then("valid_from") <= at, or_(_then("valid_to").is_(None), _then("valid_to") > at))


def ended(by: datetime) -> ColumnElement[bool]:
    """Match the grants that hold no more from an instant on, nor ever again; some never did."""
    over = or_(_then("valid_to") <= by, _then("valid_to") == _then("valid_from"))
    return func.coalesce(over, False)


def whoever(one: str, name: str | None) -> Reference:
    """Refer to who gave or ended something: a person, a service account, or Lodge itself at the first start."""
    return Reference(id=one, name=name or ("Lodge" if one == LODGE else ""))


def shown(row: GrantRow) -> GrantOut:
    """Show a grant with the names of what it joins."""
    grant, was = row[0], row[6]
    facts = grant.model_dump()
    if was is not None:
        facts |= was.model_dump(exclude={"grant_id", "recorded_at", "superseded_at"}) | {"updated_at": was.recorded_at}
    references: dict[str, Any] = {
        "etag": etags.etag(grant),
        "subject": {"id": grant.subject, "name": row[1] or ""},
        "role": {"id": grant.role_id, "name": row[2]},
        "org_unit": {"id": grant.org_unit, "name": row[3]} if grant.org_unit else None,
        "anchor": {"type": grant.anchor_type, "id": grant.anchor_id} if grant.anchor_type else None,
        "granted_by": whoever(grant.granted_by, row[4]),
        "ended_by": whoever(facts["ended_by"], row[5]) if facts["ended_by"] else None,
    }
    return GrantOut.model_validate(facts | references)


async def history(session: AsyncSession, grant: Grant) -> list[GrantVersion]:
    """Answer all that was ever on record of a grant, oldest first; the last is on record now."""
    found = select(PastGrant).where(col(PastGrant.grant_id) == grant.id).order_by(col(PastGrant.recorded_at))
    past = list((await session.execute(found)).scalars())
    authors = {grant.granted_by, grant.ended_by or "", *(one.ended_by or "" for one in past)}
    kinds = (Person, ServiceAccount)
    named = union_all(*(select(col(kind.id), col(kind.name)).where(col(kind.id).in_(authors)) for kind in kinds))
    names = dict((await session.execute(named)).all())

    def version(one: Grant | PastGrant, recorded_at: datetime, superseded_at: datetime | None) -> GrantVersion:
        by = one.ended_by or grant.granted_by
        return GrantVersion(
            recorded_at=recorded_at, superseded_at=superseded_at, recorded_by=whoever(by, names.get(by)),
            valid_from=one.valid_from, valid_to=one.valid_to,
            reason=grant.reason if one.end_reason is None else one.end_reason,
        )  # fmt: skip

    return [*(version(one, one.recorded_at, one.superseded_at) for one in past), version(grant, grant.updated_at, None)]
