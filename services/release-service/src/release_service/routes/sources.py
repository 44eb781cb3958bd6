"""/release/v1/sources."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import directory, etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import Invalid, NotFound
from lodge_kit.tables import KnownName
from lodge_kit.world import Here, Now
from release_service import jobs, products, rights, scopes, sources
from release_service.routes.references import PersonId
from release_service.tables import Product, Sighting, SourceCheck, WatchedSource

router = APIRouter(tags=["sources"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.READ)]
Watcher = Annotated[Caller, requires(rights.SOURCES)]
State = Literal["waiting", "healthy", "failing", "paused"]


_EVERY = Field(default=60, ge=1, le=10_080, description="How often it is asked.")


class WatchedSourceChange(Change):
    """What may be changed of a source."""

    url: str = Field(default="", min_length=1, max_length=2_000, description="http or https, without a password.")
    owner: PersonId = Field(default="", description="The person who is told when it fails.")
    every_minutes: int = _EVERY


class WatchedSourceIn(BaseModel):
    """An address to watch."""

    model_config = ConfigDict(extra="forbid")

    product: Id
    kind: Literal["atom"] = Field(default="atom", description="Atom or RSS, whichever it turns out to be.")
    url: str = Field(min_length=1, max_length=2_000, examples=["https://supplier.example/releases.atom"])
    owner: PersonId | None = Field(default=None, description="Who is told when it fails; null is the product's owner.")
    every_minutes: int = _EVERY


class WatchedSourceOut(BaseModel):
    """A watched source, and how its checks go. Its etag stands for what people set, not for the checks."""

    id: str
    etag: str
    product: Reference
    kind: str
    url: str
    owner: Reference
    every_minutes: int
    state: State = Field(description="waiting: it was never read.")
    last_error: str | None = Field(description="Why the last check came to nothing; null after one that went well.")
    defect: str | None = Field(description="What was wrong with the feed and got over.")
    failures: int = Field(description="In a row.")
    failing_since: datetime | None
    last_checked_at: datetime | None
    last_ok_at: datetime | None
    next_check_at: datetime | None = Field(description="Null while it is paused.")
    suspects: int = Field(description="Sightings that wait for a person.")
    created_at: datetime
    updated_at: datetime


SOURCES = Listing(
    WatchedSourceOut,
    key=col(WatchedSource.id),
    orders={"created_at": col(WatchedSource.created_at), "url": col(WatchedSource.url)},
    default="created_at",
)

Shown = Row[WatchedSource, SourceCheck, Product, str | None, int]


def _sources() -> Select[WatchedSource, SourceCheck, Product, str | None, int]:
    waits = and_(col(Sighting.source) == col(WatchedSource.id), col(Sighting.disposition) == "suspect")
    suspects = select(func.count()).select_from(Sighting).where(waits).correlate(WatchedSource).scalar_subquery()
    return (
        select(WatchedSource, SourceCheck, Product, col(KnownName.name), suspects)
        .join(SourceCheck, col(SourceCheck.source) == col(WatchedSource.id))
        .join(Product, col(Product.id) == col(WatchedSource.product))
        .outerjoin(KnownName, col(KnownName.id) == col(WatchedSource.owner))
    )


def _state(source: WatchedSource, check: SourceCheck) -> State:
    if source.paused:
        return "paused"
    if check.failures:
        return "failing"
    return "healthy" if check.last_ok_at else "waiting"


def shown(row: Shown) -> WatchedSourceOut:
    """Show a source with how its checks go."""
    source, check, product, owner, suspects = row[0], row[1], row[2], row[3], row[4]
    facts: dict[str, Any] = {
        "etag": etags.etag(source),
        "product": reference(product.id, product.name),
        "owner": reference(source.owner, owner),
        "every_minutes": int(source.every.total_seconds() // 60),
        "state": _state(source, check),
        "suspects": suspects,
    }
    return WatchedSourceOut.model_validate(check.model_dump() | source.model_dump() | facts)


async def _one(session: AsyncSession, source_id: str) -> Shown:
    await session.flush()
    found = _sources().where(col(WatchedSource.id) == source_id)
    row = (await session.execute(found)).one_or_none()
    if row is None:
        raise NotFound(f"There is no source {source_id} that you may see.")
    return row


def _answer(row: Shown, status: int = 200) -> Response:
    """Answer a source, never 304: a check changes what is shown without changing its etag."""
    body = shown(row)
    headers = {"ETag": body.etag, "Cache-Control": "no-store"}
    if status in (201, 202):
        headers["Location"] = f"/release/v1/sources/{body.id}"
    return Response(body.model_dump_json(), status_code=status, headers=headers, media_type="application/json")


async def _to_change(session: AsyncSession, source_id: str, by: Caller) -> WatchedSource:
    row = await _one(session, source_id)
    scopes.demand(by, rights.SOURCES, row[2], f"source {source_id}")
    return row[0]


@router.post("/sources", status_code=201, response_model=WatchedSourceOut)
async def create_source(wanted: WatchedSourceIn, session: Session, here: Here, by: Watcher, now: Now) -> Response:
    """Have an address watched. Its first check is ordered at once."""
    try:
        product = await products.get(session, wanted.product)
        scopes.demand(by, rights.SOURCES, product, f"product {wanted.product}")
    except NotFound as why:
        raise Invalid.at("/product", why.detail, "unknown-product") from why
    await sources.demand_callable(here.outbound, wanted.url)
    await directory.remember_caller(session, by, now=now)
    await directory.demand_known(session, here.directory, [("/owner", wanted.owner)], now=now)
    facts = {
        "kind": wanted.kind, "url": wanted.url, "owner": wanted.owner or product.owner,
        "every": timedelta(minutes=wanted.every_minutes),
    }  # fmt: skip
    source = await sources.register(session, product, facts, by=by, now=now)
    await jobs.order_check(session, source.id, now=now)
    return _answer(await _one(session, source.id), 201)


@router.get("/sources", responses=SOURCES.responses)
async def list_sources(
    request: Request, by: Reader, ask: Annotated[Ask, SOURCES.ask],
    product: Id | None = None,
    owner: Annotated[str | None, Query(description="Whose: an id, or `me`.")] = None,
    state: State | None = None,
) -> Response:  # fmt: skip
    """List the watched sources that you may see."""
    found = scopes.within(_sources(), by)
    if product:
        found = found.where(col(WatchedSource.product) == product)
    if owner:
        found = found.where(col(WatchedSource.owner) == by.named(owner))
    if state == "paused":
        found = found.where(col(WatchedSource.paused))
    elif state:
        found = found.where(col(WatchedSource.paused).is_(False))
        found = found.where(col(SourceCheck.failures) > 0 if state == "failing" else col(SourceCheck.failures) == 0)
        if state != "failing":
            read = col(SourceCheck.last_ok_at)
            found = found.where(read.is_not(None) if state == "healthy" else read.is_(None))
    return await SOURCES.answer(request, ask, found, shown, filename="sources")


@router.get("/sources/{source_id}", response_model=WatchedSourceOut)
async def get_source(source_id: str, session: Session, by: Reader) -> Response:
    """Read a source, and how its checks go."""
    row = await _one(session, source_id)
    scopes.demand_seen(by, row[2], f"source {source_id}")
    return _answer(row)


@router.patch("/sources/{source_id}", response_model=WatchedSourceOut)
async def change_source(
    source_id: str, wanted: WatchedSourceChange, session: Session, here: Here, if_match: IfMatch, by: Watcher, now: Now
) -> Response:
    """Change a source. At another address everything it tells at first is history."""
    source = await _to_change(session, source_id, by)
    etags.demand(source, if_match)
    facts = wanted.model_dump(exclude_unset=True)
    if "every_minutes" in facts:
        facts["every"] = timedelta(minutes=facts.pop("every_minutes"))
    if "url" in facts:
        await sources.demand_callable(here.outbound, facts["url"])
    await directory.remember_caller(session, by, now=now)
    await directory.demand_known(session, here.directory, [("/owner", facts.get("owner"))], now=now)
    await sources.change(session, source, facts, by=by, now=now)
    return _answer(await _one(session, source_id))


@router.post("/sources/{source_id}/pause", response_model=WatchedSourceOut)
async def pause_source(source_id: str, session: Session, by: Watcher, now: Now) -> Response:
    """Check a source no more until it is resumed."""
    await sources.pause(session, await _to_change(session, source_id, by), by=by, now=now)
    return _answer(await _one(session, source_id))


@router.post("/sources/{source_id}/resume", response_model=WatchedSourceOut)
async def resume_source(source_id: str, session: Session, by: Watcher, now: Now) -> Response:
    """Check a source again. A check is ordered at once."""
    await sources.resume(session, await _to_change(session, source_id, by), by=by, now=now)
    await jobs.order_check(session, source_id, now=now)
    return _answer(await _one(session, source_id))


@router.post("/sources/{source_id}/check", status_code=202, response_model=WatchedSourceOut)
async def check_source(source_id: str, session: Session, by: Watcher, now: Now) -> Response:
    """Order a check now; what came of it is read at the source."""
    sources.demand_watched(await _to_change(session, source_id, by))
    await jobs.order_check(session, source_id, now=now)
    return _answer(await _one(session, source_id), 202)
