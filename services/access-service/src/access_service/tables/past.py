"""What was and is no more. The other tables hold what is; a reading `as_of` joins both.

A row comes here in the transaction that ends what it tells of, and is never changed.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text
from sqlmodel import Field

from access_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant


class PastStanding(Row, table=True):
    """A state that a person, a role, a permission or a service account was in; of an org unit, what it stood below."""

    __tablename__ = "past_standing"
    # A reading of now asks for what is not over yet: by this it reads no row at all.
    __table_args__ = (Index("ix_past_standing_subject_until", "subject", "until"),)

    subject: str = Field(primary_key=True, sa_type=IdText)
    since: datetime = Field(primary_key=True, sa_type=Instant)
    until: datetime = Field(sa_type=Instant)
    state: str = Field(sa_type=Text)


class PastMeaning(Row, table=True):
    """What a permission permitted before it was changed."""

    __tablename__ = "past_meaning"
    __table_args__ = (Index("ix_past_meaning_action_resource_type", "action", "resource_type"),)

    permission_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("permission.id")])
    since: datetime = Field(primary_key=True, sa_type=Instant)
    until: datetime = Field(sa_type=Instant)
    action: str = Field(sa_type=Text)
    resource_type: str = Field(sa_type=Text)
    condition: str | None = Field(default=None, sa_type=Text)
    request_wins: bool


class PastLink(Row, table=True):
    """A membership, a permission in a role, or an inheritance that was taken away."""

    __tablename__ = "past_link"
    __table_args__ = (
        one_of("kind", "member", "contains", "inherits"),
        Index("ix_past_link_inner_until", "inner", "until"),
    )

    kind: str = Field(primary_key=True, sa_type=Text)
    outer: str = Field(primary_key=True, sa_type=IdText)
    """The group, or the role that contained or inherited."""
    inner: str = Field(primary_key=True, sa_type=IdText)
    """The member, the permission, or the role inherited from."""
    since: datetime = Field(primary_key=True, sa_type=Instant)
    until: datetime = Field(primary_key=True, sa_type=Instant)


class PastGrant(Row, table=True):
    """What was on record of a grant before it was changed: when it would hold, as known from then to then."""

    __tablename__ = "past_grant"
    __table_args__ = (Index("ix_past_grant_grant_id_superseded_at", "grant_id", "superseded_at"),)

    grant_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("role_grant.id")])
    recorded_at: datetime = Field(primary_key=True, sa_type=Instant)
    superseded_at: datetime = Field(sa_type=Instant)
    valid_from: datetime = Field(sa_type=Instant)
    valid_to: datetime | None = Field(default=None, sa_type=Instant)
    ended_by: str | None = Field(default=None, sa_type=IdText)
    """Who had said so until then, if it was an end; `ended_at` and `end_reason` as in the grant."""
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    end_reason: str | None = Field(default=None, sa_type=Text)
