"""/release/v1/releases."""

from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import directory, etags, listing
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
from lodge_kit.texts import Name, Words
from lodge_kit.world import Here, Now
from release_service import products, releases, rights, scopes
from release_service.tables import Product, Release

router = APIRouter(tags=["releases"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.READ)]
Manager = Annotated[Caller, requires(rights.MANAGE)]
Kind = Literal["statutory", "enhancement", "patch", "security", "unspecified"]
State = Literal["announced", "available", "withdrawn", "superseded"]


class ReleaseChange(Change):
    """What may be changed of a release; null clears (RFC 7396)."""

    kind: Kind = "unspecified"
    announced_on: date | None = None
    available_on: date | None = None
    notes: str = Field(default="", max_length=20_000, description="Plain text.")
    link: str | None = Field(default=None, max_length=2_000, pattern=r"^https?://[^\s]+$")


class ReleaseIn(ReleaseChange):
    """A release to record."""

    product: Id
    version: Name = Field(examples=["9.7.1"], description="As the supplier writes it.")
    state: Literal["announced", "available"] = "available"


class Withdrawal(BaseModel):
    """Why a release is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = Field(min_length=1, max_length=2_000)


class ReleaseOut(BaseModel):
    """One version of a product."""

    id: str
    etag: str
    product: Reference
    version: str
    is_prerelease: bool
    kind: Kind
    state: State
    announced_on: date | None
    available_on: date | None
    withdrawal_reason: str | None
    link: str | None
    notes: str
    changed_by: Reference | None = Field(description="Who wrote it last; null is a watched source alone.")
    created_at: datetime
    updated_at: datetime


_LONG_AGO = date(1, 1, 1)

RELEASES = Listing(
    ReleaseOut,
    key=col(Release.id),
    orders={
        "version": col(Release.sort_key),
        "available_on": func.coalesce(col(Release.available_on), _LONG_AGO),
        "created_at": col(Release.created_at),
    },
    default="-created_at",
)

Shown = Row[Release, Product, str | None]


def _releases() -> Select[Release, Product, str | None]:
    return (
        select(Release, Product, col(KnownName.name))
        .join(Product, col(Product.id) == col(Release.product))
        .outerjoin(KnownName, col(KnownName.id) == col(Release.changed_by))
    )


def shown(row: Shown) -> ReleaseOut:
    """Show a release with the names of what it refers to."""
    release, product = row[0], row[1]
    facts: dict[str, Any] = {
        "etag": etags.etag(release),
        "product": reference(product.id, product.name),
        "changed_by": reference(release.changed_by, row[2]),
    }
    return ReleaseOut.model_validate(
        release.model_dump(exclude={"version"}) | facts | {"version": release.version_text}
    )


async def _one(session: AsyncSession, release_id: str) -> Shown:
    await session.flush()
    row = (await session.execute(_releases().where(col(Release.id) == release_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no release {release_id} that you may see.")
    return row


async def _to_change(session: AsyncSession, release_id: str, by: Caller, now: datetime) -> tuple[Product, Release]:
    release, product = (await _one(session, release_id))[:2]
    scopes.demand(by, rights.MANAGE, product, f"release {release_id}")
    await directory.remember_caller(session, by, now=now)
    return product, release


@router.post("/releases", status_code=201, response_model=ReleaseOut)
async def create_release(request: Request, wanted: ReleaseIn, session: Session, by: Manager, now: Now) -> Response:
    """Record a release by hand: one that is announced, or that no watched source tells of."""
    try:
        product = await products.held(session, wanted.product)
        scopes.demand(by, rights.MANAGE, product, f"product {wanted.product}")
    except NotFound as why:
        raise Invalid.at("/product", why.detail, "unknown-product") from why
    await directory.remember_caller(session, by, now=now)
    version = releases.version_of(product, wanted.version)
    facts = wanted.model_dump(exclude={"product", "version"})
    release = await releases.add(session, product, version, facts, by=by, now=now)
    row = await _one(session, release.id)
    return etags.answer(request, shown(row), status=201, location=f"/release/v1/releases/{release.id}")


@router.get("/releases", responses=RELEASES.responses)
async def list_releases(
    request: Request, by: Reader, ask: Annotated[Ask, RELEASES.ask],
    product: Annotated[Id | None, Query(description="Of one product, newest version first if nothing else is asked.")]
    = None,
    kind: Annotated[list[Kind] | None, BeforeValidator(listing.several), Query()] = None,
    state: Annotated[list[State] | None, BeforeValidator(listing.several), Query()] = None,
    q: Annotated[str | None, Query(max_length=200, description="Words of the notes, the version, the product.")] = None,
    updated_after: datetime | None = None,
) -> Response:  # fmt: skip
    """List the releases that you may see. By version they can be sorted within one product only."""
    found = scopes.within(_releases(), by)
    if product:
        found = found.where(col(Release.product) == product)
        ask = ask if "sort" in request.query_params else replace(ask, sort="-version")
    elif ask.sort.endswith("version"):
        raise Invalid.at("query/sort", "Versions of two products cannot be compared: add product=prd_….", "order")
    if kind:
        found = found.where(col(Release.kind).in_(kind))
    if state:
        found = found.where(col(Release.state).in_(state))
    if q:
        found = found.where(listing.contains(q, col(Release.notes), col(Release.version_text), col(Product.name)))
    if updated_after:
        found = found.where(col(Release.updated_at) > updated_after)
    return await RELEASES.answer(request, ask, found, shown, filename="releases")


@router.get("/releases/{release_id}", response_model=ReleaseOut)
async def get_release(request: Request, release_id: str, session: Session, by: Reader) -> Response:
    """Read a release."""
    row = await _one(session, release_id)
    scopes.demand_seen(by, row[1], f"release {release_id}")
    return etags.answer(request, shown(row))


@router.patch("/releases/{release_id}", response_model=ReleaseOut)
async def change_release(
    request: Request, release_id: str, wanted: ReleaseChange, session: Session, if_match: IfMatch, by: Manager,
    now: Now,
) -> Response:  # fmt: skip
    """Change what is known of a release; no watched source overwrites it from then on."""
    product, release = await _to_change(session, release_id, by, now)
    etags.demand(release, if_match)
    await releases.change(session, product, release, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, shown(await _one(session, release_id)))


@router.post("/releases/{release_id}/publish", response_model=ReleaseOut)
async def publish_release(
    request: Request, release_id: str, session: Session, here: Here, by: Manager, now: Now
) -> Response:
    """Say that what was announced is there."""
    product, release = await _to_change(session, release_id, by, now)
    today = now.astimezone(here.settings.time_zone).date()
    await releases.make_available(session, product, release, on=today, by=by, now=now)
    return etags.answer(request, shown(await _one(session, release_id)))


@router.post("/releases/{release_id}/withdraw", response_model=ReleaseOut)
async def withdraw_release(
    request: Request, release_id: str, wanted: Withdrawal, session: Session, by: Manager, now: Now
) -> Response:
    """Take a release back: it stays on record, and is nobody's newest any more."""
    product, release = await _to_change(session, release_id, by, now)
    await releases.withdraw(session, product, release, reason=wanted.reason, by=by, now=now)
    return etags.answer(request, shown(await _one(session, release_id)))
