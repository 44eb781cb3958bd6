"""The kinds of enquiries, and the states of the fields that each asks for."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from enquiry_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned

CLOCKS = ("foia", "foisa", "eir", "eir-scotland", "sar", "internal")


class EnquiryKind(Versioned, Row, table=True):
    """What may be asked for: which fields it has, by when it is to be answered, who looks at it first."""

    __tablename__ = "enquiry_kind"
    __table_args__ = (one_of("clock", *CLOCKS),)

    key: str = Field(primary_key=True, sa_type=IdText)
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    clock: str = Field(sa_type=Text)
    targets: dict[str, int] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True))
    """Working days by priority, where the clock is the institution's own."""
    default_team: str | None = Field(default=None, sa_type=IdText)
    """A group of access-service."""
    fields_version: int
    """The number of the `KindFields` that new enquiries are held against."""
    archived_at: datetime | None = Field(default=None, sa_type=Instant)


class KindFields(Row, table=True):
    """One state of a kind's fields, a JSON Schema. Never changed: what was filed by it stays readable by it."""

    __tablename__ = "kind_fields"

    kind: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("enquiry_kind.key")])
    number: int = Field(primary_key=True)
    fields: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """As JSON, not JSONB: forms show fields in the order in which they were written."""
    author: str = Field(sa_type=IdText)
    created_at: datetime = Field(sa_type=Instant)
