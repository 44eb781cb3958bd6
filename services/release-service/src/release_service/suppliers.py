"""Suppliers: who delivers software to the institution."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Invalid, NotFound
from release_service.tables import Supplier


async def get(session: AsyncSession, supplier_id: str) -> Supplier:
    """Read a supplier. Raises `NotFound`."""
    supplier = await session.get(Supplier, supplier_id)
    if supplier is None:
        raise NotFound(f"There is no supplier {supplier_id}.")
    return supplier


async def demand(session: AsyncSession, supplier_id: str) -> None:
    """Refuse with 422 a supplier that a body names and that does not exist."""
    if await session.get(Supplier, supplier_id) is None:
        raise Invalid.at("/supplier", f"There is no supplier {supplier_id}.", "unknown-supplier")


async def add(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> Supplier:
    """Add a supplier; `facts` are columns of `Supplier`. A name that is taken is a conflict."""
    supplier = Supplier(id=ids.new("sup"), created_at=now, updated_at=now, **facts)
    session.add(supplier)
    await session.flush()
    audit.record(session, "supplier.created", kind="supplier", of=supplier.id, by=by, now=now, name=supplier.name)
    return supplier


async def change(
    session: AsyncSession, supplier: Supplier, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change what `facts` names."""
    for name, value in facts.items():
        setattr(supplier, name, value)
    supplier.updated_at = now
    await session.flush()
    audit.record(session, "supplier.changed", kind="supplier", of=supplier.id, by=by, now=now, changed=sorted(facts))
