"""People, where they belong, and the programs that call Lodge."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, column, func, literal_column, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlmodel import Field

from access_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column, searched

APPOINTMENT_KINDS = ("staff", "student", "associate")
_LIVE = text("deleted_at IS NULL")
"""What the directory deleted keeps its row and frees its names."""


class OrgUnit(Versioned, Row, table=True):
    """A faculty, a department, a team: a tree. Rights given for a unit hold for all below it."""

    __tablename__ = "org_unit"
    __table_args__ = (one_of("state", "active", "closed"),)

    id: str = id_column()
    name: str = Field(sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text, unique=True)
    """The institution's own code for it."""
    parent: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")], index=True)
    state: str = Field(default="active", sa_type=Text, sa_column_kwargs={"server_default": text("'active'")})
    """A closed unit is kept for the record: nobody and nothing is placed in it any more."""


class Person(Versioned, Row, table=True):
    """Somebody of the institution.

    `org_unit` and `manager` are those of the primary appointment of the day, where there is one: the worker moves
    them on, so that what begins and ends is a change that others hear of.
    """

    __tablename__ = "person"
    __table_args__ = (
        Index("uq_person_user_name", func.lower(column("user_name")), unique=True, postgresql_where=_LIVE),
        Index("uq_person_external_id", "external_id", unique=True, postgresql_where=_LIVE),
        searched("person", "name", "user_name", "email"),
        one_of("status", "active", "inactive"),
        CheckConstraint("deleted_at IS NULL OR status = 'inactive'", name="deleted"),
        CheckConstraint("erased_at IS NULL OR deleted_at IS NOT NULL", name="erased"),
    )

    id: str = id_column()
    user_name: str = Field(sa_type=Text)
    external_id: str | None = Field(default=None, sa_type=Text)
    """The institution's own id, which the OpenID provider's immutable claim says too; never an e-mail."""
    name: str = Field(sa_type=Text, index=True)
    given_name: str | None = Field(default=None, sa_type=Text)
    family_name: str | None = Field(default=None, sa_type=Text)
    formatted_name: str | None = Field(default=None, sa_type=Text)
    """The name in full, titles and all, where the directory tells it: `name` is what people are shown."""
    email: str | None = Field(default=None, sa_type=Text)
    """The address that Lodge writes to, one of the person's `PersonEmail`."""
    title: str | None = Field(default=None, sa_type=Text)
    """What the person does, in words: `Admissions officer`."""
    employee_number: str | None = Field(default=None, sa_type=Text)
    org_unit: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")], index=True)
    manager: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")], index=True)
    deputy: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    """Who is told in this person's place once he or she has left."""
    status: str = Field(default="active", sa_type=Text)
    joined_on: date | None = None
    left_on: date | None = None
    """The last day: the worker makes the person inactive once it is over."""
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the directory deleted the person: kept for what was granted and done, found by nobody."""
    erased_at: datetime | None = Field(default=None, sa_type=Instant)
    """When all that says who it was went, for good: the id stays, so that the records still hold together."""
    notices: str = Field(default="each", sa_type=Text)


class PersonEmail(Row, table=True):
    """An address of a person, in the order in which they were told."""

    __tablename__ = "person_email"
    __table_args__ = (Index("ix_person_email_value", func.lower(column("value"))),)

    person_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    position: int = Field(primary_key=True)
    value: str = Field(sa_type=Text)
    display: str | None = Field(default=None, sa_type=Text)
    type: str | None = Field(default=None, sa_type=Text)
    primary: bool | None = None


class Appointment(Versioned, Row, table=True):
    """A place that a person has in the institution from one day to another, both included."""

    __tablename__ = "appointment"
    __table_args__ = (
        one_of("kind", *APPOINTMENT_KINDS),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="order"),
        # At most one primary appointment on any day.
        ExcludeConstraint(
            (column("person_id"), "="),
            (literal_column("daterange(starts_on, ends_on, '[]')"), "&&"),
            name="ex_appointment_primary",
            using="gist",
            where=text('"primary"'),
        ),
    )

    id: str = id_column()
    person_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("person.id")], index=True)
    org_unit: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")], index=True)
    kind: str = Field(sa_type=Text)
    title: str | None = Field(default=None, sa_type=Text)
    manager: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    starts_on: date = Field(index=True)
    ends_on: date | None = Field(default=None, index=True)
    primary: bool = Field(default=False)


class AttributeSource(Row, table=True):
    """Which source alone may say a person's attribute: the directory cannot overwrite what HR knows."""

    __tablename__ = "attribute_source"

    attribute: str = Field(primary_key=True, sa_type=Text)
    source: str = Field(sa_type=Text)
    """As `service_account.source` names it; `lodge` is whoever changes it here by hand."""


class ServiceAccount(Versioned, Row, table=True):
    """A program that calls Lodge, and the person who answers for it."""

    __tablename__ = "service_account"
    __table_args__ = (one_of("status", "active", "inactive"),)

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)
    owner: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    source: str | None = Field(default=None, sa_type=Text)
    """What it brings people's attributes from: `hr`, `directory`."""
    status: str = Field(default="active", sa_type=Text)


class ApiKey(Row, table=True):
    """A credential of a person or a service account: only the SHA-256 of its 256 random bits is kept."""

    __tablename__ = "api_key"

    id: str = id_column()
    owner: str = Field(sa_type=IdText, index=True)
    label: str = Field(default="", sa_type=Text)
    scopes: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text), nullable=True))
    """The permissions of Lodge that the key is held to, out of its owner's; null is all of them."""
    sha256: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
    last_used_at: datetime | None = Field(default=None, sa_type=Instant)
    warned_days: int | None = None
    """How many days before its end the owner was told of it last, or knew it from the start; 0 is never again."""


class Group(Versioned, Row, table=True):
    """People who are given roles together."""

    __tablename__ = "group"
    __table_args__ = (
        Index("uq_group_name", "name", unique=True, postgresql_where=_LIVE),
        Index("uq_group_external_id", "external_id", unique=True, postgresql_where=_LIVE),
    )

    id: str = id_column()
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    external_id: str | None = Field(default=None, sa_type=Text)
    """The directory's own id for it."""
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)


class GroupMember(Row, table=True):
    """A person in a group; who was one before is a `PastLink`."""

    __tablename__ = "group_member"

    group_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("group.id", ondelete="CASCADE")])
    person_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("person.id")], index=True)
    added_at: datetime = Field(sa_type=Instant)
