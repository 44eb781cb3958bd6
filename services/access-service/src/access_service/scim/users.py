"""People as SCIM users: what is shown of a row, and what a user tells that a row is to hold."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast
from unicodedata import normalize

from scim2_models import Meta, Reference, Resource
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import email_addresses, past, present
from access_service.email_addresses import Address
from access_service.scim import columns
from access_service.scim.provider import provider
from access_service.scim.resources import (
    Appointment,
    Email,
    EnterpriseUser,
    LodgePerson,
    Name,
    Somebody,
    User,
)
from access_service.tables import Appointment as AppointmentRow
from access_service.tables import OrgUnit, Person

MODEL: Any = provider().model_for("User")
"""User with both extensions."""


@dataclass
class Known:
    """A person's row, and what is shown with it from other rows."""

    row: Person
    department: str | None = None
    unit: str | None = None
    manager: Person | None = None
    deputy: Person | None = None
    addresses: Sequence[Address] = ()
    appointments: Sequence[Appointment] = ()

    @property
    def version(self) -> str:
        """Write the ETag of the row's version and what is shown from other rows; weak, as RFC 7644, 3.14 prefers."""
        shown = [self.department, self.unit, [one.model_dump() for one in self.appointments]]
        if shown == [None, None, []]:
            return f'W/"{self.row.version}"'
        return f'W/"{self.row.version}.{hashlib.sha256(repr(shown).encode()).hexdigest()[:12]}"'

    def told(self) -> dict[str, Any]:
        """Answer what `told` would of the user that is shown."""
        row = self.row
        return _composed_facts(
            user_name=row.user_name,
            external_id=row.external_id or None,
            name=row.name,
            formatted_name=row.formatted_name,
            family_name=row.family_name,
            given_name=row.given_name,
            title=row.title,
            employee_number=row.employee_number,
            manager=self.manager.id if self.manager else None,
            deputy=self.deputy.id if self.deputy else None,
        ) | {"emails": [_composed_address(one) for one in self.addresses]}

    async def follow(self, session: AsyncSession, facts: Mapping[str, Any]) -> None:
        """Take up what `facts`, just written to the row, change beside it."""
        if "manager" in facts:
            self.manager = await present.person(session, self.row.manager) if self.row.manager else None
        if "deputy" in facts:
            self.deputy = await present.person(session, self.row.deputy) if self.row.deputy else None
        if "emails" in facts:
            self.addresses = facts["emails"]

    def user(self) -> User:
        """Show the person as a user."""
        row = self.row
        names = (row.formatted_name, row.family_name, row.given_name)
        lodge = {
            "deputy": _somebody(self.deputy),
            "org_unit": self.unit,
            "joining_date": row.joined_on.isoformat() if row.joined_on else None,
            "leaving_date": row.left_on.isoformat() if row.left_on else None,
            "appointments": list(self.appointments) or None,
        }
        enterprise = {
            "employee_number": row.employee_number,
            "department": self.department,
            "manager": _somebody(self.manager),
        }
        user: User = MODEL(
            id=row.id,
            external_id=row.external_id,
            user_name=row.user_name,
            name=Name(formatted=names[0], family_name=names[1], given_name=names[2]) if any(names) else None,
            display_name=row.name,
            title=row.title,
            active=row.status == "active",
            emails=[Email(**asdict(one)) for one in self.addresses] or None,
            EnterpriseUser=EnterpriseUser(**enterprise) if any(enterprise.values()) else None,
            LodgePerson=LodgePerson(**lodge) if any(lodge.values()) else None,
            meta=Meta(resource_type="User", created=row.created_at, last_modified=row.updated_at, version=self.version),
        )
        return user


async def read(session: AsyncSession, ids: Collection[str], *, locked: bool = False) -> list[Known]:
    """Read these people in the order asked for; who is not there is left out.

    `locked`: until the transaction ends nobody else changes them.
    """
    if not ids:
        return []
    statement = _PEOPLE.where(past.among(col(Person.id), ids))
    if locked:
        statement = statement.with_for_update(of=Person).execution_options(populate_existing=True)
    known = {person.id: Known(person, *beside) for person, *beside in await session.execute(statement)}
    for person_id, addresses in (await email_addresses.of(session, known)).items():
        known[person_id].addresses = addresses
    for person_id, appointments in (await _appointments(session, list(known))).items():
        known[person_id].appointments = appointments
    return [known[one] for one in ids if one in known]


_PEOPLE = columns.people(Person, col(OrgUnit.name), col(OrgUnit.code), columns.Manager, columns.Deputy)


async def _appointments(session: AsyncSession, people: Sequence[str]) -> dict[str, list[Appointment]]:
    statement = (
        select(AppointmentRow, OrgUnit)
        .join(OrgUnit, col(OrgUnit.id) == col(AppointmentRow.org_unit))
        .where(past.among(col(AppointmentRow.person_id), people))
        .order_by(col(AppointmentRow.starts_on), col(AppointmentRow.id))
    )
    found: dict[str, list[Appointment]] = {}
    for row, unit in await session.execute(statement):
        shown = Appointment.model_construct(
            value=row.id, type=row.kind, title=row.title, org_unit=unit.code or unit.name,
            starts_on=row.starts_on.isoformat(), ends_on=row.ends_on.isoformat() if row.ends_on else None,
            main=row.primary,
        )  # fmt: skip
        found.setdefault(row.person_id, []).append(shown)
    return found


def _somebody(person: Person | None) -> Somebody | None:
    if person is None:
        return None
    return Somebody(value=person.id, ref=Reference(f"Users/{person.id}"), display_name=person.name)


def others(user: User) -> list[Somebody]:
    """Answer the people whom a user's attributes name."""
    enterprise, lodge = getattr(user, "EnterpriseUser", None), getattr(user, "LodgePerson", None)
    named = (enterprise.manager if enterprise else None, lodge.deputy if lodge else None)
    return [one for one in named if one is not None]


def told(resource: Resource[Any]) -> dict[str, Any]:
    """Answer what a user tells: columns of `Person`, and `emails`. What is left out is null; `active` is apart."""
    user = cast(User, resource)
    name = user.name or Name()
    enterprise: EnterpriseUser = getattr(user, "EnterpriseUser", None) or EnterpriseUser()
    lodge: LodgePerson = getattr(user, "LodgePerson", None) or LodgePerson()
    facts = _composed_facts(
        user_name=user.user_name,
        external_id=user.external_id or None,
        name=user.display_name,
        formatted_name=name.formatted,
        family_name=name.family_name,
        given_name=name.given_name,
        title=user.title,
        employee_number=enterprise.employee_number,
        manager=enterprise.manager.meant() if enterprise.manager else None,
        deputy=lodge.deputy.meant() if lodge.deputy else None,
    )
    addresses = [Address(one.value, one.display, one.type, one.primary) for one in user.emails or () if one.value]
    return facts | {"emails": [_composed_address(one) for one in addresses]}


def _composed_facts(**facts: str | None) -> dict[str, Any]:
    return {key: _composed(value) for key, value in facts.items()}


def _composed_address(address: Address) -> Address:
    return replace(address, value=_composed(address.value) or "", display=_composed(address.display))


def _composed(text: str | None) -> str | None:
    """Write letters as one character each (NFC), as they are compared."""
    return normalize("NFC", text) if text is not None else None
