"""/release/v1/suppliers."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, select
from sqlmodel import col

from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.texts import Name
from lodge_kit.world import Now
from release_service import rights, suppliers
from release_service.tables import Supplier

router = APIRouter(tags=["suppliers"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.READ)]
Manager = Annotated[Caller, requires(rights.MANAGE)]


class SupplierChange(Change):
    """What may be changed of a supplier; null clears (RFC 7396)."""

    name: Name = Field(default="")
    website: str | None = Field(default=None, max_length=2_000, pattern=r"^https?://[^\s]+$")


class SupplierIn(SupplierChange):
    """A supplier to add."""

    name: Name = Field(examples=["Meridian Campus Systems"])


class SupplierOut(BaseModel):
    """Who delivers software to the institution."""

    id: str
    etag: str
    name: str
    website: str | None
    created_at: datetime
    updated_at: datetime


SUPPLIERS = Listing(
    SupplierOut,
    key=col(Supplier.id),
    orders={"name": col(Supplier.name), "created_at": col(Supplier.created_at)},
    default="name",
)


def shown(supplier: Supplier) -> SupplierOut:
    """Show a supplier."""
    return SupplierOut.model_validate(supplier.model_dump() | {"etag": etags.etag(supplier)})


def _listed(row: Row[Supplier]) -> SupplierOut:
    return shown(row[0])


@router.post("/suppliers", status_code=201, response_model=SupplierOut)
async def create_supplier(request: Request, wanted: SupplierIn, session: Session, by: Manager, now: Now) -> Response:
    """Add a supplier."""
    by.demand(rights.MANAGE, "")
    supplier = await suppliers.add(session, wanted.model_dump(), by=by, now=now)
    return etags.answer(request, shown(supplier), status=201, location=f"/release/v1/suppliers/{supplier.id}")


@router.get("/suppliers", responses=SUPPLIERS.responses)
async def list_suppliers(
    request: Request, _by: Reader, ask: Annotated[Ask, SUPPLIERS.ask],
    q: Annotated[str | None, Query(max_length=200, description="Words of the name.")] = None,
) -> Response:  # fmt: skip
    """List the suppliers."""
    found = select(Supplier)
    if q:
        found = found.where(contains(q, col(Supplier.name)))
    return await SUPPLIERS.answer(request, ask, found, _listed, filename="suppliers")


@router.get("/suppliers/{supplier_id}", response_model=SupplierOut)
async def get_supplier(request: Request, supplier_id: str, session: Session, _by: Reader) -> Response:
    """Read a supplier."""
    return etags.answer(request, shown(await suppliers.get(session, supplier_id)))


@router.patch("/suppliers/{supplier_id}", response_model=SupplierOut)
async def change_supplier(
    request: Request, supplier_id: str, wanted: SupplierChange, session: Session, if_match: IfMatch, by: Manager,
    now: Now,
) -> Response:  # fmt: skip
    """Change what is known of a supplier."""
    supplier = await suppliers.get(session, supplier_id)
    by.demand(rights.MANAGE, "")
    etags.demand(supplier, if_match)
    await suppliers.change(session, supplier, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, shown(supplier))
