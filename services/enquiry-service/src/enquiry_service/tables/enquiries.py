"""Enquiries, what happened to them and what was said in them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from enquiry_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column, searched

ENQUIRY_STATES = ("new", "open", "waiting", "answered", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")


class Enquiry(Versioned, Row, table=True):
    """What somebody wants to know of the data, from the day it was received to its answer."""

    __tablename__ = "enquiry"
    __table_args__ = (
        one_of("status", *ENQUIRY_STATES),
        one_of("priority", *PRIORITIES),
        Index("ix_enquiry_status_priority", "status", "priority"),
        Index("ix_enquiry_due_on", "due_on", postgresql_where="status IN ('new', 'open', 'waiting')"),
        searched("enquiry", "title", "description"),
    )

    id: str = id_column()
    kind: str = Field(sa_type=Text)
    """The key of an `EnquiryKind`: kinds are archived, never deleted."""
    fields: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'::jsonb"))
    )
    fields_version: int | None = None
    """The number of the `KindFields` that they were held against; null where it was filed before there were any."""
    title: str = Field(sa_type=Text)
    description: str = Field(sa_type=Text)
    purpose: str = Field(default="", sa_type=Text)
    requester: str = Field(sa_type=IdText, index=True)
    """A person or a service account of access-service."""
    org_unit: str | None = Field(default=None, sa_type=IdText, index=True)
    """For whom it is asked: what scopes the rights of those who answer."""
    priority: str = Field(default="normal", sa_type=Text)
    status: str = Field(default="new", sa_type=Text)
    assignee: str | None = Field(default=None, sa_type=IdText, index=True)
    team: str | None = Field(default=None, sa_type=IdText, index=True)
    """A group of access-service that looks after it, whether or not somebody of it is the assignee."""
    received_on: date
    """May be before the day of its entry: the clocks of law start here."""
    outcome: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    answered_at: datetime | None = Field(default=None, sa_type=Instant)
    due_on: date | None = None
    """What the log and the calendars come to (`clocks.refresh`): kept to sort and filter by, never the truth itself."""
    clock_state: str | None = Field(default=None, sa_type=Text)
    """running, paused, ended; null until its clock is read for the first time."""
    told_due_soon: date | None = None
    told_overdue: date | None = None
    """The date of which that was told: once for each date, by a statement that leaves the version alone."""


class EnquiryEvent(Row, table=True):
    """Something that happened to an enquiry: only ever added, since its clock is derived from these."""

    __tablename__ = "enquiry_event"
    __table_args__ = (Index("ix_enquiry_event_enquiry_id_id", "enquiry_id", "id"),)

    id: str = id_column()
    enquiry_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("enquiry.id")])
    type: str = Field(sa_type=Text)
    """received, changed, assigned, clock-paused, answered, reopened …; `clock.stages` has those that a clock reads."""
    actor: str = Field(sa_type=IdText)
    occurred_at: datetime = Field(sa_type=Instant)
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))


class Message(Row, table=True):
    """What was said in an enquiry. Never changed: what was internal stays internal."""

    __tablename__ = "message"
    __table_args__ = (
        one_of("visibility", "public", "internal"),
        Index("ix_message_enquiry_id_id", "enquiry_id", "id"),
    )

    id: str = id_column()
    enquiry_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("enquiry.id")])
    visibility: str = Field(sa_type=Text)
    author: str = Field(sa_type=IdText)
    body: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=Instant)
