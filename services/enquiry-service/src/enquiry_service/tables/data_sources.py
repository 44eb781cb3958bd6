"""The databases that reports read."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from enquiry_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column, searched


class DataSource(Versioned, Row, table=True):
    """A database that reports read, by a role that cannot write."""

    __tablename__ = "data_source"
    __table_args__ = (
        one_of("adapter", "postgresql", "mysql", "sqlite"),
        one_of("ssl_mode", "prefer", "require", "verify-full"),
        CheckConstraint(
            "(adapter = 'sqlite') = (host IS NULL) AND num_nulls(host, port, username, secret_name) IN (0, 4)",
            name="place",
        ),
        searched("data_source", "name"),
    )

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)
    adapter: str = Field(default="postgresql", sa_type=Text)
    host: str | None = Field(default=None, sa_type=Text)
    port: int | None = None
    database: str = Field(sa_type=Text)
    """Its name at the server, or the file's in the operator's folder."""
    username: str | None = Field(default=None, sa_type=Text)
    secret_name: str | None = Field(default=None, sa_type=Text)
    """The name of the file that holds the password; the password itself is in no table."""
    ssl_mode: str = Field(default="prefer", sa_type=Text)
    allowed_schemas: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    allowed_functions: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    row_limit: int = Field(default=1_000_000, sa_type=BigInteger)
    seconds_limit: int = 300
    adhoc_row_limit: int = Field(
        default=10_000, sa_column=Column(BigInteger, nullable=False, server_default=text("10000"))
    )
    """Of a run that nobody has approved; 0 where there are none."""
    owner: str = Field(sa_type=IdText, index=True)
    column_classes: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'::jsonb"))
    )
    """What its columns tell of people, by `schema.table.column`; of those that are not in it nobody has said."""
    checked_at: datetime | None = Field(default=None, sa_type=Instant)
    check_findings: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    """`sources.Finding`s of the last check; nothing runs while one of them blocks."""
