"""/enquiry/v1/sources."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import data_sources, rights, settings
from enquiry_service.column_classes import DataClass
from enquiry_service.sources import Finding
from enquiry_service.sources.targets import HOST, NAME, AdapterName, SslMode
from enquiry_service.tables import DataSource
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Name
from lodge_kit.world import Here, Now

router = APIRouter(tags=["sources"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.REPORTS_READ)]
Keeper = Annotated[Caller, requires(rights.SOURCES)]

Identifier = Annotated[str, Field(pattern=NAME)]
Origin = Annotated[str, Field(max_length=200, pattern=r"^[^.\x00-\x1f\x7f]+(\.[^.\x00-\x1f\x7f]+){2}$")]

_PORTS = {"postgresql": 5432, "mysql": 3306}
_SCHEMAS = {"postgresql": ["public"], "sqlite": ["main"]}
_OF_A_SERVER = ("host", "username", "secret_name")


class SourceChange(Change):
    """What may be changed of a data source. With another place, role or schema it must be checked again."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=2_000)
    host: str = Field(default="", min_length=1, max_length=253, pattern=HOST)
    port: int = Field(default=5432, ge=1, le=65_535)
    database: str = Field(default="", pattern=NAME)
    username: str = Field(default="", pattern=NAME)
    secret_name: str = Field(default="", pattern=r"^[a-z0-9-]{1,63}$", description="The file with the password.")
    ssl_mode: SslMode = "prefer"
    allowed_schemas: list[Identifier] = Field(default=["public"], min_length=1, max_length=50)
    allowed_functions: list[Identifier] = Field(default=[], max_length=200)
    row_limit: int = Field(default=1_000_000, ge=1, le=100_000_000)
    seconds_limit: int = Field(default=300, ge=1, le=86_400)
    adhoc_row_limit: int = Field(
        default=10_000, ge=0, le=100_000_000, description="Of runs that nobody has approved; 0: there are none."
    )
    column_classes: dict[Origin, DataClass] = Field(
        default={}, max_length=20_000,
        description="What its columns tell of people, by `schema.table.column`, all of them at once: a result that"
        " shows one unchanged has its class, whatever a report's author says.",
    )  # fmt: skip


