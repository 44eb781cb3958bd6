"""The registry of access-service's own rows."""

from sqlalchemy import CheckConstraint, MetaData
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from lodge_kit.tables import NAMING


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A row of access-service."""


def one_of(column: str, *words: str) -> CheckConstraint:
    """Hold a column to these words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
