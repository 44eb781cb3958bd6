"""The rows that every service has: events and their delivery, idempotency keys, the audit, notices, known names.

One class each in a registry of the kit's own, since a class belongs to no engine; each service has them in its
own database, by the kit's own Alembic branch.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, LargeBinary, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import declared_attr, registry
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""How constraints are named, so that a migration can name them too."""

IdText = Text(collation="C")
"""Ids compare byte by byte: ULIDs then sort by time, whatever the database's locale."""

Instant = DateTime(timezone=True)


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A row of the kit's own tables."""


def id_column(**options: Any) -> Any:
    """Declare a primary key that holds a Lodge id."""
    return Field(primary_key=True, sa_type=IdText, **options)


def searched(table: str, *columns: str) -> Index:
    """Make the trigram index that `?q=` uses."""
    return Index(
        f"ix_{table}_q", *columns, postgresql_using="gin", postgresql_ops=dict.fromkeys(columns, "gin_trgm_ops")
    )


class Versioned(SQLModel):
    """A row that people change: its version is its ETag, raised by SQLAlchemy at each update and checked there."""

    version: int = Field(default=1, sa_type=BigInteger)
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.__table__.c.version}  # type: ignore[attr-defined]  # the mapped class has it


class Event(Row, table=True):
    """A fact, written in the transaction of the change; `seq` is given after commit, in one place."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_unsequenced", "id", postgresql_where="seq IS NULL"),
        Index("ix_event_subject_id", "subject_id"),
    )

    id: str = id_column()
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, unique=True, nullable=True))
    type: str = Field(sa_type=Text)
    subject_type: str = Field(sa_type=Text)
    subject_id: str = Field(sa_type=IdText)
    occurred_at: datetime = Field(sa_type=Instant)
    request_id: str = Field(sa_type=Text)
    traceparent: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
    """The text that is signed and sent: JSON with its keys in the order of its making (JSONB would reorder them)."""


class WebhookEndpoint(Versioned, Row, table=True):
    """Where another system wants to be told."""

    __tablename__ = "webhook_endpoint"

    id: str = id_column()
    url: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    event_types: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    owner: str = Field(sa_type=IdText)
    secret: str = Field(sa_type=Text)
    """Sealed (`lodge_kit.sealing`), never answered."""
    state: str = Field(default="active", sa_type=Text)
    """active, paused, disabled."""
    failing_since: datetime | None = Field(default=None, sa_type=Instant)
    warned_at: datetime | None = Field(default=None, sa_type=Instant)
    disabled_reason: str | None = Field(default=None, sa_type=Text)


class Delivery(Row, table=True):
    """One event on its way to one endpoint."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("uq_delivery_event_id_endpoint_id", "event_id", "endpoint_id", unique=True),
        Index("ix_delivery_pending", "endpoint_id", "due_at", postgresql_where="state = 'pending'"),
        Index("ix_delivery_endpoint_id_id", "endpoint_id", "id"),
    )

    id: str = id_column()
    event_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("event.id")])
    endpoint_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("webhook_endpoint.id", ondelete="CASCADE")])
    state: str = Field(default="pending", sa_type=Text)
    """pending, delivered, failed (the schedule is used up), dropped (the endpoint was disabled)."""
    attempts: int = 0
    due_at: datetime = Field(sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)


class DeliveryAttempt(Row, table=True):
    """One try: what came back, and how long it took."""

    __tablename__ = "delivery_attempt"

    delivery_id: str = Field(
        primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("delivery.id", ondelete="CASCADE")]
    )
    number: int = Field(primary_key=True)
    at: datetime = Field(sa_type=Instant)
    milliseconds: int
    status: int | None = None
    error: str | None = Field(default=None, sa_type=Text)
    answer: str = Field(default="", sa_type=Text)
    """The first 2 kB of the answer's body."""


class IdempotencyKey(Row, table=True):
    """An answer that was given, kept a day to be given again."""

    __tablename__ = "idempotency_key"

    caller: str = Field(primary_key=True, sa_type=IdText)
    route: str = Field(primary_key=True, sa_type=Text)
    key: str = Field(primary_key=True, sa_type=Text)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    status: int
    headers: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    body: bytes = Field(sa_type=LargeBinary)
    omitted: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(sa_type=Instant, index=True)


