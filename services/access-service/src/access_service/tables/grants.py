"""Who was given which role, from when to when, and what was decided about it."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, column, func
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlmodel import Field

from access_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column

ORIGINS = ("birthright", "request", "emergency", "import")
ANCHORS = ("release", "incident", "localisation", "enquiry")


class Grant(Versioned, Row, table=True):
    """A role given to a person, a group or a service account from one instant to another; ended, never deleted."""

    __tablename__ = "role_grant"
    __table_args__ = (
        # Two grants of the same role to the same subject for the same scope may not overlap in time.
        ExcludeConstraint(
            (column("subject"), "="),
            (column("role_id"), "="),
            (func.coalesce(column("org_unit"), ""), "="),
            (func.coalesce(column("environment"), ""), "="),
            (func.tstzrange(column("valid_from"), column("valid_to")), "&&"),
            name="ex_role_grant_overlap",
            using="gist",
        ),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="order"),
        CheckConstraint("(anchor_type IS NULL) = (anchor_id IS NULL)", name="anchor"),
        one_of("origin", *ORIGINS),
        one_of("anchor_type", *ANCHORS),
        Index("ix_role_grant_subject_role_id", "subject", "role_id"),
        Index("ix_role_grant_role_id_subject", "role_id", "subject"),
        # So that the groups with a role are found without reading the thousands of people who have it.
        Index("ix_role_grant_role_id_of_groups", "role_id", postgresql_where="subject >= 'grp_' AND subject < 'grp`'"),
        Index("ix_role_grant_anchor_id", "anchor_id", postgresql_where="anchor_id IS NOT NULL"),
    )

    id: str = id_column()
    subject: str = Field(sa_type=IdText)
    role_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("role.id")])
    org_unit: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")])
    """Where it holds; null is everywhere."""
    environment: str | None = Field(default=None, sa_type=Text)
    """In which installation of the system: `live`, `test`; null is in every one."""
    valid_from: datetime = Field(sa_type=Instant)
    valid_to: datetime | None = Field(default=None, sa_type=Instant)
    origin: str = Field(default="request", sa_type=Text)
    anchor_type: str | None = Field(default=None, sa_type=Text)
    """What it was given for: it ends when that closes."""
    anchor_id: str | None = Field(default=None, sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    granted_by: str = Field(sa_type=IdText)
    ended_by: str | None = Field(default=None, sa_type=IdText)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the end was recorded; `valid_to` says from when it holds no more."""
    end_reason: str | None = Field(default=None, sa_type=Text)


class DecisionRecord(Row, table=True):
    """A decision as it was made, with its path; all of them, or a sample."""

    __tablename__ = "decision_record"
    __table_args__ = (Index("ix_decision_record_subject_id", "subject", "id"),)

    id: str = id_column()
    at: datetime = Field(sa_type=Instant, index=True)
    asked_by: str = Field(sa_type=IdText)
    client_id: str | None = Field(default=None, sa_type=IdText)
    subject: str = Field(sa_type=Text)
    """Lodge's id of the subject; what was asked for, where nobody is known by it."""
    action: str = Field(sa_type=Text)
    resource_type: str = Field(sa_type=Text)
    resource_id: str = Field(sa_type=Text)
    system_id: str | None = Field(default=None, sa_type=IdText)
    decision: bool
    reason: str = Field(sa_type=Text)
    path: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    """The grant, the group, the roles from the given one to the one that contains the permission, the condition."""
    model: str = Field(sa_type=Text)
    """Which state of the catalogue and the grants it was decided by."""
    request_id: str = Field(sa_type=Text)
