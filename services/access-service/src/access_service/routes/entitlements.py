"""/access/v1/systems/{id}/entitlements."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlmodel import col

from access_service import catalogue, rights
from access_service.entitlements import KEY, Asked, Roles, entitlements, roles
from access_service.routes.grant_record import Environment
from access_service.tables import Person
from lodge_kit.clock import AsOf, instant_of
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.identity import Caller, requires
from lodge_kit.listing import Ask, Listing
from lodge_kit.world import Here, Now

router = APIRouter(tags=["grants"])

Reader = Annotated[Caller, requires(rights.GRANTS_READ)]


class Holder(BaseModel):
    """A person, by all that a supplier's system may know him or her by."""

    id: str
    external_id: str | None
    user_name: str
    name: str


class Entitlement(BaseModel):
    """A permission that a person should have in the supplier's system, and by which way; of several, the longest."""

    person: Holder
    supplier_code: str | None = Field(description="What the supplier calls it.")
    permission: Reference
    role: Reference = Field(description="The role that was given; it may have inherited the permission.")
    grant: str | None = Field(description="Null where everybody holds the role.")
    group: Reference | None = Field(description="The group that the role was given to.")
    environment: str | None = Field(description="Null is in every installation.")
    org_unit: Reference | None = Field(description="Null is everywhere.")
    until: datetime | None


ENTITLEMENTS = Listing(Entitlement, key=KEY, orders={"person": col(Person.id)}, default="person")


def _shown(row: Any, known: Roles) -> Entitlement:
    code = known.codes[row.permission_id]
    facts = {
        "person": {
            "id": row.person_id, "external_id": row.external_id, "user_name": row.user_name, "name": row.person_name,
        },
        "supplier_code": code.supplier_code,
        "permission": {"id": row.permission_id, "name": code.name},
        "role": {"id": row.role_id, "name": known.names[row.role_id]},
        "grant": row.grant_id,
        "group": {"id": row.group_id, "name": row.group_name} if row.group_id else None,
        "environment": row.environment,
        "org_unit": {"id": row.org_unit, "name": row.org_unit_name} if row.org_unit else None,
        "until": row.until,
    }  # fmt: skip
    return Entitlement.model_validate(facts)


@router.get("/systems/{system_id}/entitlements", responses=ENTITLEMENTS.responses)
async def list_entitlements(
    request: Request, system_id: str, session: Session, by: Reader, here: Here, now: Now,
    ask: Annotated[Ask, ENTITLEMENTS.ask],
    environment: Annotated[Environment | None, Query(description="Those that hold in this installation.")] = None,
    as_of: Annotated[AsOf | None, Query(description="As it was then: an instant, or a date, that day's end.")] = None,
) -> Response:  # fmt: skip
    """List who should hold which supplier's code: only active people, active roles, active permissions.

    Groups and inheritance are expanded: a row for each person, permission, org unit and installation, told once
    however many grants give it. As CSV it is the whole list, to be loaded into the supplier's system or compared with
    it.
    """
    system = await catalogue.get_system(session, system_id)
    at = instant_of(as_of, here.settings.time_zone) if as_of else now
    asked = Asked(system.id, at, environment, by.scope(rights.GRANTS_READ))
    known = await roles(session, asked)
    shown = partial(_shown, known=known)
    filename = f"{system.key}-entitlements"
    return await ENTITLEMENTS.answer(request, ask, entitlements(asked, known), shown, filename=filename)
