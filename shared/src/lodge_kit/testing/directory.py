"""The directory of people for tests: what access-service would answer, from a list that the test writes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lodge_kit.directory import DirectoryAway, Recipient, Reference


@dataclass
class People:
    """A `Directory` that knows whom it was told of; `away` makes it answer as access-service does when it is away."""

    administrators: list[str] = field(default_factory=list)
    away: bool = False
    _known: dict[str, Recipient] = field(default_factory=dict)
    _left: dict[str, str | None] = field(default_factory=dict)

    def add(
        self, person: str, name: str, *, email: str | None = None, notices: Literal["each", "daily", "none"] = "each"
    ) -> str:
        """Know a person; answers the id."""
        self._known[person] = Recipient(id=person, name=name, email=email, notices=notices)
        return person

    def leave(self, person: str, *, deputy: str | None = None) -> None:
        """Have a person left, with this deputy."""
        self._left[person] = deputy

    async def names(self, wanted: Sequence[str]) -> list[Reference]:
        """Answer those of `wanted` that exist."""
        self._demand_there()
        return [Reference(id=one, name=self._known[one].name) for one in wanted if one in self._known]

    async def recipients(self, person: str) -> list[Recipient]:
        """Answer who is told when `person` is meant: that person, else the deputy, else the administrators."""
        self._demand_there()
        here: str | None = person
        seen: set[str] = set()
        while here is not None and here not in seen:
            seen.add(here)
            if here in self._known and here not in self._left:
                return [self._known[here]]
            here = self._left.get(here)
        return [self._known[one] for one in self.administrators]

    def _demand_there(self) -> None:
        if self.away:
            raise DirectoryAway("access-service cannot be asked about people now. Try again in a moment.")
