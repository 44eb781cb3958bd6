"""What anybody may ask about oneself, and the names that references show."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service import callers
from access_service.routes.appointments import AppointmentOut, shown
from access_service.routes.appointments import of as appointments_of
from access_service.tables import Appointment, Group, OrgUnit, Person, ServiceAccount
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.identity import Authenticated
from lodge_kit.problems import BadRequest, Conflict
from lodge_kit.world import Now, Today

router = APIRouter(tags=["me"])

_MOST_NAMES = 200


class Me(BaseModel):
    """The caller, where the caller belongs, and what the caller may do in Lodge."""

    id: str
    name: str
    status: Literal["active"] = Field(description="Who is not active is refused.")
    external_id: str | None
    org_unit: Reference | None
    manager: Reference | None
    appointments: list[AppointmentOut] = Field(description="Those that run, and those to come; by their first day.")
    client_id: str | None = Field(description="The key that you came with, or the client that you signed in to.")
    permissions: dict[str, Literal["*"] | list[str]] = Field(
        description="Permissions of Lodge, each with the org units that it is held for; `*` is everywhere."
    )


class NoticeChoice(BaseModel):
    """How one wants to be told by mail."""

    model_config = ConfigDict(extra="forbid")

    notices: Literal["each", "daily", "none"]


class Names(BaseModel):
    """What ids are called."""

    items: list[Reference]


@router.get("/me")
async def get_me(session: Session, by: Authenticated, today: Today, now: Now) -> Me:
    """Say who you are, where you belong, and which permissions of Lodge you hold, where.

    With a key that is held to some permissions these are all that you hold.
    """
    found = await callers.by_id(session, by.id, client_id=by.client_id, now=now)
    held = {
        name: "*" if scope == "*" else sorted(scope)
        for by_service in found.permissions.values()
        for name, scope in by_service.items()
    }
    return Me(
        id=found.id, name=found.name, status="active", client_id=found.client_id,
        permissions=dict(sorted(held.items())), **await _place(session, by.id, today),
    )  # fmt: skip


async def _place(session: AsyncSession, who: str, today: date) -> dict[str, Any]:
    """Answer where a person belongs; a service account belongs nowhere."""
    manager = aliased(Person)
    found = (
        select(Person, col(OrgUnit.name), col(manager.name))
        .outerjoin(OrgUnit, col(OrgUnit.id) == col(Person.org_unit))
        .outerjoin(manager, col(manager.id) == col(Person.manager))
    )
    row = (await session.execute(found.where(col(Person.id) == who))).one_or_none()
    if row is None:
        return {"external_id": None, "org_unit": None, "manager": None, "appointments": []}
    person, unit, name = row
    still = appointments_of(who).where(or_(col(Appointment.ends_on).is_(None), col(Appointment.ends_on) >= today))
    ordered = still.order_by(col(Appointment.starts_on), col(Appointment.id))
    return {
        "external_id": person.external_id,
        "org_unit": reference(person.org_unit, unit),
        "manager": reference(person.manager, name),
        "appointments": [shown(one) for one in await session.execute(ordered)],
    }


@router.put("/me/notices")
async def choose_notices(wanted: NoticeChoice, session: Session, by: Authenticated, now: Now) -> NoticeChoice:
    """Choose how you are told by mail: each notice, a daily digest, or none."""
    person = await session.get(Person, by.id)
    if person is None:
        raise Conflict("Only people get mail; a service account reads its tasks.")
    person.notices, person.updated_at = wanted.notices, now
    return wanted


@router.get("/names")
async def list_names(
    session: Session,
    _by: Authenticated,
    id: Annotated[str, Query(max_length=8_000, description="Comma-separated ids.")],  # noqa: A002 - the parameter's public name
) -> Names:
    """Say what people, groups, org units and service accounts are called. Ids that are nobody's are left out."""
    wanted = id.split(",")
    if len(wanted) > _MOST_NAMES:
        raise BadRequest(f"Ask for at most {_MOST_NAMES} names at once.")
    kinds = (Person, Group, ServiceAccount, OrgUnit)
    found = union_all(*(select(col(kind.id), col(kind.name)).where(col(kind.id).in_(wanted)) for kind in kinds))
    return Names(items=[Reference(id=row.id, name=row.name) for row in await session.execute(found)])
