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


class PersonMoved(Fact):
    """A person belongs to another org unit or has another manager, by hand or by the appointment of the day."""

    type: ClassVar[str] = "person.moved"
    subject: ClassVar[str] = "person"
    external_id: str | None
    was_in: str | None
    org_unit: str | None
    manager: str | None


class PersonKept(Fact):
    """The last day of the only administrator is over; the person stays active, or nobody could let anybody in."""

    type: ClassVar[str] = "person.kept"
    subject: ClassVar[str] = "person"
    external_id: str | None
    left_on: date


class PersonReturned(Fact):
    """A person is active again; grants that were not ended hold again."""

    type: ClassVar[str] = "person.returned"
    subject: ClassVar[str] = "person"
    external_id: str | None


class AppointmentAdded(Fact):
    """A person was appointed to an org unit, from one day to another, both included."""

    type: ClassVar[str] = "appointment.added"
    subject: ClassVar[str] = "appointment"
    person: str
    org_unit: str
    kind: str
    primary: bool
    starts_on: date
    ends_on: date | None


class AppointmentChanged(Fact):
    """An appointment was changed; its end is one change."""

    type: ClassVar[str] = "appointment.changed"
    subject: ClassVar[str] = "appointment"
    person: str
    changed: list[str]


class AppointmentWithdrawn(Fact):
    """An appointment that had not begun was taken back."""

    type: ClassVar[str] = "appointment.withdrawn"
    subject: ClassVar[str] = "appointment"
    person: str


class PersonDeleted(Fact):
    """The directory deleted a person, who had left: the names are free for another, what was granted is on record."""

    type: ClassVar[str] = "person.deleted"
    subject: ClassVar[str] = "person"
    external_id: str | None


class PersonErased(Fact):
    """What says who a person was is gone for good; whoever copied it should erase it too."""

    type: ClassVar[str] = "person.erased"
    subject: ClassVar[str] = "person"


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


class KeyRotated(Fact):
    """An API key has a successor, and expires at `expires_at`."""

    type: ClassVar[str] = "key.rotated"
    subject: ClassVar[str] = "key"
    owner: str
    successor: str
    expires_at: datetime


class KeyExpiring(Fact):
    """An API key expires in so many days or fewer; told 14 days and one day before."""

    type: ClassVar[str] = "key.expiring"
    subject: ClassVar[str] = "key"
    owner: str
    expires_at: datetime
    days: int


class ServiceAccountDeactivated(Fact):
    """A service account may do nothing any more; its keys stopped with it."""

    type: ClassVar[str] = "service_account.deactivated"
    subject: ClassVar[str] = "service_account"
    name: str


class ServiceAccountReactivated(Fact):
    """A service account is active again, with the grants and keys that were not ended."""

    type: ClassVar[str] = "service_account.reactivated"
    subject: ClassVar[str] = "service_account"
    name: str


class ServiceAccountOrphaned(Fact):
    """The person who answers for a service account has left."""

    type: ClassVar[str] = "service_account.orphaned"
    subject: ClassVar[str] = "service_account"
    name: str
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
    PersonCreated, PersonChanged, PersonLeft, PersonMoved, PersonKept, PersonReturned, PersonDeleted,
    PersonErased,
    AppointmentAdded, AppointmentChanged, AppointmentWithdrawn, GrantCreated, GrantEnded, RoleChanged, KeyRevoked,
    PermissionChanged,
    KeyRotated, KeyExpiring, ServiceAccountDeactivated, ServiceAccountReactivated, ServiceAccountOrphaned,
    ResponsibilityAssigned,
    ResponsibilityChanged, ResponsibilityGapOpening, ResponsibilityGapOpened, ResponsibilityGapClosed,
)  # fmt: skip
