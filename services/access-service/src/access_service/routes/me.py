"""What anybody may ask about oneself, and the names that references show."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select, union_all
from sqlmodel import col

from access_service import callers
from access_service.tables import Group, OrgUnit, Person, ServiceAccount
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.identity import Authenticated
from lodge_kit.problems import BadRequest, Conflict
from lodge_kit.world import Now

router = APIRouter(tags=["me"])

_MOST_NAMES = 200


class Me(BaseModel):
    """The caller, and what the caller may do in Lodge."""

    id: str
    name: str
    client_id: str | None
    permissions: dict[str, Literal["*"] | list[str]]


class NoticeChoice(BaseModel):
    """How one wants to be told by mail."""

    model_config = ConfigDict(extra="forbid")

    notices: Literal["each", "daily", "none"]


class Names(BaseModel):
    """What ids are called."""

    items: list[Reference]


@router.get("/me")
async def get_me(session: Session, by: Authenticated, now: Now) -> Me:
    """Say who you are, and which permissions of Lodge you hold, where: `*` is everywhere, else org units."""
    found = await callers.by_id(session, by.id, client_id=by.client_id, now=now)
    held = {
        name: "*" if scope == "*" else sorted(scope)
        for by_service in found.permissions.values()
        for name, scope in by_service.items()
    }
    return Me(id=found.id, name=found.name, client_id=found.client_id, permissions=dict(sorted(held.items())))


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
