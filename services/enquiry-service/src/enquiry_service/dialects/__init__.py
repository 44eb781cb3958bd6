"""How each product's SQL is read, checked and written down again: one module a dialect, whose face is its `DIALECT`."""

from enquiry_service.dialects.dialect import Dialect

__all__ = ["Dialect"]
