"""The ids that may stand for a person."""

from typing import Annotated

from pydantic import StringConstraints

from lodge_kit.ids import PATTERN

PersonId = Annotated[str, StringConstraints(pattern=PATTERN.replace("[a-z]{3}", "per"))]
"""The id of a person: no service account answers for a product."""
