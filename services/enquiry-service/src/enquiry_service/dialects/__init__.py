"""How each product's SQL is read, checked and written down again: one module a dialect, whose face is its `DIALECT`."""

from importlib import import_module

from enquiry_service.dialects.dialect import Dialect

__all__ = ["Dialect", "of"]


def of(adapter: str) -> Dialect:
    """Answer the dialect that an adapter's sources speak: it has the adapter's name."""
    found: Dialect = import_module(f"enquiry_service.dialects.{adapter}").DIALECT
    return found
