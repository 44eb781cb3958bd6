"""What every row of enquiry-service is."""

from sqlalchemy import CheckConstraint, MetaData
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from lodge_kit.tables import NAMING


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """A row of enquiry-service."""


def one_of(column: str, *words: str) -> CheckConstraint:
    """Make the constraint that `column` holds one of `words`; one more is a migration."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
