"""/release/v1/sightings."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import directory, etags, listing
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Name
from lodge_kit.world import Here, Now
from release_service import products, rights, scopes, sightings
from release_service.entries import digest
from release_service.rules import Disposition
from release_service.tables import Product, Release, Sighting, WatchedSource

router = APIRouter(tags=["sources"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.READ)]
Watcher = Annotated[Caller, requires(rights.SOURCES)]


class Acceptance(BaseModel):
    """How a suspect is accepted."""

    model_config = ConfigDict(extra="forbid")

    version: Name | None = Field(default=None, description="The version it is, where its own cannot be read.")


class SightingOut(BaseModel):
    """One entry of a source as last seen, and what was made of it."""

    id: str
    etag: str
    source: Reference = Field(description="Named by its address.")
    product: Reference
    disposition: Disposition
    reason: str
    title: str
    version: str | None
    release: Reference | None = Field(description="Named by its version.")
    link: str | None
    summary: str
    published_at: datetime | None
    first_seen_at: datetime
    seen_at: datetime
    decided_by: Reference | None
    decided_at: datetime | None


SIGHTINGS = Listing(
    SightingOut,
    key=col(Sighting.id),
    orders={"first_seen_at": col(Sighting.first_seen_at), "seen_at": col(Sighting.seen_at)},
    default="-first_seen_at",
)

Shown = Row[Sighting, WatchedSource, Product, str | None, str | None]


def _sightings() -> Select[Sighting, WatchedSource, Product, str | None, str | None]:
    return (
        select(Sighting, WatchedSource, Product, col(Release.version_text), col(KnownName.name))
        .join(WatchedSource, col(WatchedSource.id) == col(Sighting.source))
        .join(Product, col(Product.id) == col(WatchedSource.product))
        .outerjoin(Release, col(Release.id) == col(Sighting.release))
        .outerjoin(KnownName, col(KnownName.id) == col(Sighting.decided_by))
    )


def shown(row: Shown) -> SightingOut:
    """Show a sighting with the names of what it refers to."""
    sighting, source, product = row[0], row[1], row[2]
    state = digest(sighting.fingerprint, sighting.disposition, sighting.reason, sighting.seen_at.isoformat())
    facts: dict[str, Any] = {
        "etag": f'"{state[:16]}"',
        "source": reference(source.id, source.url),
        "product": reference(product.id, product.name),
        "release": reference(sighting.release, row[3]),
        "version": sighting.version_text,
        "decided_by": reference(sighting.decided_by, row[4]),
    }
    return SightingOut.model_validate(sighting.model_dump() | facts)


async def _one(session: AsyncSession, sighting_id: str) -> Shown:
    await session.flush()
    row = (await session.execute(_sightings().where(col(Sighting.id) == sighting_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no sighting {sighting_id} that you may see.")
    return row


async def _to_decide(session: AsyncSession, sighting_id: str, by: Caller, now: datetime) -> tuple[Product, Sighting]:
    found = (await _one(session, sighting_id))[2]
    scopes.demand(by, rights.SOURCES, found, f"sighting {sighting_id}")
    await directory.remember_caller(session, by, now=now)
    # The product first, as a check does it: two that wait for each other would otherwise wait for good.
    product = await products.held(session, found.id)
    return product, await sightings.held(session, sighting_id)


@router.get("/sightings", responses=SIGHTINGS.responses)
async def list_sightings(
    request: Request, by: Reader, ask: Annotated[Ask, SIGHTINGS.ask],
    source: Id | None = None,
    product: Id | None = None,
    disposition: Annotated[list[Disposition] | None, BeforeValidator(listing.several), Query()] = None,
) -> Response:  # fmt: skip
    """List what was seen at the watched sources."""
    found = scopes.within(_sightings(), by)
    if source:
        found = found.where(col(Sighting.source) == source)
    if product:
        found = found.where(col(WatchedSource.product) == product)
    if disposition:
        found = found.where(col(Sighting.disposition).in_(disposition))
    return await SIGHTINGS.answer(request, ask, found, shown, filename="sightings")


@router.get("/sightings/{sighting_id}", response_model=SightingOut)
async def get_sighting(request: Request, sighting_id: str, session: Session, by: Reader) -> Response:
    """Read a sighting."""
    row = await _one(session, sighting_id)
    scopes.demand_seen(by, row[2], f"sighting {sighting_id}")
    return etags.answer(request, shown(row))


@router.post("/sightings/{sighting_id}/accept", response_model=SightingOut)
async def accept_sighting(
    request: Request, sighting_id: str, session: Session, here: Here, by: Watcher, now: Now,
    wanted: Acceptance | None = None,
) -> Response:  # fmt: skip
    """Take a suspect for a release: it is published now."""
    product, sighting = await _to_decide(session, sighting_id, by, now)
    await sightings.accept(
        session, product, sighting, version_text=wanted.version if wanted else None, by=by,
        zone=here.settings.time_zone, now=now,
    )  # fmt: skip
    return etags.answer(request, shown(await _one(session, sighting_id)))


@router.post("/sightings/{sighting_id}/dismiss", response_model=SightingOut)
async def dismiss_sighting(request: Request, sighting_id: str, session: Session, by: Watcher, now: Now) -> Response:
    """Leave a suspect out."""
    product, sighting = await _to_decide(session, sighting_id, by, now)
    await sightings.dismiss(session, product, sighting, by=by, now=now)
    return etags.answer(request, shown(await _one(session, sighting_id)))
