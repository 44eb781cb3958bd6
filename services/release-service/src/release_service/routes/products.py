"""/release/v1/products."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import LateralFromClause
from sqlmodel import col

from lodge_kit import directory, etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Name
from lodge_kit.world import Here, Now
from release_service import products, rights, scopes
from release_service.routes.references import PersonId
from release_service.tables import Product, Release, Supplier
from release_service.versions import Scheme

router = APIRouter(tags=["products"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.READ)]
Manager = Annotated[Caller, requires(rights.MANAGE)]

_RE2 = "An RE2 pattern: no look-around, no back-references."


class ProductChange(Change):
    """What may be changed of a product; null clears (RFC 7396)."""

    name: Name = Field(default="")
    owner: PersonId = Field(default="", description="The person who answers for it here.")
    org_unit: Id | None = Field(default=None, description="Whose scope it is in; null is the whole institution's.")
    scheme: Scheme = Field(default=Scheme.MAVEN, description="How its versions are ordered.")
    prefix: str = Field(default="", max_length=100, description="What stands before a version, and is no part of it.")
    include: str = Field(default="", max_length=500, description=f"Only labels that it matches are releases. {_RE2}")
    exclude: str = Field(default="", max_length=500, description=f"Labels that it matches are left out. {_RE2}")
    title_pattern: str = Field(
        default="", max_length=500,
        description=f"Finds the version in an entry's title, in the group `version`, else the first. {_RE2}",
    )  # fmt: skip
    prereleases: bool = Field(default=False, description="Whether pre-releases count as releases.")


class ProductIn(ProductChange):
    """A product to add."""

    supplier: Id
    name: Name = Field(examples=["Campus Records"])
    owner: PersonId = Field(description="The person who answers for it here.")


class ProductOut(BaseModel):
    """What a supplier delivers, and how its releases are named."""

    id: str
    etag: str
    name: str
    supplier: Reference
    owner: Reference
    org_unit: Reference | None
    newest: Reference | None = Field(description="The newest release that is available; its name is its version.")
    scheme: Scheme
    prefix: str
    include: str
    exclude: str
    title_pattern: str
    prereleases: bool
    created_at: datetime
    updated_at: datetime


PRODUCTS = Listing(
    ProductOut,
    key=col(Product.id),
    orders={
        "name": col(Product.name), "created_at": col(Product.created_at), "updated_at": col(Product.updated_at),
    },
    default="name",
)  # fmt: skip

Shown = Row[Product, str, str | None, str | None, str | None, str | None]


def _newest() -> LateralFromClause:
    counts = or_(col(Release.is_prerelease).is_(False), col(Product.prereleases))
    found: Select[str, str] = select(col(Release.id).label("id"), col(Release.version_text).label("version_text"))
    found = found.where(col(Release.product) == col(Product.id), col(Release.state) == "available", counts)
    return found.order_by(col(Release.sort_key).desc()).limit(1).correlate(Product).lateral("newest")


def _products() -> Select[Product, str, str | None, str | None, str | None, str | None]:
    newest, unit = _newest(), aliased(KnownName)
    return (
        select(Product, col(Supplier.name), col(KnownName.name), newest.c.id, newest.c.version_text, col(unit.name))
        .join(Supplier, col(Supplier.id) == col(Product.supplier))
        .outerjoin(KnownName, col(KnownName.id) == col(Product.owner))
        .outerjoin(unit, col(unit.id) == col(Product.org_unit))
        .outerjoin(newest, true())
    )


def shown(row: Shown) -> ProductOut:
    """Show a product with the names of what it refers to."""
    product = row[0]
    references = {
        "etag": etags.etag(product),
        "supplier": reference(product.supplier, row[1]),
        "owner": reference(product.owner, row[2]),
        "newest": reference(row[3], row[4]),
        "org_unit": reference(product.org_unit, row[5]),
    }
    return ProductOut.model_validate(product.model_dump() | references)


async def _one(session: AsyncSession, product_id: str) -> Shown:
    await session.flush()
    row = (await session.execute(_products().where(col(Product.id) == product_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no product {product_id} that you may see.")
    return row


@router.post("/products", status_code=201, response_model=ProductOut)
async def create_product(
    request: Request, wanted: ProductIn, session: Session, here: Here, by: Manager, now: Now
) -> Response:
    """Add a product of a supplier."""
    by.demand(rights.MANAGE, wanted.org_unit or "")
    await directory.remember_caller(session, by, now=now)
    await directory.demand_known(
        session, here.directory, [("/owner", wanted.owner), ("/org_unit", wanted.org_unit)], now=now
    )
    product = await products.add(session, wanted.model_dump(), by=by, now=now)
    row = await _one(session, product.id)
    return etags.answer(request, shown(row), status=201, location=f"/release/v1/products/{product.id}")


@router.get("/products", responses=PRODUCTS.responses)
async def list_products(
    request: Request, by: Reader, ask: Annotated[Ask, PRODUCTS.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of its name or its supplier's.")] = None,
    supplier: Id | None = None,
    owner: Annotated[str | None, Query(description="Whose: an id, or `me`.")] = None,
) -> Response:  # fmt: skip
    """List the products that you may see."""
    found = scopes.within(_products(), by)
    if q:
        found = found.where(contains(q, col(Product.name), col(Supplier.name)))
    if supplier:
        found = found.where(col(Product.supplier) == supplier)
    if owner:
        found = found.where(col(Product.owner) == by.named(owner))
    return await PRODUCTS.answer(request, ask, found, shown, filename="products")


@router.get("/products/{product_id}", response_model=ProductOut)
async def get_product(request: Request, product_id: str, session: Session, by: Reader) -> Response:
    """Read a product."""
    row = await _one(session, product_id)
    scopes.demand_seen(by, row[0], f"product {product_id}")
    return etags.answer(request, shown(row))


@router.patch("/products/{product_id}", response_model=ProductOut)
async def change_product(
    request: Request, product_id: str, wanted: ProductChange, session: Session, here: Here, if_match: IfMatch,
    by: Manager, now: Now,
) -> Response:  # fmt: skip
    """Change a product. Another scheme orders its releases anew; another naming has its sources read anew."""
    product = await products.held(session, product_id)
    scopes.demand(by, rights.MANAGE, product, f"product {product_id}")
    etags.demand(product, if_match)
    facts = wanted.model_dump(exclude_unset=True)
    if "org_unit" in facts:
        by.demand(rights.MANAGE, facts["org_unit"] or "")
    await directory.remember_caller(session, by, now=now)
    await directory.demand_known(
        session, here.directory, [("/owner", facts.get("owner")), ("/org_unit", facts.get("org_unit"))], now=now
    )
    await products.change(session, product, facts, by=by, now=now)
    return etags.answer(request, shown(await _one(session, product_id)))
