"""Identifiers: a prefix that names the kind, and a ULID that sorts by the time of its making.

The prefixes are one table (`docs/api.md`); they are opaque to callers.
"""

import time
from typing import Annotated

from pydantic import StringConstraints
from ulid import ULID

PATTERN = r"^[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}$"

Id = Annotated[str, StringConstraints(pattern=PATTERN)]
"""Any Lodge id, validated: three letters, an underscore, 26 characters of Crockford's base 32."""


def new(prefix: str) -> str:
    """Make an id of the kind that `prefix` names, `new("per")` → `per_01J…`."""
    return f"{prefix}_{ULID()}"


_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]
_OF_ONE = len(_PAIRS) ** 2
"""How many ids are made of one ULID: all that its last four digits can tell apart."""
_AS_GOOD_AS_NOW = 0.01
"""Seconds for which a ULID's time is right enough."""


class Series:
    """Ids of one kind for what is made by the ten thousand a second, ten times as fast as `new`.

    For a hundredth of a second they are one ULID, of which the last four digits count.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._head = ""
        self._number = _OF_ONE
        self._until = 0.0

    def new(self) -> str:
        """Make the next id."""
        number = self._number
        if number == _OF_ONE or time.monotonic() > self._until:
            self._head = new(self._prefix)[:-4]
            self._until = time.monotonic() + _AS_GOOD_AS_NOW
            number = 0
        self._number = number + 1
        return self._head + _PAIRS[number >> 10] + _PAIRS[number & 1023]
