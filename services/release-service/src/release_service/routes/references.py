"""`{id, name}` references, and the ids that may stand for a person."""

from typing import Annotated

from pydantic import StringConstraints

from lodge_kit.directory import Reference
from lodge_kit.ids import PATTERN

PersonId = Annotated[str, StringConstraints(pattern=PATTERN.replace("[a-z]{3}", "per"))]
"""The id of a person: no service account answers for a product."""


def reference(one: str | None, name: str | None) -> Reference | None:
    """Refer to something by its id and the name that is known of it."""
    return Reference(id=one, name=name or "") if one else None
