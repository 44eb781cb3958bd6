"""/access/v1/responsibilities: who answers for what, the matrix of it, and its gaps."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service import rights
from access_service.responsibilities import assigning, functions
from access_service.tables import Group, Person, Post, Responsibility, SupportFunction
from lodge_kit import directory, etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import PATTERN, Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Name
from lodge_kit.world import Here, Now

router = APIRouter(tags=["responsibilities"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.DUTIES_READ)]
Writer = Annotated[Caller, requires(rights.DUTIES_WRITE, everywhere=True)]
Letter = Literal["R", "A", "C", "I"]
ProductId = Annotated[str, StringConstraints(pattern=PATTERN.replace("[a-z]{3}", "prd"))]


class ResponsibilityChange(Change):
    """What may be changed of a responsibility."""

    deputy: Id | None = None
    ends_on: date | None = Field(default=None, description="The last day; null is without end.")


class ResponsibilityIn(ResponsibilityChange):
    """Who is to answer for what."""

    function: Id
    product: ProductId = Field(description="A product of release-service.")
    product_name: Name | None = Field(default=None, description="What the product is called, for the matrix.")
    letter: Letter = Field(description="Responsible, accountable, consulted, informed.")
    holder: Id = Field(description="A person, a post, or (not for A) a group.")
    starts_on: date | None = Field(default=None, description="The first day; today where it is left out.")


class ResponsibilityEnd(BaseModel):
    """How a responsibility ends."""

    model_config = ConfigDict(extra="forbid")

    on: date | None = Field(default=None, description="The last day; today where it is left out.")


class ResponsibilityOut(BaseModel):
    """Somebody answers for a support function of a product."""

    id: str
    etag: str
    function: Reference
    product: Reference
    letter: Letter
    holder: Reference
    deputy: Reference | None
    starts_on: date
    ends_on: date | None
    created_at: datetime
    updated_at: datetime


RESPONSIBILITIES = Listing(
    ResponsibilityOut,
    key=col(Responsibility.id),
    orders={"starts_on": col(Responsibility.starts_on), "created_at": col(Responsibility.created_at)},
    default="starts_on",
)
_Deputy = aliased(Person)
_Rows = Row[Responsibility, str, str | None, str | None, str | None]


def _responsibilities() -> Select[Responsibility, str, str | None, str | None, str | None]:
    holder: ColumnElement[Any] = func.coalesce(col(Person.name), col(Post.name), col(Group.name))
    return (
        select(Responsibility, col(SupportFunction.name), col(KnownName.name), holder, col(_Deputy.name))
        .join(SupportFunction, col(SupportFunction.id) == col(Responsibility.function_id))
        .outerjoin(KnownName, col(KnownName.id) == col(Responsibility.product))
        .outerjoin(Person, col(Person.id) == col(Responsibility.holder))
        .outerjoin(Post, col(Post.id) == col(Responsibility.holder))
        .outerjoin(Group, col(Group.id) == col(Responsibility.holder))
        .outerjoin(_Deputy, col(_Deputy.id) == col(Responsibility.deputy))
    )


def _shown(row: _Rows) -> ResponsibilityOut:
    one = row[0]
    references = {
        "function": reference(one.function_id, row[1]),
        "product": reference(one.product, row[2]),
        "holder": reference(one.holder, row[3]),
        "deputy": reference(one.deputy, row[4]),
    }
    return ResponsibilityOut.model_validate(one.model_dump() | references | {"etag": etags.etag(one)})


async def _one(session: AsyncSession, responsibility_id: str) -> ResponsibilityOut:
    await session.flush()
    found = _responsibilities().where(col(Responsibility.id) == responsibility_id)
    row = (await session.execute(found)).one_or_none()
    if row is None:
        raise NotFound(f"There is no responsibility {responsibility_id}.")
    return _shown(row)


@router.post("/responsibilities", status_code=201, response_model=ResponsibilityOut)
async def create_responsibility(
    request: Request, wanted: ResponsibilityIn, session: Session, here: Here, by: Writer, now: Now
) -> Response:
    """Have a person, a post or a group answer for a support function of a product."""
    if wanted.product_name:
        await directory.remember(session, [Reference(id=wanted.product, name=wanted.product_name)], now=now)
    facts = wanted.model_dump(exclude={"function", "product_name"})
    facts["starts_on"] = wanted.starts_on or now.astimezone(here.settings.time_zone).date()
    row = await assigning.assign(session, await functions.get(session, wanted.function), facts, by=by, now=now)
    shown = await _one(session, row.id)
    return etags.answer(request, shown, status=201, location=f"/access/v1/responsibilities/{row.id}")


@router.get("/responsibilities", responses=RESPONSIBILITIES.responses)
async def list_responsibilities(
    request: Request, by: Reader, ask: Annotated[Ask, RESPONSIBILITIES.ask],
    product: ProductId | None = None,
    function: Id | None = None,
    holder: Annotated[str | None, Query(description="A person, a post or a group; `me`, and the posts I hold.")] = None,
    letter: Letter | None = None,
    on: Annotated[date | None, Query(description="Only what holds on this day.")] = None,
) -> Response:  # fmt: skip
    """List who answers for what."""
    found = _responsibilities()
    if product:
        found = found.where(col(Responsibility.product) == product)
    if function:
        found = found.where(col(Responsibility.function_id) == function)
    if holder:
        found = found.where(or_(*_held_by(by.named(holder))))
    if letter:
        found = found.where(col(Responsibility.letter) == letter)
    if on:
        found = found.where(
            col(Responsibility.starts_on) <= on,
            or_(col(Responsibility.ends_on).is_(None), col(Responsibility.ends_on) >= on),
        )
    return await RESPONSIBILITIES.answer(request, ask, found, _shown, filename="responsibilities")


def _held_by(who: str) -> Sequence[ColumnElement[bool]]:
    posts = select(col(Post.id)).where(col(Post.holder) == who)
    return col(Responsibility.holder) == who, col(Responsibility.holder).in_(posts)


@router.get("/responsibilities/{responsibility_id}", response_model=ResponsibilityOut)
async def get_responsibility(request: Request, responsibility_id: str, session: Session, _by: Reader) -> Response:
    """Read a responsibility."""
    return etags.answer(request, await _one(session, responsibility_id))


@router.patch("/responsibilities/{responsibility_id}", response_model=ResponsibilityOut)
async def change_responsibility(
    request: Request, responsibility_id: str, wanted: ResponsibilityChange, session: Session, if_match: IfMatch,
    by: Writer, now: Now,
) -> Response:  # fmt: skip
    """Name another deputy, or another last day."""
    row = await assigning.get(session, responsibility_id)
    etags.demand(row, if_match)
    await assigning.change(session, row, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, await _one(session, responsibility_id))


@router.post("/responsibilities/{responsibility_id}/end", response_model=ResponsibilityOut)
async def end_responsibility(
    request: Request, responsibility_id: str, wanted: ResponsibilityEnd, session: Session, here: Here, by: Writer,
    now: Now,
) -> Response:  # fmt: skip
    """End a responsibility with a last day."""
    row = await assigning.get(session, responsibility_id)
    last_day = wanted.on or now.astimezone(here.settings.time_zone).date()
    await assigning.end(session, row, last_day=last_day, by=by, now=now)
    return etags.answer(request, await _one(session, responsibility_id))


@router.delete("/responsibilities/{responsibility_id}", status_code=204)
async def withdraw_responsibility(
    responsibility_id: str, session: Session, here: Here, if_match: IfMatch, by: Writer, now: Now
) -> None:
    """Take back a responsibility that has not begun."""
    row = await assigning.get(session, responsibility_id)
    etags.demand(row, if_match)
    await assigning.withdraw(session, row, today=now.astimezone(here.settings.time_zone).date(), by=by, now=now)
