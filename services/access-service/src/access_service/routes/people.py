"""/access/v1/people."""

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, EmailStr, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service import erasing, org_units, people, present, rights
from access_service.tables import OrgUnit, Person
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Recipient, Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now, Today

router = APIRouter(tags=["people"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.PEOPLE_READ)]
Writer = Annotated[Caller, requires(rights.PEOPLE_WRITE)]
Eraser = Annotated[Caller, requires(rights.PEOPLE_ERASE)]


class PersonChange(Change):
    """What may be changed of a person; null clears (RFC 7396)."""

    user_name: Name = Field(default="", examples=["asmith"])
    external_id: Name | None = Field(
        default=None,
        description="What your OpenID provider's immutable claim says; never an e-mail.",
    )
    name: Name = Field(default="", examples=["Alice Smith"])
    given_name: Name | None = Field(default=None, examples=["Alice"])
    family_name: Name | None = Field(default=None, examples=["Smith"])
    email: EmailStr | None = None
    title: Name | None = Field(default=None, description="What the person does.", examples=["Admissions officer"])
    employee_number: Name | None = None
    org_unit: Id | None = Field(default=None, description="With an appointment it follows from that.")
    manager: Id | None = Field(default=None, description="With an appointment it follows from that.")
    deputy: Id | None = Field(default=None, description="Who is told in this person's place once he or she has left.")
    joined_on: date | None = None
    left_on: date | None = Field(default=None, description="The last day; once it is over the person is let go.")
    notices: Literal["each", "daily", "none"] = Field(default="each", description="How this person wants mail.")


class PersonIn(PersonChange):
    """A person to add."""

    user_name: Name = Field(examples=["asmith"])
    name: Name = Field(examples=["Alice Smith"])


class PersonOut(BaseModel):
    """A person."""

    id: str
    etag: str
    user_name: str
    external_id: str | None
    name: str
    given_name: str | None
    family_name: str | None
    email: str | None
    title: str | None
    employee_number: str | None
    status: Literal["active", "inactive"]
    org_unit: Reference | None
    manager: Reference | None
    deputy: Reference | None
    joined_on: date | None
    left_on: date | None
    notices: Literal["each", "daily", "none"]
    deleted_at: datetime | None
    erased_at: datetime | None = Field(description="When all that says who it was went, for good.")
    created_at: datetime
    updated_at: datetime


class Recipients(BaseModel):
    """Who is told."""

    items: list[Recipient]


PEOPLE = Listing(
    PersonOut,
    key=col(Person.id),
    orders={"name": col(Person.name), "created_at": col(Person.created_at), "updated_at": col(Person.updated_at)},
    default="name",
)

_Manager, _Deputy = aliased(Person), aliased(Person)


def _people() -> Select[Person, str | None, str | None, str | None]:
    return (
        select(Person, col(OrgUnit.name), col(_Manager.name), col(_Deputy.name))
        .outerjoin(OrgUnit, col(OrgUnit.id) == col(Person.org_unit))
        .outerjoin(_Manager, col(_Manager.id) == col(Person.manager))
        .outerjoin(_Deputy, col(_Deputy.id) == col(Person.deputy))
    )


def shown(row: Row[Person, str | None, str | None, str | None]) -> PersonOut:
    """Show a person with the names of those it refers to."""
    person, unit, manager, deputy = row[0], row[1], row[2], row[3]
    references = {
        "org_unit": reference(person.org_unit, unit),
        "manager": reference(person.manager, manager),
        "deputy": reference(person.deputy, deputy),
    }
    return PersonOut.model_validate(person.model_dump() | references | {"etag": etags.etag(person)})


async def _one(
    session: AsyncSession, person_id: str, by: Caller, *, deleted: bool
) -> Row[Person, str | None, str | None, str | None]:
    row = (await session.execute(_people().where(col(Person.id) == person_id))).one_or_none()
    gone = row is None or (row[0].deleted_at is not None and not deleted)
    if row is None or gone or not by.may(rights.PEOPLE_READ, row[0].org_unit or EVERYWHERE):
        raise NotFound(f"There is no person {person_id} that you may see.")
    return row


async def _changed(request: Request, session: AsyncSession, person_id: str, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_people().where(col(Person.id) == person_id))).one()
    location = f"/access/v1/people/{person_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


@router.post("/people", status_code=201, response_model=PersonOut)
async def create_person(request: Request, wanted: PersonIn, session: Session, by: Writer, now: Now) -> Response:
    """Add a person."""
    by.demand(rights.PEOPLE_WRITE, wanted.org_unit or EVERYWHERE)
    person = await people.create(session, wanted.model_dump(), by=by, now=now)
    return await _changed(request, session, person.id, 201)


