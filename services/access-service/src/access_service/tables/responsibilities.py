"""Who answers for what: support functions by product, after RACI."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, column, literal_column, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlmodel import Field

from access_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column


class SupportFunction(Versioned, Row, table=True):
    """A thing that the support of a product takes, and the skills that it needs."""

    __tablename__ = "support_function"
    __table_args__ = (one_of("state", "active", "retired"),)

    id: str = id_column()
    key: str = Field(sa_type=Text, unique=True)
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    skills: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    position: int = 0
    """Where it stands in the matrix."""
    state: str = Field(default="active", sa_type=Text)


class Post(Versioned, Row, table=True):
    """A position that answers for things whoever holds it; vacant where nobody does."""

    __tablename__ = "post"

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    org_unit: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")])
    holder: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")], index=True)


class Responsibility(Versioned, Row, table=True):
    """A person, a post or a team is responsible, accountable, consulted or informed, from one day to another."""

    __tablename__ = "responsibility"
    __table_args__ = (
        one_of("letter", "R", "A", "C", "I"),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="order"),
        CheckConstraint("letter <> 'A' OR holder NOT LIKE 'grp\\_%'", name="accountable"),
        # One accountable for a function of a product on any day.
        ExcludeConstraint(
            (column("function_id"), "="),
            (column("product"), "="),
            (literal_column("daterange(starts_on, ends_on, '[]')"), "&&"),
            name="ex_responsibility_accountable",
            using="gist",
            where=text("letter = 'A'"),
        ),
        # Nobody has the same letter twice on the same day.
        ExcludeConstraint(
            (column("function_id"), "="),
            (column("product"), "="),
            (column("holder"), "="),
            (column("letter"), "="),
            (literal_column("daterange(starts_on, ends_on, '[]')"), "&&"),
            name="ex_responsibility_overlap",
            using="gist",
        ),
        Index("ix_responsibility_product", "product", "function_id"),
    )

    id: str = id_column()
    function_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("support_function.id")])
    product: str = Field(sa_type=IdText)
    """A product of release-service, by its id."""
    letter: str = Field(sa_type=Text)
    holder: str = Field(sa_type=IdText, index=True)
    """A person, a post, or (not for A) a group."""
    deputy: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    starts_on: date
    ends_on: date | None = None


class ResponsibilityGap(Row, table=True):
    """A gap that others were told of: it opens on a day to come, or has opened and is not closed yet."""

    __tablename__ = "responsibility_gap"

    function_id: str = Field(
        primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("support_function.id", ondelete="CASCADE")]
    )
    product: str = Field(primary_key=True, sa_type=IdText)
    kind: str = Field(primary_key=True, sa_type=Text)
    opens_on: date
    event_id: str = Field(sa_type=IdText)
    """Which event told of it: its notices are settled when the gap closes."""
    told_at: datetime = Field(sa_type=Instant)
