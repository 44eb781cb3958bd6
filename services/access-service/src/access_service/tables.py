"""The rows that access-service owns: people and what they may do, held and recorded over time."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, MetaData, Text, column, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from lodge_kit.tables import NAMING, IdText, Instant, Versioned, id_column, searched


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A row of access-service."""


class OrgUnit(Versioned, Row, table=True):
    """A faculty, a department, a team: a tree. Rights given for a unit hold for all below it."""

    __tablename__ = "org_unit"

    id: str = id_column()
    name: str = Field(sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text, unique=True)
    """The institution's own code for it."""
    parent: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")], index=True)


class Person(Versioned, Row, table=True):
    """Somebody of the institution."""

    __tablename__ = "person"
    __table_args__ = (
        Index("uq_person_user_name", func.lower(column("user_name")), unique=True),
        searched("person", "name", "user_name", "email"),
        CheckConstraint("status IN ('active', 'inactive')", name="status"),
    )

    id: str = id_column()
    user_name: str = Field(sa_type=Text)
    external_id: str | None = Field(default=None, sa_type=Text, unique=True)
    """What the OpenID provider's immutable claim says; never an e-mail."""
    name: str = Field(sa_type=Text, index=True)
    email: str | None = Field(default=None, sa_type=Text)
    org_unit: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")], index=True)
    manager: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    deputy: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    """Who is told in this person's place once he or she has left."""
    status: str = Field(default="active", sa_type=Text)
    joined_on: date | None = None
    left_on: date | None = None
    notices: str = Field(default="each", sa_type=Text)


class ServiceAccount(Versioned, Row, table=True):
    """A program that calls Lodge, and the person who answers for it."""

    __tablename__ = "service_account"

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)
    owner: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    status: str = Field(default="active", sa_type=Text)


class ApiKey(Row, table=True):
    """A credential of a person or a service account: only the SHA-256 of its 256 random bits is kept."""

    __tablename__ = "api_key"

    id: str = id_column()
    owner: str = Field(sa_type=IdText, index=True)
    label: str = Field(default="", sa_type=Text)
    sha256: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
    last_used_at: datetime | None = Field(default=None, sa_type=Instant)


class Group(Versioned, Row, table=True):
    """People who are given roles together."""

    __tablename__ = "group"

    id: str = id_column()
    name: str = Field(sa_type=Text, unique=True)
    description: str = Field(default="", sa_type=Text)


class GroupMember(Row, table=True):
    """A person in a group."""

    __tablename__ = "group_member"

    group_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("group.id", ondelete="CASCADE")])
    person_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("person.id")], index=True)
    added_at: datetime = Field(sa_type=Instant)


class System(Versioned, Row, table=True):
    """A supplier's system, or Lodge itself (`key` is `lodge`)."""

    __tablename__ = "system"
    __table_args__ = (searched("system", "name", "key"),)

    id: str = id_column()
    key: str = Field(sa_type=Text, unique=True)
    name: str = Field(sa_type=Text, index=True)
    description: str = Field(default="", sa_type=Text)
    owner: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])


class Permission(Versioned, Row, table=True):
    """An action on a type of resource in one system, with the supplier's own code for it beside it."""

    __tablename__ = "permission"
    __table_args__ = (
        Index("uq_permission_system_id_name", "system_id", "name", unique=True),
        Index("ix_permission_action_resource_type", "action", "resource_type"),
    )

    id: str = id_column()
    system_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("system.id")])
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    module: str = Field(default="", sa_type=Text)
    action: str = Field(sa_type=Text)
    resource_type: str = Field(sa_type=Text)
    supplier_code: str | None = Field(default=None, sa_type=Text)


class Role(Versioned, Row, table=True):
    """A named set of permissions of one system; it may inherit from others, never in a circle."""

    __tablename__ = "role"
    __table_args__ = (
        Index("uq_role_system_id_name", "system_id", "name", unique=True),
        searched("role", "name", "description"),
        CheckConstraint("state IN ('draft', 'active', 'retired')", name="state"),
    )

    id: str = id_column()
    system_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("system.id")])
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    owner: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("person.id")])
    state: str = Field(default="active", sa_type=Text)
    everyone: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Held by every active person without a grant: Lodge's own role `member`."""


class RoleInheritance(Row, table=True):
    """`role_id` has all that `inherits` has."""

    __tablename__ = "role_inheritance"

    role_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("role.id", ondelete="CASCADE")])
    inherits: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("role.id")], index=True)


class RolePermission(Row, table=True):
    """A permission that a role contains."""

    __tablename__ = "role_permission"

    role_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("role.id", ondelete="CASCADE")])
    permission_id: str = Field(
        primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("permission.id")], index=True
    )


class Grant(Versioned, Row, table=True):
    """A role given to a person, a group or a service account from one instant to another; ended, never deleted."""

    __tablename__ = "role_grant"
    __table_args__ = (
        # Two grants of the same role to the same subject for the same scope may not overlap in time.
        ExcludeConstraint(
            (column("subject"), "="),
            (column("role_id"), "="),
            (func.coalesce(column("org_unit"), ""), "="),
            (func.tstzrange(column("valid_from"), column("valid_to")), "&&"),
            name="ex_role_grant_overlap",
            using="gist",
        ),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="order"),
        Index("ix_role_grant_subject_role_id", "subject", "role_id"),
    )

    id: str = id_column()
    subject: str = Field(sa_type=IdText)
    role_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("role.id")], index=True)
    org_unit: str | None = Field(default=None, sa_type=IdText, sa_column_args=[ForeignKey("org_unit.id")])
    """Where it holds; null is everywhere."""
    valid_from: datetime = Field(sa_type=Instant)
    valid_to: datetime | None = Field(default=None, sa_type=Instant)
    origin: str = Field(default="request", sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    granted_by: str = Field(sa_type=IdText)
    ended_by: str | None = Field(default=None, sa_type=IdText)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    """When the end was recorded; `valid_to` says from when it holds no more."""
    end_reason: str | None = Field(default=None, sa_type=Text)
