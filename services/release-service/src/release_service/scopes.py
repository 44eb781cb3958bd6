"""Where a caller's rights reach: a product's org unit decides for it, its releases, its sources and sightings.

A product without one, and all suppliers, are the whole institution's: changed by callers whose right holds everywhere.
"""

from typing import TypeVarTuple

from sqlalchemy import Select
from sqlmodel import col

from lodge_kit.identity import Caller, Permission
from lodge_kit.problems import NotFound
from release_service import rights
from release_service.tables import Product

Columns = TypeVarTuple("Columns")


def within(found: Select[*Columns], by: Caller) -> Select[*Columns]:
    """Narrow a question that joins `Product` to what the caller may read."""
    scope = by.scope(rights.READ)
    return found if scope == "*" else found.where(col(Product.org_unit).in_(scope))


def demand_seen(by: Caller, product: Product, what: str) -> None:
    """Refuse with 404 what the caller may not read; `what` names it, "release rel_…"."""
    if not by.may(rights.READ, product.org_unit or ""):
        raise NotFound(f"There is no {what} that you may see.")


def demand(by: Caller, permission: Permission, product: Product, what: str) -> None:
    """Refuse with 403 what the caller may read and not change, with 404 what that one may not read."""
    if by.may(rights.READ):
        demand_seen(by, product, what)
    by.demand(permission, product.org_unit or "")
