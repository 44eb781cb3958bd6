"""Systems, what can be done in them, and the roles made of that."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from access_service.tables.row import Row, one_of
from lodge_kit.tables import IdText, Instant, Versioned, id_column, searched


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
        one_of("state", "active", "retired"),
    )

    id: str = id_column()
    system_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("system.id")])
    name: str = Field(sa_type=Text)
    description: str = Field(default="", sa_type=Text)
    module: str = Field(default="", sa_type=Text)
    action: str = Field(sa_type=Text)
    resource_type: str = Field(sa_type=Text)
    supplier_code: str | None = Field(default=None, sa_type=Text)
    state: str = Field(default="active", sa_type=Text, sa_column_kwargs={"server_default": text("'active'")})
    condition: str | None = Field(default=None, sa_type=Text)
    """In CEL: what must hold besides the role, of subject, resource, action and context."""
    request_wins: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Whether the resource's properties in a question win over those that the system registered."""


class Role(Versioned, Row, table=True):
    """A named set of permissions of one system; it may inherit from others, never in a circle."""

    __tablename__ = "role"
    __table_args__ = (
        Index("uq_role_system_id_name", "system_id", "name", unique=True),
        searched("role", "name", "description"),
        one_of("state", "draft", "active", "retired"),
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
    """`role_id` has all that `inherits` has; what it inherited before is a `PastLink`."""

    __tablename__ = "role_inheritance"

    role_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("role.id", ondelete="CASCADE")])
    inherits: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("role.id")], index=True)
    since: datetime = Field(sa_type=Instant, sa_column_kwargs={"server_default": text("now()")})


class RolePermission(Row, table=True):
    """A permission that a role contains; what it contained before is a `PastLink`."""

    __tablename__ = "role_permission"

    role_id: str = Field(primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("role.id", ondelete="CASCADE")])
    permission_id: str = Field(
        primary_key=True, sa_type=IdText, sa_column_args=[ForeignKey("permission.id")], index=True
    )
    since: datetime = Field(sa_type=Instant, sa_column_kwargs={"server_default": text("now()")})


class Resource(Versioned, Row, table=True):
    """A thing in a system that decisions are asked about, as that system registered it."""

    __tablename__ = "resource"
    __table_args__ = (Index("uq_resource_name", "system_id", "type", "name", unique=True),)

    id: str = id_column()
    system_id: str = Field(sa_type=IdText, sa_column_args=[ForeignKey("system.id")])
    type: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    """AuthZEN's `resource.id`: the system's own id for it."""
    properties: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
