"""The rows that release-service owns: suppliers, their products and releases, and the sources that are watched."""

from datetime import date, datetime, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, Index, Interval, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from lodge_kit.tables import NAMING, IdText, Instant, Versioned, id_column


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A row of release-service."""


class Supplier(Versioned, Row, table=True):
    """Who delivers software to the institution."""

    __tablename__ = "supplier"

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    website: str | None = Field(default=None, sa_type=Text)


class Product(Versioned, Row, table=True):
    """What a supplier delivers, and how its releases are named (`labels.Naming`)."""

    __tablename__ = "product"
    __table_args__ = (
        UniqueConstraint("supplier", "name"),
        CheckConstraint("scheme IN ('maven','semver','pep440','rpm','deb','calendar','natural')", name="scheme"),
    )

    id: str = id_column()
    supplier: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("supplier.id")])
    name: str = Field(sa_type=Text, index=True)
    owner: str = Field(sa_type=IdText, index=True)
    """The person who answers for it here."""
    org_unit: str | None = Field(default=None, sa_type=IdText, index=True)
    """Whose scope it is in; none: that of callers with "*" only."""
    scheme: str = Field(default="maven", sa_type=Text)
    """A change of it rewrites the sort keys of all its releases, in the same transaction."""
    prefix: str = Field(default="", sa_type=Text)
    include: str = Field(default="", sa_type=Text)
    exclude: str = Field(default="", sa_type=Text)
    title_pattern: str = Field(default="", sa_type=Text)
    """Finds the version in an entry's title; empty for the default (`labels.version_text`)."""
    prereleases: bool = False


class Release(Versioned, Row, table=True):
    """One version of a product. Two spellings of a version are one release."""

    __tablename__ = "release"
    __table_args__ = (
        UniqueConstraint("product", "sort_key"),
        CheckConstraint("kind IN ('statutory','enhancement','patch','security','unspecified')", name="kind"),
        CheckConstraint("state IN ('announced','available','withdrawn','superseded')", name="state"),
    )

    id: str = id_column()
    product: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("product.id")])
    version_text: str = Field(sa_type=Text)
    """As the supplier writes it; `version` is the row's."""
    sort_key: str = Field(sa_type=IdText)
    """Bytewise, among the releases of one product, in the order of the versions (`versions.Version.sort_key`)."""
    is_prerelease: bool = False
    kind: str = Field(default="unspecified", sa_type=Text)
    state: str = Field(default="available", sa_type=Text)
    announced_on: date | None = None
    available_on: date | None = None
    notes: str = Field(default="", sa_type=Text)
    """Plain text."""
    link: str | None = Field(default=None, sa_type=Text)
    withdrawal_reason: str | None = Field(default=None, sa_type=Text)
    changed_by: str | None = Field(default=None, sa_type=IdText)
    """The person who wrote or changed it last. None: a feed alone did, and may correct what it said."""


class WatchedSource(Versioned, Row, table=True):
    """Where releases of a product are told of. How its checks go stands in `SourceCheck`: no ETag ages by a check."""

    __tablename__ = "watched_source"
    __table_args__ = (
        UniqueConstraint("product", "url"),
        CheckConstraint("kind IN ('atom')", name="kind"),
        CheckConstraint("every >= interval '1 minute'", name="every"),
    )

    id: str = id_column()
    product: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("product.id")])
    kind: str = Field(default="atom", sa_type=Text)
    """atom: Atom or RSS, whichever it turns out to be."""
    url: str = Field(sa_type=Text)
    owner: str = Field(sa_type=IdText, index=True)
    """The person who is told when it fails."""
    every: timedelta = Field(default=timedelta(hours=1), sa_type=Interval)
    paused: bool = False


class SourceCheck(Row, table=True):
    """How the checks of one source have gone, and when the next is due."""

    __tablename__ = "source_check"
    __table_args__ = (Index("ix_source_check_due", "next_check_at", postgresql_where="next_check_at IS NOT NULL"),)

    source: str = Field(
        primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("watched_source.id", ondelete="CASCADE")]
    )
    host: str = Field(sa_type=Text, index=True)
    """host:port of the URL: checks of one host keep a distance."""
    next_check_at: datetime | None = Field(default=None, sa_type=Instant)
    """None while paused."""
    last_checked_at: datetime | None = Field(default=None, sa_type=Instant)
    last_ok_at: datetime | None = Field(default=None, sa_type=Instant)
    etag: str | None = Field(default=None, sa_type=Text)
    last_modified: str | None = Field(default=None, sa_type=Text)
    body_hash: str | None = Field(default=None, sa_type=Text)
    """These three are `conditional.Remembered`; saved only when the body was read well. Without a hash, the next
    reading is a first one: what it tells is history."""
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = Field(default=None, sa_type=Instant)
    owner_told_at: datetime | None = Field(default=None, sa_type=Instant)
    last_error: str | None = Field(default=None, sa_type=Text)
    defect: str | None = Field(default=None, sa_type=Text)
    """What was wrong with the feed and got over."""


class Sighting(Row, table=True):
    """One entry of a source as last seen, and what was made of it."""

    __tablename__ = "sighting"
    __table_args__ = (
        UniqueConstraint("source", "guid"),
        CheckConstraint("disposition IN ('new','duplicate','updated','filtered','suspect')", name="disposition"),
        Index("ix_sighting_suspect", "source", "id", postgresql_where="disposition = 'suspect'"),
    )

    id: str = id_column()
    source: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("watched_source.id", ondelete="CASCADE")])
    guid: str = Field(sa_type=IdText)
    fingerprint: str = Field(sa_type=Text)
    """Empty once the product's naming has changed: the entry is judged anew."""
    title: str = Field(sa_type=Text)
    link: str | None = Field(default=None, sa_type=Text)
    summary: str = Field(default="", sa_type=Text)
    """Plain text."""
    version_text: str | None = Field(default=None, sa_type=Text)
    published_at: datetime | None = Field(default=None, sa_type=Instant)
    first_seen_at: datetime = Field(sa_type=Instant)
    seen_at: datetime = Field(sa_type=Instant)
    disposition: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    release: str | None = Field(
        default=None, sa_type=IdText, sa_column_args=[ForeignKey("release.id", ondelete="SET NULL")], index=True
    )
    decided_by: str | None = Field(default=None, sa_type=IdText)
    """The person who accepted or dismissed a suspect; what a person decided is not judged again."""
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
