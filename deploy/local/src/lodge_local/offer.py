"""Whether a home has the demonstration data: offered once, to a new home, and on record in its file `demonstration`.

`none`; or `loading` or `loaded` with the day on which loading began, which all of it is counted back from, and the
LODGE_PORT that it was last told of.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Self

from lodge_local.home import Home, write_secret

_FILE = "demonstration"


@dataclass(frozen=True, slots=True)
class Offer:
    """What became of the offer."""

    state: str
    day: date
    port: int

    @classmethod
    def read(cls, home: Home) -> Self | None:
        """Answer what is on record; None in a home that was never started."""
        file = home.folder / _FILE
        if not file.exists():
            return None
        state, day, port = file.read_text().split()
        return cls(state, date.fromisoformat(day), int(port))

    @classmethod
    def made(cls, home: Home, *, is_taken: bool, port: int) -> Self:
        """Answer what is on record, put there by this call where there is nothing yet."""
        found = cls.read(home)
        if found is None:
            found = cls("loading" if is_taken else "none", datetime.now(UTC).date(), port)
            _write(home, found)
        return found

    @property
    def is_taken(self) -> bool:
        """Say whether the home is to have the data."""
        return self.state != "none"

    def is_settled(self, port: int) -> bool:
        """Say whether nothing is left to load, nor to be told of another port."""
        return not self.is_taken or (self.state == "loaded" and self.port == port)

    def settle(self, home: Home, port: int) -> None:
        """Put on record, last of all, that it was loaded."""
        _write(home, replace(self, state="loaded", port=port))


def _write(home: Home, offer: Offer) -> None:
    write_secret(home.folder / _FILE, f"{offer.state} {offer.day} {offer.port}")
