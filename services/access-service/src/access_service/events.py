"""The facts that access-service publishes."""

from datetime import date, datetime
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
    environment: str | None
    origin: str
    anchor: str | None
    """The id of what it was given for."""
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


class PermissionChanged(Fact):
    """What a permission is called or means, or whether it is in use, changed."""

    type: ClassVar[str] = "permission.changed"
    subject: ClassVar[str] = "permission"
    system: str
    changed: list[str]


class KeyRevoked(Fact):
    """An API key was revoked."""

    type: ClassVar[str] = "key.revoked"
    subject: ClassVar[str] = "key"
    owner: str


class ResponsibilityAssigned(Fact):
    """Somebody answers for a support function of a product from `starts_on` on."""

    type: ClassVar[str] = "responsibility.assigned"
    subject: ClassVar[str] = "responsibility"
    function: str
    product: str
    letter: str
    holder: str
    starts_on: date
    ends_on: date | None


class ResponsibilityChanged(Fact):
    """The deputy or the last day of a responsibility changed."""

    type: ClassVar[str] = "responsibility.changed"
    subject: ClassVar[str] = "responsibility"
    function: str
    product: str
    changed: list[str]


class ResponsibilityGapOpening(Fact):
    """On a day to come nobody will answer for something; the subject is the support function."""

    type: ClassVar[str] = "responsibility.gap_opening"
    subject: ClassVar[str] = "responsibility"
    product: str
    gap: str
    opens_on: date


class ResponsibilityGapOpened(Fact):
    """Nobody answers for something, and nobody could be told of it before."""

    type: ClassVar[str] = "responsibility.gap_opened"
    subject: ClassVar[str] = "responsibility"
    product: str
    gap: str
    opens_on: date


class ResponsibilityGapClosed(Fact):
    """A gap that others were told of is there no more, or will not open."""

    type: ClassVar[str] = "responsibility.gap_closed"
    subject: ClassVar[str] = "responsibility"
    product: str
    gap: str


ALL = (
    PersonCreated, PersonChanged, PersonLeft, PersonReturned, GrantCreated, GrantEnded, RoleChanged, KeyRevoked,
    PermissionChanged,
    ResponsibilityAssigned,
    ResponsibilityChanged, ResponsibilityGapOpening, ResponsibilityGapOpened, ResponsibilityGapClosed,
)  # fmt: skip
