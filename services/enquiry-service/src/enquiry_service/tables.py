"""The rows that enquiry-service owns: what people ask, the reports that answer them, and each run of a report."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from lodge_kit.tables import NAMING, IdText, Instant, Versioned, id_column, searched

ENQUIRY_KINDS = ("data", "report", "fault", "access", "foi", "sar", "return")
ENQUIRY_STATES = ("new", "open", "waiting", "answered", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
VERSION_STATES = ("draft", "review", "approved", "retired")
RUN_STATES = ("queued", "running", "spooling", "done", "truncated", "failed", "cancelled", "expired")


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A row of enquiry-service."""


def _one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    """Make the constraint that `column` holds one of `words`; one more is a migration."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Enquiry(Versioned, Row, table=True):
    """What somebody wants to know of the data, from the day it was received to its answer."""

    __tablename__ = "enquiry"
    __table_args__ = (
        _one_of("kind", ENQUIRY_KINDS),
        _one_of("status", ENQUIRY_STATES),
        _one_of("priority", PRIORITIES),
        Index("ix_enquiry_status_priority", "status", "priority"),
        searched("enquiry", "title", "description"),
    )

    id: str = id_column()
    kind: str = Field(sa_type=Text)
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
    received_on: date
    """May be before the day of its entry: the clocks of law start here."""
    outcome: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    answered_at: datetime | None = Field(default=None, sa_type=Instant)


class EnquiryEvent(Row, table=True):
    """Something that happened to an enquiry: only ever added, since its clock is derived from these."""

    __tablename__ = "enquiry_event"
    __table_args__ = (Index("ix_enquiry_event_enquiry_id_id", "enquiry_id", "id"),)

    id: str = id_column()
    enquiry_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("enquiry.id")])
    type: str = Field(sa_type=Text)
    """received, assigned, status, priority, answered, reopened …"""
    actor: str = Field(sa_type=IdText)
    occurred_at: datetime = Field(sa_type=Instant)
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))


class Message(Row, table=True):
    """What was said in an enquiry. Never changed: what was internal stays internal."""

    __tablename__ = "message"
    __table_args__ = (
        _one_of("visibility", ("public", "internal")),
        Index("ix_message_enquiry_id_id", "enquiry_id", "id"),
    )

    id: str = id_column()
    enquiry_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("enquiry.id")])
    visibility: str = Field(sa_type=Text)
    author: str = Field(sa_type=IdText)
    body: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=Instant)


class DataSource(Versioned, Row, table=True):
    """A database that reports read, by a role that cannot write."""

    __tablename__ = "data_source"
    __table_args__ = (
        _one_of("adapter", ("postgresql",)),
        _one_of("ssl_mode", ("prefer", "require", "verify-full")),
        searched("data_source", "name"),
    )

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)
    adapter: str = Field(default="postgresql", sa_type=Text)
    host: str = Field(sa_type=Text)
    port: int = 5432
    database: str = Field(sa_type=Text)
    username: str = Field(sa_type=Text)
    secret_name: str = Field(sa_type=Text)
    """The name of the file that holds the password; the password itself is in no table."""
    ssl_mode: str = Field(default="prefer", sa_type=Text)
    allowed_schemas: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    allowed_functions: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    row_limit: int = Field(default=1_000_000, sa_type=BigInteger)
    seconds_limit: int = 300
    owner: str = Field(sa_type=IdText, index=True)
    checked_at: datetime | None = Field(default=None, sa_type=Instant)
    check_findings: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    """`sources.Finding`s of the last check; nothing runs while one of them blocks."""


class Report(Versioned, Row, table=True):
    """A question that is asked again and again; its SQL is in its versions."""

    __tablename__ = "report"
    __table_args__ = (searched("report", "name", "description"),)

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)
    source_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("data_source.id")], index=True)
    owner: str = Field(sa_type=IdText, index=True)
    archived_at: datetime | None = Field(default=None, sa_type=Instant)


class ReportVersion(Versioned, Row, table=True):
    """One state of a report's SQL. Written by one, approved by another; approved, it never changes."""

    __tablename__ = "report_version"
    __table_args__ = (
        _one_of("state", VERSION_STATES),
        CheckConstraint("approver IS DISTINCT FROM author", name="four_eyes"),
        CheckConstraint("state <> 'approved' OR approver IS NOT NULL", name="approved_by_somebody"),
        Index("uq_report_version_report_id_number", "report_id", "number", unique=True),
        Index("uq_report_version_approved", "report_id", unique=True, postgresql_where="state = 'approved'"),
    )

    id: str = id_column()
    report_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("report.id")])
    number: int
    state: str = Field(default="draft", sa_type=Text)
    sql: str = Field(sa_type=Text)
    parameters: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    """Definitions as `parameters.DEFINITIONS` reads them."""
    result_columns: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    """`sources.Column`s as the source described them; null until it was asked."""
    author: str = Field(sa_type=IdText, index=True)
    approver: str | None = Field(default=None, sa_type=IdText)
    approved_at: datetime | None = Field(default=None, sa_type=Instant)
    reason: str | None = Field(default=None, sa_type=Text)
    """Why it was sent back, or retired."""


class Run(Versioned, Row, table=True):
    """One execution of a report: what was asked, how far it is, how it ended."""

    __tablename__ = "run"
    __table_args__ = (
        _one_of("status", RUN_STATES),
        CheckConstraint("status NOT IN ('done', 'truncated') OR sha256 IS NOT NULL", name="hashed"),
        Index("ix_run_under_way", "lease_until", postgresql_where="status IN ('queued', 'running', 'spooling')"),
    )

    id: str = id_column()
    report_version_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("report_version.id")], index=True)
    enquiry_id: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("enquiry.id")], index=True)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    purpose: str = Field(default="", sa_type=Text)
    requested_by: str = Field(sa_type=IdText, index=True)
    org_unit: str | None = Field(default=None, sa_type=IdText, index=True)
    status: str = Field(default="queued", sa_type=Text)
    phase: str | None = Field(default=None, sa_type=Text)
    rows: int = Field(default=0, sa_type=BigInteger)
    bytes: int = Field(default=0, sa_type=BigInteger)
    sha256: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    """Why it failed, was cut or was cancelled: a sentence."""
    cancel_requested_at: datetime | None = Field(default=None, sa_type=Instant)
    backend_gone: bool | None = None
    """After a run that did not end by itself: whether the source was seen to have dropped the query."""
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
    released_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the enquiry was answered with it: from then on its requester may fetch the file."""
    lease_holder: str | None = Field(default=None, sa_type=Text)
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    """By the database's clock; past it, another worker may take the run up or end it."""


class Artifact(Versioned, Row, table=True):
    """The file that a run left, kept until its day."""

    __tablename__ = "artifact"
    __table_args__ = (
        _one_of("format", ("csv",)),
        Index("uq_artifact_run_id_format", "run_id", "format", unique=True),
        Index("ix_artifact_expires_at", "expires_at", postgresql_where="destroyed_at IS NULL"),
    )

    id: str = id_column()
    run_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("run.id")])
    format: str = Field(default="csv", sa_type=Text)
    path: str = Field(sa_type=Text)
    """Within the storage folder."""
    bytes: int = Field(sa_type=BigInteger)
    sha256: str = Field(sa_type=Text, index=True)
    expires_at: datetime = Field(sa_type=Instant)
    destroyed_at: datetime | None = Field(default=None, sa_type=Instant)