class AuditEvent(Row, table=True):
    """Who did what; sealed in order after commit by a chain of HMACs."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_unsealed", "id", postgresql_where="seq IS NULL"),
        # For each filter the newest first, however many rows there are.
        Index("ix_audit_event_at_id", "at", "id"),
        Index("ix_audit_event_actor_at_id", "actor", "at", "id"),
        Index("ix_audit_event_action_at_id", "action", "at", "id"),
        Index("ix_audit_event_actor_action_at_id", "actor", "action", "at", "id"),
        Index("ix_audit_event_subject_id_at_id", "subject_id", "at", "id"),
        Index("ix_audit_event_subject_type_at_id", "subject_type", "at", "id"),
        Index("ix_audit_event_request_id", "request_id"),
    )

    id: str = id_column()
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, unique=True, nullable=True))
    at: datetime = Field(sa_type=Instant)
    actor: str = Field(sa_type=IdText)
    client_id: str | None = Field(default=None, sa_type=IdText)
    action: str = Field(sa_type=Text)
    subject_type: str = Field(sa_type=Text)
    subject_id: str = Field(sa_type=IdText)
    facts: str = Field(sa_type=Text)
    """JSON text, as it was sealed; what says something of a person is a digest."""
    request_id: str = Field(sa_type=Text)
    seal: bytes | None = Field(default=None, sa_type=LargeBinary)


class AuditPersonal(Row, table=True):
    """What a row of the audit says of a person, in clear, until that person is forgotten.

    No foreign key: both are written in one flush, and in which order is not ours to say.
    """

    __tablename__ = "audit_personal"
    __table_args__ = (Index("ix_audit_personal_about", "about"),)

    audit_id: str = Field(primary_key=True, sa_type=IdText)
    field: str = Field(primary_key=True, sa_type=IdText)
    about: str = Field(sa_type=IdText)
    value: str = Field(sa_type=Text)
    """JSON text, as it was digested."""
    salt: bytes = Field(sa_type=LargeBinary)


class Notice(Row, table=True):
    """Something that a person is to know or do: a line in /tasks, and a mail where mail is set up."""

    __tablename__ = "notice"
    __table_args__ = (
        Index("ix_notice_recipient_open", "recipient", "id", postgresql_where="done_at IS NULL"),
        Index("ix_notice_unrouted", "id", postgresql_where="routed_at IS NULL"),
    )

    id: str = id_column()
    recipient: str = Field(sa_type=IdText)
    """Who it is meant for; who is told in place of one who has left is decided when it is sent."""
    told: list[str] = Field(sa_column=Column(ARRAY(IdText), nullable=False))
    event_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("event.id")])
    title: str = Field(sa_type=Text)
    path: str = Field(sa_type=Text)
    """Where in the portal it can be dealt with: appended to LODGE_PORTAL_URL."""
    created_at: datetime = Field(sa_type=Instant)
    routed_at: datetime | None = Field(default=None, sa_type=Instant)
    done_at: datetime | None = Field(default=None, sa_type=Instant)


class Mail(Row, table=True):
    """A notice on its way to one address: at once, or with the day's digest."""

    __tablename__ = "mail"
    __table_args__ = (Index("ix_mail_unsent", "due_at", postgresql_where="sent_at IS NULL"),)

    notice_id: str = Field(
        primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("notice.id", ondelete="CASCADE")]
    )
    address: str = Field(primary_key=True, sa_type=Text)
    due_at: datetime = Field(sa_type=Instant)
    sent_at: datetime | None = Field(default=None, sa_type=Instant)
    failures: int = 0
    error: str | None = Field(default=None, sa_type=Text)


class KnownName(Row, table=True):
    """What a person or service account is called, learnt from tokens and from access-service: for `{id, name}`."""

    __tablename__ = "known_name"

    id: str = id_column()
    name: str = Field(sa_type=Text)
    seen_at: datetime = Field(sa_type=Instant)


class Counter(Row, table=True):
    """Numbers given in order, in one place: the sequence of events, that of the audit."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True, sa_type=Text)
    value: int = Field(sa_type=BigInteger)
