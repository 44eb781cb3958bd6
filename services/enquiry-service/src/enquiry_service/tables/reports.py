"""Reports and the versions of their SQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from enquiry_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column, searched

VERSION_STATES = ("draft", "review", "approved", "retired")


class Report(Versioned, Row, table=True):
    """A question that is asked again and again; its SQL is in its versions."""

    __tablename__ = "report"
    __table_args__ = (
        searched("report", "name", "description"),
        Index("ix_report_tags", "tags", postgresql_using="gin"),
    )

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)
    source_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("data_source.id")], index=True)
    owner: str = Field(sa_type=IdText, index=True)
    tags: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"))
    )
    enquiry_id: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("enquiry.id")], index=True)
    """The answered enquiry that it was made of."""
    archived_at: datetime | None = Field(default=None, sa_type=Instant)


class ReportVersion(Versioned, Row, table=True):
    """One state of a report's SQL. Written by one, approved by another; approved, it never changes."""

    __tablename__ = "report_version"
    __table_args__ = (
        one_of("state", *VERSION_STATES),
        CheckConstraint("approver IS DISTINCT FROM author", name="four_eyes"),
        CheckConstraint("approver <> ALL (editors)", name="eyes_of_another"),
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
    classes: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'::jsonb"))
    )
    """What the author says that the columns tell of people, by their names in the result."""
    author: str = Field(sa_type=IdText, index=True)
    editors: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"))
    )
    """Who else has written in it: none of them approves it."""
    approver: str | None = Field(default=None, sa_type=IdText)
    approved_at: datetime | None = Field(default=None, sa_type=Instant)
    reason: str | None = Field(default=None, sa_type=Text)
    """Why it was sent back, or retired."""