@router.get("/people", responses=PEOPLE.responses)
async def list_people(
    request: Request, by: Reader, ask: Annotated[Ask, PEOPLE.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of the name, user name or e-mail.")] = None,
    status: Literal["active", "inactive"] | None = None,
    org_unit: Annotated[Id | None, Query(description="In this org unit, or in one below it.")] = None,
    manager: Annotated[str | None, Query(description="Whose reports: an id, or `me`.")] = None,
    external_id: str | None = None,
    employee_number: str | None = None,
    updated_after: AwareDatetime | None = None,
    *,
    deleted: Annotated[bool, Query(description="Those too that the directory deleted.")] = False,
) -> Response:  # fmt: skip
    """List the people that you may see."""
    found = _people()
    if not deleted:
        found = found.where(present.PEOPLE)
    scope = by.scope(rights.PEOPLE_READ)
    if scope != "*":
        found = found.where(col(Person.org_unit).in_(scope))
    if q:
        found = found.where(contains(q, col(Person.name), col(Person.user_name), col(Person.email)))
    if org_unit:
        found = found.where(col(Person.org_unit).in_(org_units.at_or_below(org_unit)))
    if manager:
        found = found.where(col(Person.manager) == by.named(manager))
    exact = ((Person.status, status), (Person.external_id, external_id), (Person.employee_number, employee_number))
    for column, value in exact:
        if value is not None:
            found = found.where(col(column) == value)
    if updated_after:
        found = found.where(col(Person.updated_at) > updated_after)
    return await PEOPLE.answer(request, ask, found, shown, filename="people")


@router.get("/people/{person_id}", response_model=PersonOut)
async def get_person(
    request: Request, person_id: str, session: Session, by: Reader,
    *, history: Annotated[bool, Query(description="Also one whom the directory deleted.")] = False,
) -> Response:  # fmt: skip
    """Read a person."""
    return etags.answer(request, shown(await _one(session, person_id, by, deleted=history)))


@router.patch("/people/{person_id}", response_model=PersonOut)
async def change_person(
    request: Request, person_id: str, wanted: PersonChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Change what is known of a person."""
    person = await people.get(session, person_id)
    by.demand(rights.PEOPLE_WRITE, person.org_unit or EVERYWHERE)
    if "org_unit" in wanted.model_fields_set and wanted.org_unit != person.org_unit:
        by.demand(rights.PEOPLE_WRITE, wanted.org_unit or EVERYWHERE)
    etags.demand(person, if_match)
    await people.change(session, person, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return await _changed(request, session, person_id)


@router.post("/people/{person_id}/deactivate", response_model=PersonOut)
async def deactivate_person(request: Request, person_id: str, session: Session, by: Writer, now: Now) -> Response:
    """Let a person go: every decision about her or him is deny at once."""
    person = await people.get(session, person_id)
    by.demand(rights.PEOPLE_WRITE, person.org_unit or EVERYWHERE)
    await people.deactivate(session, person, by=by, now=now)
    return await _changed(request, session, person_id)


@router.post("/people/{person_id}/reactivate", response_model=PersonOut)
async def reactivate_person(
    request: Request, person_id: str, session: Session, by: Writer, today: Today, now: Now
) -> Response:
    """Take a person back."""
    person = await people.get(session, person_id)
    by.demand(rights.PEOPLE_WRITE, person.org_unit or EVERYWHERE)
    await people.reactivate(session, person, by=by, today=today, now=now)
    return await _changed(request, session, person_id)


@router.post("/people/{person_id}/erase", response_model=PersonOut)
async def erase_person(request: Request, person_id: str, session: Session, by: Eraser, now: Now) -> Response:
    """Erase for good what says who a person was: names, addresses, reasons of grants, words in the audit.

    Only of one who is inactive and holds no grants. What was granted and done stays on record by id, and the audit's
    chain verifies as before. Nothing brings it back.
    """
    person = await erasing.get(session, person_id)
    by.demand(rights.PEOPLE_ERASE, person.org_unit or EVERYWHERE)
    await erasing.erase(session, person, by=by, now=now)
    return await _changed(request, session, person_id)


@router.get("/recipients/{person_id}")
async def list_recipients(person_id: str, session: Session, _by: Reader, now: Now) -> Recipients:
    """Say who is told when this person is meant: the person, else the deputy, else the administrators."""
    told = await people.told_for(session, person_id, now=now)
    return Recipients(items=[Recipient.model_validate(one.model_dump()) for one in told])
