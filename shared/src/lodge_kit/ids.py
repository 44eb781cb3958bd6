"""Identifiers: a prefix that names the kind, and a ULID that sorts by the time of its making.

The prefixes are one table (`docs/api.md`); they are opaque to callers.
"""

from typing import Annotated

from pydantic import StringConstraints
from ulid import ULID

PATTERN = r"^[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}$"

Id = Annotated[str, StringConstraints(pattern=PATTERN)]
"""Any Lodge id, validated: three letters, an underscore, 26 characters of Crockford's base 32."""


def new(prefix: str) -> str:
    """Make an id of the kind that `prefix` names, `new("per")` → `per_01J…`."""
    return f"{prefix}_{ULID()}"
