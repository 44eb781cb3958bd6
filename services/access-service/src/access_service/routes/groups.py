"""/access/v1/groups."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, select
from sqlmodel import col

from access_service import groups, rights
from access_service.questions import holding
from access_service.routes.as_of import Asked
from access_service.tables import Group, Person
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now

router = APIRouter(tags=["people"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.PEOPLE_READ)]
Writer = Annotated[Caller, requires(rights.PEOPLE_WRITE, everywhere=True)]


class GroupChange(Change):
    """What may be changed of a group."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=2_000)


class GroupIn(GroupChange):
    """A group to make."""

    name: Name = Field(examples=["Admissions team"])


class GroupOut(BaseModel):
    """People who are given roles together."""

    id: str
    etag: str
    name: str
    description: str
    external_id: str | None
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime


class MemberIn(BaseModel):
    """Who is to be a member."""

    model_config = ConfigDict(extra="forbid")

    person: Id


class Member(BaseModel):
    """A person in a group."""

    id: str
    name: str
    added_at: datetime


GROUPS = Listing(
    GroupOut, key=col(Group.id), orders={"name": col(Group.name), "created_at": col(Group.created_at)}, default="name"
)
MEMBERS = Listing(Member, key=col(Person.id), orders={"name": col(Person.name)}, default="name")


def shown(group: Group) -> GroupOut:
    """Show a group."""
    return GroupOut.model_validate(group.model_dump() | {"etag": etags.etag(group)})


def _member(row: Row[Person, datetime]) -> Member:
    return Member(id=row[0].id, name=row[0].name, added_at=row[1])


@router.post("/groups", status_code=201, response_model=GroupOut)
async def create_group(request: Request, wanted: GroupIn, session: Session, by: Writer, now: Now) -> Response:
    """Make a group."""
    group = await groups.create(session, wanted.model_dump(), by=by, now=now)
    return etags.answer(request, shown(group), status=201, location=f"/access/v1/groups/{group.id}")


@router.get("/groups", responses=GROUPS.responses)
async def list_groups(
    request: Request,
    _by: Reader,
    ask: Annotated[Ask, GROUPS.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
    *,
    deleted: Annotated[bool, Query(description="Those too that the directory deleted.")] = False,
) -> Response:
    """List the groups."""
    found = select(Group)
    if not deleted:
        found = found.where(col(Group.deleted_at).is_(None))
    if q:
        found = found.where(contains(q, col(Group.name), col(Group.description)))
    return await GROUPS.answer(request, ask, found, lambda row: shown(row[0]), filename="groups")


@router.get("/groups/{group_id}", response_model=GroupOut)
async def get_group(request: Request, group_id: str, session: Session, _by: Reader) -> Response:
    """Read a group."""
    return etags.answer(request, shown(await groups.get(session, group_id)))


@router.patch("/groups/{group_id}", response_model=GroupOut)
async def change_group(
    request: Request, group_id: str, wanted: GroupChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Rename or describe a group."""
    group = await groups.get(session, group_id)
    etags.demand(group, if_match)
    await groups.change(session, group, wanted.model_dump(exclude_unset=True), by=by, now=now)
    await session.flush()
    return etags.answer(request, shown(group))


@router.get("/groups/{group_id}/members", responses=MEMBERS.responses)
async def list_members(
    request: Request, group_id: str, session: Session, _by: Reader, ask: Annotated[Ask, MEMBERS.ask], when: Asked
) -> Response:
    """List who is in a group, or was."""
    await holding.demand_subject(session, "grp", group_id)
    return await MEMBERS.answer(request, ask, holding.members(group_id, when), _member, filename="members")


@router.post("/groups/{group_id}/members", status_code=204)
async def add_member(group_id: str, wanted: MemberIn, session: Session, by: Writer, now: Now) -> None:
    """Make a person a member."""
    await groups.add(session, await groups.get(session, group_id), [wanted.person], by=by, now=now)


@router.post("/groups/{group_id}/members/{person_id}/remove", status_code=204)
async def remove_member(group_id: str, person_id: str, session: Session, by: Writer, now: Now) -> None:
    """Take a person out of a group."""
    group = await groups.get(session, group_id)
    if not await groups.remove(session, group, [person_id], by=by, now=now):
        raise NotFound(f"{person_id} is not a member of {group_id}.")
