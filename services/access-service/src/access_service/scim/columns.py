"""Which attribute of SCIM stands where: the one place where the two meet for filters and sorting."""

from collections.abc import Mapping
from typing import Any

from scim2_models import InvalidFilterException, InvalidPathException
from sqlalchemy import Select, func, literal, select
from sqlalchemy import Text as SqlText
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service.scim.comparing import Column, Flag, Many, Moment, One, Text, Whole
from access_service.scim.resources import ENTERPRISE, GROUP, LODGE, USER
from access_service.tables import Appointment, GroupMember, OrgUnit, Person, PersonEmail
from access_service.tables import Group as GroupRow

Attribute = One | Whole | Many

Manager, Deputy = aliased(Person), aliased(Person)
"""Who a person refers to: joined by every statement that starts from `people`; one who was deleted is nobody."""
_Unit = aliased(OrgUnit)
_Joined = aliased(Person)
_EMAIL, _APPOINTMENT = PersonEmail.__table__, Appointment.__table__  # type: ignore[attr-defined]  # mapped classes


def _day(column: Any) -> Column:
    return func.to_char(column, "YYYY-MM-DD", type_=SqlText())


def _columns(schema: str, attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {f"{schema}:{name}".lower(): attribute for name, attribute in attributes.items()}


_EMAILS = Many(
    _EMAIL,
    col(PersonEmail.person_id) == col(Person.id),
    {
        "value": Text(col(PersonEmail.value)),
        "display": Text(col(PersonEmail.display)),
        "type": Text(col(PersonEmail.type)),
        "primary": Flag(col(PersonEmail.primary)),
    },
    first=(func.coalesce(col(PersonEmail.primary), literal(value=False)).desc(), col(PersonEmail.position)),
)
_APPOINTMENTS = Many(
    _APPOINTMENT.outerjoin(_Unit, col(_Unit.id) == col(Appointment.org_unit)),
    col(Appointment.person_id) == col(Person.id),
    {
        "value": Text(col(Appointment.id), exact=True),
        "type": Text(col(Appointment.kind)),
        "title": Text(col(Appointment.title)),
        "orgunit": Text(func.coalesce(col(_Unit.code), col(_Unit.name))),
        "startson": Text(_day(col(Appointment.starts_on)), exact=True),
        "endson": Text(_day(col(Appointment.ends_on)), exact=True),
        "main": Flag(col(Appointment.primary)),
    },
)
MEMBERS = Many(
    GroupMember.__table__.outerjoin(_Joined, col(_Joined.id) == col(GroupMember.person_id)),  # type: ignore[attr-defined]  # a mapped class
    col(GroupMember.group_id) == col(GroupRow.id),
    {
        "value": Text(col(GroupMember.person_id), exact=True),
        "type": Text(literal("User")),
        "display": Text(col(_Joined.name)),
    },
)


def _everywhere(row: Any, kind: str) -> dict[str, Attribute]:
    return {
        "id": Text(row.id, exact=True),
        "externalId": Text(row.external_id, exact=True),
        "meta": Moment(row.created_at),
        "meta.resourceType": Text(literal(kind), exact=True),
        "meta.created": Moment(row.created_at),
        "meta.lastModified": Moment(row.updated_at),
    }


_NAME = {
    "name.formatted": Text(col(Person.formatted_name)),
    "name.familyName": Text(col(Person.family_name)),
    "name.givenName": Text(col(Person.given_name)),
}
_USER = _columns(
    USER,
    {
        **_everywhere(Person, "User"),
        **_NAME,
        "userName": Text(col(Person.user_name)),
        "name": Whole(tuple(_NAME.values())),
        "displayName": Text(col(Person.name)),
        "title": Text(col(Person.title)),
        "active": Flag(col(Person.status) == "active"),
        "emails": _EMAILS,
    },
)
# `manager eq "…"` is how Microsoft Entra asks whether it has set one.
_ENTERPRISE = _columns(
    ENTERPRISE,
    {
        "employeeNumber": Text(col(Person.employee_number)),
        "department": Text(col(OrgUnit.name)),
        "manager": Text(col(Manager.id), exact=True),
        "manager.value": Text(col(Manager.id), exact=True),
        "manager.displayName": Text(col(Manager.name)),
    },
)
_LODGE = _columns(
    LODGE,
    {
        "deputy": Text(col(Deputy.id), exact=True),
        "deputy.value": Text(col(Deputy.id), exact=True),
        "deputy.displayName": Text(col(Deputy.name)),
        "orgUnit": Text(col(OrgUnit.code)),
        "joiningDate": Text(_day(col(Person.joined_on)), exact=True),
        "leavingDate": Text(_day(col(Person.left_on)), exact=True),
        "appointments": _APPOINTMENTS,
    },
)
_GROUP = _columns(
    GROUP,
    {
        **_everywhere(GroupRow, "Group"),
        "displayName": Text(col(GroupRow.name), exact=True),
        "members": MEMBERS,
    },
)
_ALL: Mapping[str, Attribute] = _USER | _ENTERPRISE | _LODGE | _GROUP


def people(*columns: Any) -> Select[Any]:
    """Select from the people that are not deleted, beside those and the unit that they refer to."""
    return (
        select(*columns)
        .select_from(Person)
        .outerjoin(OrgUnit, col(OrgUnit.id) == col(Person.org_unit))
        .outerjoin(Manager, (col(Manager.id) == col(Person.manager)) & col(Manager.deleted_at).is_(None))
        .outerjoin(Deputy, (col(Deputy.id) == col(Person.deputy)) & col(Deputy.deleted_at).is_(None))
        .where(col(Person.deleted_at).is_(None))
    )


def groups(*columns: Any) -> Select[Any]:
    """Select from the groups that are not deleted."""
    return select(*columns).select_from(GroupRow).where(col(GroupRow.deleted_at).is_(None))


def attribute(urn: str) -> Attribute:
    """Answer where an attribute stands. Raises `InvalidFilterException` for what cannot be filtered by."""
    found = _ALL.get(urn.lower())
    if found is None:
        raise InvalidFilterException(detail=f"Lodge does not filter by {urn.rpartition(':')[2]}.")
    return found


def part(urn: str) -> tuple[Many, One] | None:
    """Answer a part of a multi-valued attribute, `emails.type`; None where it is none."""
    head, _, name = urn.lower().rpartition(".")
    many = _ALL.get(head)
    found = many.parts.get(name) if isinstance(many, Many) else None
    return (many, found) if isinstance(many, Many) and found else None


def order(urn: str) -> Column:
    """Answer what an attribute is ordered by. Raises `InvalidPathException` for what nothing is ordered by."""
    several = part(urn)
    if several and several[0].first:
        return several[0].in_order(several[1])
    found = _ALL.get(urn.lower())
    if several or not isinstance(found, One):
        raise InvalidPathException(detail=f"Lodge does not sort by {urn.rpartition(':')[2]}.")
    return found.in_order
