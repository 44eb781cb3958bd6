"""Runs of reports, and the files that they leave."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from enquiry_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column

RUN_STATES = ("queued", "running", "spooling", "done", "truncated", "failed", "cancelled", "expired")


class Run(Versioned, Row, table=True):
    """One execution of a report: what was asked, how far it is, how it ended."""

    __tablename__ = "run"
    __table_args__ = (
        one_of("status", *RUN_STATES),
        CheckConstraint("status NOT IN ('done', 'truncated') OR sha256 IS NOT NULL", name="hashed"),
        CheckConstraint("NOT ad_hoc OR enquiry_id IS NOT NULL", name="for_an_enquiry"),
        Index("ix_run_under_way", "lease_until", postgresql_where="status IN ('queued', 'running', 'spooling')"),
    )

    id: str = id_column()
    report_version_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("report_version.id")], index=True)
    enquiry_id: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("enquiry.id")], index=True)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    purpose: str = Field(default="", sa_type=Text)
    requested_by: str = Field(sa_type=IdText, index=True)
    org_unit: str | None = Field(default=None, sa_type=IdText, index=True)
    ad_hoc: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    """Whether it is of a version that nobody had approved."""
    row_limit: int | None = Field(default=None, sa_type=BigInteger)
    """Beside its source's own."""
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


class AccessLog(Row, table=True):
    """Somebody fetched a file in which this column tells something of people. Append-only."""

    __tablename__ = "access_log"
    __table_args__ = (one_of("data_class", "personal", "special", "secret"),)

    id: str = id_column()
    at: datetime = Field(sa_type=Instant)
    person: str = Field(sa_type=IdText)
    run_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("run.id")], index=True)
    column_name: str = Field(sa_type=Text)
    origin: str | None = Field(default=None, sa_type=Text, index=True)
    data_class: str = Field(sa_type=Text)
    """As it was classified then."""


class Artifact(Versioned, Row, table=True):
    """The file that a run left, kept until its day."""

    __tablename__ = "artifact"
    __table_args__ = (
        one_of("format", "csv"),
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
    truncated: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    """Whether a limit of rows cut it; the run forgets it when the file is destroyed."""
    expires_at: datetime = Field(sa_type=Instant)
    destroyed_at: datetime | None = Field(default=None, sa_type=Instant)