class SourceIn(BaseModel):
    """A data source to register: a role that can only read, or a file."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(examples=["Student records (reporting replica)"])
    description: str = Field(default="", max_length=2_000)
    adapter: AdapterName = Field(
        default="postgresql", description="The product: `mysql` is MariaDB too. `sqlite` is a file, which has no host."
    )
    host: str | None = Field(default=None, min_length=1, max_length=253, pattern=HOST)
    port: int | None = Field(default=None, ge=1, le=65_535, description="5432 or 3306 where it is left out.")
    database: str = Field(pattern=NAME, description="Its name; of a file, that in the operator's folder.")
    username: str | None = Field(default=None, pattern=NAME)
    secret_name: str | None = Field(
        default=None, pattern=r"^[a-z0-9-]{1,63}$", description="The name of the file with the password."
    )
    ssl_mode: SslMode = "prefer"
    allowed_schemas: list[Identifier] | None = Field(
        default=None, min_length=1, max_length=50,
        description="`public` of PostgreSQL, the database itself of MySQL, `main` of a file, where it is left out.",
    )  # fmt: skip
    allowed_functions: list[Identifier] = Field(default=[], max_length=200)
    row_limit: int = Field(default=1_000_000, ge=1, le=100_000_000)
    seconds_limit: int = Field(default=300, ge=1, le=86_400)

    @model_validator(mode="after")
    def _place_of_its_product(self) -> Self:
        given = [name for name in (*_OF_A_SERVER, "port") if getattr(self, name) is not None]
        if self.adapter == "sqlite":
            if given:
                raise ValueError(f"a file has no {', '.join(given)}")
        elif missing := [name for name in _OF_A_SERVER if name not in given]:
            raise ValueError(f"a server needs {', '.join(missing)}")
        self.port = self.port or _PORTS.get(self.adapter)
        self.allowed_schemas = self.allowed_schemas or _SCHEMAS.get(self.adapter, [self.database])
        return self


class SourceOut(BaseModel):
    """A database that reports read."""

    id: str
    etag: str
    name: str
    description: str
    adapter: str
    host: str | None = Field(description="null of a file.")
    port: int | None
    database: str
    username: str | None
    secret_name: str | None
    ssl_mode: str
    allowed_schemas: list[str]
    allowed_functions: list[str]
    row_limit: int
    seconds_limit: int
    adhoc_row_limit: int
    column_classes: dict[str, DataClass]
    owner: Reference
    checked_at: datetime | None
    check_findings: list[Finding]
    created_at: datetime
    updated_at: datetime


SOURCES = Listing(
    SourceOut,
    key=col(DataSource.id),
    orders={"name": col(DataSource.name), "created_at": col(DataSource.created_at)},
    default="name",
)


def _sources() -> Select[DataSource, str | None]:
    return select(DataSource, col(KnownName.name)).outerjoin(KnownName, col(KnownName.id) == col(DataSource.owner))


def shown(row: Row[DataSource, str | None]) -> SourceOut:
    """Show a data source; its secret is in no answer, since it is in no row."""
    source = row[0]
    references = {"etag": etags.etag(source), "owner": {"id": source.owner, "name": row[1] or ""}}
    return SourceOut.model_validate(source.model_dump() | references)


async def _now_is(request: Request, session: AsyncSession, source_id: str, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_sources().where(col(DataSource.id) == source_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no data source {source_id}.")
    location = f"/enquiry/v1/sources/{source_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


@router.post("/sources", status_code=201, response_model=SourceOut)
async def create_source(
    request: Request, wanted: SourceIn, session: Session, by: Keeper, here: Here, now: Now
) -> Response:
    """Register a data source. POST to its /check before reports can be written on it."""
    source = await data_sources.register(session, wanted.model_dump(), settings=settings.of(here), by=by, now=now)
    return await _now_is(request, session, source.id, 201)


@router.get("/sources", responses=SOURCES.responses)
async def list_sources(
    request: Request, by: Reader, ask: Annotated[Ask, SOURCES.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
    owner: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
) -> Response:  # fmt: skip
    """List the data sources."""
    found = _sources()
    if q:
        found = found.where(contains(q, col(DataSource.name), col(DataSource.description)))
    if owner:
        found = found.where(col(DataSource.owner) == by.named(owner))
    return await SOURCES.answer(request, ask, found, shown, filename="sources")


@router.get("/sources/{source_id}", response_model=SourceOut)
async def get_source(request: Request, source_id: str, session: Session, _by: Reader) -> Response:
    """Read a data source."""
    return await _now_is(request, session, source_id)


@router.patch("/sources/{source_id}", response_model=SourceOut)
async def change_source(
    request: Request, source_id: str, wanted: SourceChange, session: Session, by: Keeper, if_match: IfMatch,
    here: Here, now: Now,
) -> Response:  # fmt: skip
    """Change a data source. With another place, role or schema nothing runs on it until it is checked again."""
    source = await data_sources.get(session, source_id)
    etags.demand(source, if_match)
    facts = wanted.model_dump(exclude_unset=True)
    await data_sources.change(session, source, facts, settings=settings.of(here), by=by, now=now)
    return await _now_is(request, session, source_id)


@router.post("/sources/{source_id}/check", response_model=SourceOut)
async def check_source(
    request: Request, source_id: str, session: Session, by: Keeper, here: Here, now: Now
) -> Response:
    """Prove that the source's role cannot write. What speaks against it is in `check_findings`."""
    await data_sources.check(session, source_id, world=here, by=by, now=now)
    return await _now_is(request, session, source_id)
