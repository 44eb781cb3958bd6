"""The facts that access-service publishes."""

from datetime import datetime
from typing import ClassVar

from lodge_kit.events import Fact


class PersonCreated(Fact):
    """A person was added."""

    type: ClassVar[str] = "person.created"
    subject: ClassVar[str] = "person"
    external_id: str | None


class PersonChanged(Fact):
    """Something that is known of a person changed."""

    type: ClassVar[str] = "person.changed"
    subject: ClassVar[str] = "person"
    external_id: str | None
    changed: list[str]


class PersonLeft(Fact):
    """A person became inactive: every decision about her or him is deny from now on."""

    type: ClassVar[str] = "person.left"
    subject: ClassVar[str] = "person"
    external_id: str | None


class PersonReturned(Fact):
    """A person is active again; grants that were not ended hold again."""

    type: ClassVar[str] = "person.returned"
    subject: ClassVar[str] = "person"
    external_id: str | None


class GrantCreated(Fact):
    """A role was given to a person, a group or a service account."""

    type: ClassVar[str] = "grant.created"
    subject: ClassVar[str] = "grant"
    holder: str
    role: str
    org_unit: str | None
    valid_from: datetime
    valid_to: datetime | None


class GrantEnded(Fact):
    """A grant was ended, from `valid_to` on."""

    type: ClassVar[str] = "grant.ended"
    subject: ClassVar[str] = "grant"
    holder: str
    role: str
    valid_to: datetime


class RoleChanged(Fact):
    """What a role contains, or whether it is in use, changed."""

    type: ClassVar[str] = "role.changed"
    subject: ClassVar[str] = "role"
    changed: list[str]


class KeyRevoked(Fact):
    """An API key was revoked."""

    type: ClassVar[str] = "key.revoked"
    subject: ClassVar[str] = "key"
    owner: str


ALL = (PersonCreated, PersonChanged, PersonLeft, PersonReturned, GrantCreated, GrantEnded, RoleChanged, KeyRevoked)
