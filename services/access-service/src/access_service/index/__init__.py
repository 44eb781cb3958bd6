"""Decisions from memory: who holds what, read from the database, kept current by its notifications.

`model` is the catalogue, `subjects` who holds which roles, `deciding` puts both together, `loading` reads the rows,
`keeping` follows the changes and says whether the index may be trusted now. Where it may not, SQL answers.
"""

from access_service.index.deciding import Index
from access_service.index.keeping import Keeper

__all__ = ["Index", "Keeper"]
