"""People as SCIM users: what is shown of a row, and what a user tells that a row is to hold."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast
from unicodedata import normalize

from scim2_models import Meta, Reference, Resource
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import email_addresses, past
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


async def read(session: AsyncSession, ids: Sequence[str], *, locked: bool = False) -> list[tuple[Person, User]]:
    """Read these people, each as a row and as a user, in the order asked for; who is not there is left out.

    `locked`: until the transaction ends nobody else changes them.
    """
    if not ids:
        return []
    statement = columns.people(Person, col(OrgUnit.name), col(OrgUnit.code), columns.Manager, columns.Deputy).where(
        past.among(col(Person.id), ids)
    )
    if locked:
        statement = statement.with_for_update(of=Person).execution_options(populate_existing=True)
    rows = {row[0].id: row for row in await session.execute(statement)}
    addresses = await email_addresses.of(session, rows)
    appointments = await _appointments(session, list(rows))
    return [
        (rows[one][0], _shown(rows[one], addresses.get(one, []), appointments.get(one, [])))
        for one in ids
        if one in rows
    ]


async def shown_new(session: AsyncSession, person: Person, addresses: Sequence[Address]) -> User:
    """Show somebody just added, who has no org unit and no appointment yet."""
    named = [await session.get(Person, one) if one else None for one in (person.manager, person.deputy)]
    return _shown((person, None, None, *named), addresses, ())


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


def _shown(row: Iterable[Any], addresses: Sequence[Address], appointments: Sequence[Appointment]) -> User:
    person, department, unit, manager, deputy = row
    names = (person.formatted_name, person.family_name, person.given_name)
    lodge = {
        "deputy": _somebody(deputy),
        "org_unit": unit,
        "joining_date": person.joined_on.isoformat() if person.joined_on else None,
        "leaving_date": person.left_on.isoformat() if person.left_on else None,
        "appointments": list(appointments) or None,
    }
    enterprise = {"employee_number": person.employee_number, "department": department, "manager": _somebody(manager)}
    user: User = MODEL(
        id=person.id,
        external_id=person.external_id,
        user_name=person.user_name,
        name=Name(formatted=names[0], family_name=names[1], given_name=names[2]) if any(names) else None,
        display_name=person.name,
        title=person.title,
        active=person.status == "active",
        emails=[Email(**asdict(one)) for one in addresses] or None,
        EnterpriseUser=EnterpriseUser(**enterprise) if any(enterprise.values()) else None,
        LodgePerson=LodgePerson(**lodge) if any(lodge.values()) else None,
        meta=Meta(
            resource_type="User",
            created=person.created_at,
            last_modified=person.updated_at,
            version=_version(person, department, lodge),
        ),
    )
    return user


def _version(person: Person, department: str | None, lodge: Mapping[str, Any]) -> str:
    """Write the ETag: of the row's version and of what is shown from other rows. Weak, as RFC 7644, 3.14 prefers."""
    told = [department, lodge["org_unit"], [one.model_dump() for one in lodge["appointments"] or ()]]
    if told == [None, None, []]:
        return f'W/"{person.version}"'
    return f'W/"{person.version}.{hashlib.sha256(repr(told).encode()).hexdigest()[:12]}"'


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
    facts = {
        "user_name": user.user_name,
        "external_id": user.external_id or None,
        "name": user.display_name,
        "formatted_name": name.formatted,
        "family_name": name.family_name,
        "given_name": name.given_name,
        "title": user.title,
        "employee_number": enterprise.employee_number,
        "manager": enterprise.manager.meant() if enterprise.manager else None,
        "deputy": lodge.deputy.meant() if lodge.deputy else None,
    }
    addresses = [
        Address(_composed(one.value) or "", _composed(one.display), one.type, one.primary)
        for one in user.emails or ()
        if one.value
    ]
    return {key: _composed(value) for key, value in facts.items()} | {"emails": addresses}


def _composed(text: str | None) -> str | None:
    """Write letters as one character each (NFC), as they are compared."""
    return normalize("NFC", text) if text is not None else None
