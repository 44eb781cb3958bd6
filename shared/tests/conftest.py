"""A service of the tests' own, a porter's desk with slips: the kit is tested by what a service sees of it."""

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar

import procrastinate
import pytest
from cryptography.fernet import Fernet
from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict
from sqlalchemy import Column, MetaData, Select, Text, UniqueConstraint, select
from sqlalchemy.orm import registry
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel, col

from lodge_kit import audit, etags, events, ids, jobs, notices, world
from lodge_kit.application import Service, assemble
from lodge_kit.clock import Clock, system_clock
from lodge_kit.database import Session
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import SHOWN_ONCE, IdempotentRoute
from lodge_kit.identity import Caller, Keys, Permission, requires
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.migrating import migrate
from lodge_kit.problems import NotFound
from lodge_kit.settings import ServiceSettings
from lodge_kit.tables import NAMING, Versioned, id_column
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.directory import People
from lodge_kit.testing.issuer import Issuer
from lodge_kit.testing.receiver import Receiver, receiving
from lodge_kit.webhooks.endpoints import subscription
from lodge_kit.world import Here, Now, World

CLERK = "per_01J0000000000000000000CERK"
READ = Permission("desk.read", "Read slips.")
WRITE = Permission("desk.write", "Write slips.")


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    pass


class Slip(Versioned, Row, table=True):
    __tablename__ = "slip"
    __table_args__ = (UniqueConstraint("once", deferrable=True, initially="DEFERRED"),)

    id: str = id_column()
    text: str = ColumnField(sa_type=Text)
    number: int = 0
    once: str | None = ColumnField(default=None, sa_column=Column(Text, nullable=True))
    """Unique, and checked at commit only."""


class SlipFiled(events.Fact):
    """A slip was filed."""

    type: ClassVar[str] = "slip.filed"
    subject: ClassVar[str] = "slip"
    text: str


class DeskOpened(events.Fact):
    """The desk was opened."""

    type: ClassVar[str] = "desk.opened"
    subject: ClassVar[str] = "desk"


class SlipIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    number: int = 0
    once: Any = None
    more: Any = None
    fail: bool = False
    tell: str | None = None


class SlipOut(BaseModel):
    id: str
    etag: str
    text: str
    number: int
    created_at: datetime


class NewSlip(SlipOut):
    password: str | None = Field(json_schema_extra=SHOWN_ONCE)


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="LODGE_DESK_")

    port: int = 0


SLIPS = Listing(
    SlipOut,
    key=col(Slip.id),
    orders={"text": col(Slip.text), "number": col(Slip.number), "created_at": col(Slip.created_at)},
    default="created_at",
)


def _shown(slip: Slip) -> SlipOut:
    return SlipOut(**slip.model_dump(), etag=etags.etag(slip))


def _found(q: str | None, numbers: list[int] | None) -> Select[Slip]:
    found = select(Slip)
    if q is not None:
        found = found.where(contains(q, col(Slip.text)))
    return found if numbers is None else found.where(col(Slip.number).in_(numbers))


