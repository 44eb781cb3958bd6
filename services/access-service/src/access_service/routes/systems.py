"""/access/v1/systems."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import catalogue, rights
from access_service.tables import Person, System
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now

router = APIRouter(tags=["catalogue"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.CATALOGUE_READ)]
Writer = Annotated[Caller, requires(rights.CATALOGUE_WRITE, everywhere=True)]


class SystemChange(Change):
    """What may be changed of a system."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=2_000)
    owner: Id | None = None


class SystemIn(SystemChange):
    """A system to add."""

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["student-records"])
    name: Name = Field(examples=["Student Records"])


class SystemOut(BaseModel):
    """A supplier's system, or Lodge itself."""

    id: str
    etag: str
    key: str
    name: str
    description: str
    owner: Reference | None
    created_at: datetime
    updated_at: datetime


SYSTEMS = Listing(
    SystemOut,
    key=col(System.id),
    orders={"name": col(System.name), "created_at": col(System.created_at)},
    default="name",
)


def _systems() -> Select[System, str | None]:
    return select(System, col(Person.name)).outerjoin(Person, col(Person.id) == col(System.owner))


def _system(row: Row[System, str | None]) -> SystemOut:
    system, owner = row[0], row[1]
    return SystemOut.model_validate(
        system.model_dump() | {"etag": etags.etag(system), "owner": reference(system.owner, owner)}
    )


async def _one_system(session: AsyncSession, system_id: str) -> Row[System, str | None]:
    await session.flush()
    row = (await session.execute(_systems().where(col(System.id) == system_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no system {system_id}.")
    return row


@router.post("/systems", status_code=201, response_model=SystemOut)
async def create_system(request: Request, wanted: SystemIn, session: Session, by: Writer, now: Now) -> Response:
    """Add a system."""
    system = await catalogue.add_system(session, wanted.model_dump(), by=by, now=now)
    row = await _one_system(session, system.id)
    return etags.answer(request, _system(row), status=201, location=f"/access/v1/systems/{system.id}")


@router.get("/systems", responses=SYSTEMS.responses)
async def list_systems(
    request: Request, by: Reader, ask: Annotated[Ask, SYSTEMS.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of the name or the key.")] = None,
    owner: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
    key: str | None = None,
) -> Response:  # fmt: skip
    """List the systems."""
    found = _systems()
    if q:
        found = found.where(contains(q, col(System.name), col(System.key)))
    if owner:
        found = found.where(col(System.owner) == by.named(owner))
    if key:
        found = found.where(col(System.key) == key)
    return await SYSTEMS.answer(request, ask, found, _system, filename="systems")


@router.get("/systems/{system_id}", response_model=SystemOut)
async def get_system(request: Request, system_id: str, session: Session, _by: Reader) -> Response:
    """Read a system."""
    return etags.answer(request, _system(await _one_system(session, system_id)))


@router.patch("/systems/{system_id}", response_model=SystemOut)
async def change_system(
    request: Request, system_id: str, wanted: SystemChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Rename or describe a system, or give it another owner."""
    system = await catalogue.get_system(session, system_id)
    etags.demand(system, if_match)
    await catalogue.change_system(session, system, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, _system(await _one_system(session, system_id)))