def _router(note: "procrastinate.tasks.Task[..., Any, ...]") -> APIRouter:
    router = APIRouter(route_class=IdempotentRoute, tags=["slips"])

    @router.post("/slips", status_code=201, response_model=NewSlip)
    async def file_slip(
        request: Request, wanted: SlipIn, session: Session, by: Annotated[Caller, requires(WRITE)], now: Now
    ) -> Response:
        """File a slip, tell of it, and have it noted."""
        slip = Slip(
            id=ids.new("slp"), created_at=now, updated_at=now, **wanted.model_dump(exclude={"fail", "tell", "more"})
        )
        session.add(slip)
        await session.flush()
        event = await events.publish(session, SlipFiled(text=slip.text), of=slip.id, version=1, actor=by, now=now)
        audit.record(session, "slip.filed", kind="slip", of=slip.id, by=by, now=now)
        await jobs.defer(session, note, slip_id=slip.id)
        if wanted.tell:
            await notices.tell(session, wanted.tell, event, title="A slip", path=f"/slips/{slip.id}", now=now)
        if wanted.fail:
            raise RuntimeError("on our side")
        made = NewSlip(**_shown(slip).model_dump(), password="pw")
        return etags.answer(request, made, status=201, location=f"{request.url.path}/{slip.id}")

    @router.get("/slips", responses=SLIPS.responses)
    async def list_slips(
        request: Request, ask: Annotated[Ask, SLIPS.ask], _by: Annotated[Caller, requires(READ)],
        q: Annotated[str | None, Query(max_length=200)] = None, number: int | None = None,
        among: Annotated[list[int] | None, Query()] = None,
    ) -> Response:  # fmt: skip
        """List the slips."""
        found = _found(q, [number] if number is not None else among)
        return await SLIPS.answer(request, ask, found, lambda row: _shown(row[0]), filename="slips")

    @router.get("/slips/{slip_id}", response_model=SlipOut)
    async def get_slip(
        request: Request, slip_id: str, session: Session, _by: Annotated[Caller, requires(READ)]
    ) -> Response:
        """Read a slip."""
        slip = await session.get(Slip, slip_id)
        if slip is None:
            raise NotFound(f"There is no slip {slip_id}.")
        return etags.answer(request, _shown(slip))

    @router.patch("/slips/{slip_id}", response_model=SlipOut)
    async def change_slip(
        request: Request, slip_id: str, wanted: SlipIn, session: Session, if_match: IfMatch,
        _by: Annotated[Caller, requires(WRITE)], _here: Here,
    ) -> Response:  # fmt: skip
        """Change a slip."""
        slip = await session.get(Slip, slip_id)
        if slip is None:
            raise NotFound(f"There is no slip {slip_id}.")
        etags.demand(slip, if_match)
        slip.text = wanted.text
        await session.flush()
        return etags.answer(request, _shown(slip))

    return router


@dataclass(frozen=True)
class Desk:
    """The tests' service, and what tests need of it."""

    app: FastAPI
    world: World
    people: People
    tasks: procrastinate.Blueprint
    noted: list[str]
    row = Row
    slip = Slip
    slips = SLIPS
    facts = (SlipFiled, DeskOpened)

    @asynccontextmanager
    async def opened(self, issuer: Issuer) -> AsyncIterator[Client]:
        async with opened(self.app, issuer) as found:
            yield found.acting(CLERK, (READ, WRITE, subscription("desk")), name="The Clerk")


def build(settings: Settings, *, clock: Clock = system_clock, keys: Keys | None = None) -> Desk:
    people, tasks, noted = People(), procrastinate.Blueprint(), list[str]()

    @tasks.task(name="note")
    async def note(slip_id: str) -> None:
        noted.append(slip_id)

    made = world.make(settings, name="desk", clock=clock, tasks=tasks, directory=lambda _database, _clock: people)
    service = Service(
        name="desk", title="The desk", description="A service of the tests' own.", permissions=(READ, WRITE),
        facts=(SlipFiled, DeskOpened), routers=(_router(note),),
    )  # fmt: skip
    return Desk(assemble(service, made, keys=keys), made, people, tasks, noted)


@pytest.fixture(scope="session")
def desk_migrations() -> ModuleType:
    """The package of revisions beside this file, which no path leads to."""
    place = Path(__file__).parent / "desk_migrations" / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        "desk_migrations", place, submodule_search_locations=[str(place.parent)]
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["desk_migrations"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def migrate_desk(desk_migrations: ModuleType) -> Callable[[str], list[str]]:
    return lambda url: migrate(url, desk_migrations, Row.metadata)


@pytest.fixture
def settings(databases: Databases, migrate_desk: Callable[[str], list[str]]) -> Settings:
    """Settings that let webhooks reach this machine."""
    return Settings(
        database_url=databases.of("desk", migrate_desk),
        sealing_keys=Fernet.generate_key().decode(),
        audit_key="the tests' own",
        outbound_allow=("127.0.0.0/8",),
    )


@pytest.fixture
def make_desk(settings: Settings, issuer: Issuer) -> Callable[..., Desk]:
    """Make a desk, with other settings, another clock or other keys where the test has some."""

    def make(*, clock: Clock = system_clock, keys: Keys | None = None, **other: Any) -> Desk:
        return build(Settings(**settings.model_dump() | other), clock=clock, keys=keys or issuer.keys)

    return make


@pytest.fixture
async def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


@pytest.fixture
async def clerk(desk: Desk, issuer: Issuer) -> AsyncIterator[Client]:
    """A client of the opened desk, acting as one who may do everything there."""
    async with desk.opened(issuer) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def other_receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found
