"""Which days are no working days, and why: weekends, bank holidays of the nations of the UK, and what is added to them.

Bank holidays of the Banking and Financial Dealings Act 1971 are those of the `holidays` library; what is proclaimed
after its release, and the closures of the institution, are handed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

Nation = Literal["england", "wales", "scotland", "northern-ireland"]

NATIONS: Mapping[Nation, str] = {
    "england": "England",
    "wales": "Wales",
    "scotland": "Scotland",
    "northern-ireland": "Northern Ireland",
}
"""The nations of the UK, and what they are called."""
_CODES: Mapping[Nation, str] = {"england": "ENG", "wales": "WLS", "scotland": "SCT", "northern-ireland": "NIR"}
_SATURDAY = 5
_WEEKEND = ("Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class DaysOff:
    """Days that the library does not know of: a proclaimed bank holiday of some nations, or a closure of no nation."""

    first: date
    last: date
    name: str
    nations: frozenset[Nation] = frozenset()

    @property
    def is_closure(self) -> bool:
        """Say whether only the institution is closed: the law then counts the day."""
        return not self.nations

    def days(self) -> Iterable[date]:
        """Yield each day."""
        return (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working days that one clock keeps to."""

    nations: tuple[Nation, ...]
    added: Mapping[date, str] = field(default_factory=dict)
    """What is no working day besides weekends and the library's holidays, by day."""

    @classmethod
    def made(cls, nations: Iterable[Nation], days_off: Iterable[DaysOff], *, closures: bool) -> "Calendar":
        """Make the calendar of these nations, with the closures of the institution or without."""
        named = tuple(nations)
        added: dict[date, str] = {}
        for one in days_off:
            concerned = one.nations & set(named)
            if (one.is_closure and closures) or concerned:
                name = f"{one.name} (closure)" if one.is_closure else _named(one.name, concerned, named)
                added |= dict.fromkeys(one.days(), name)
        return cls(named, added)

    @classmethod
    def kept(cls, days: Mapping[date, str]) -> "Calendar":
        """Make the calendar of a clock that has ended: the days that were none then, whatever is added since."""
        return cls((), days)

    def holiday(self, day: date) -> str | None:
        """Say what a day is called on which no work is done though it is no weekend; None on the others."""
        if day in self.added:
            return self.added[day]
        names: dict[str, set[Nation]] = {}
        for nation in self.nations:
            if name := _holidays(nation, day.year).get(day):
                names.setdefault(name, set()).add(nation)
        return "; ".join(_named(name, found, self.nations) for name, found in names.items()) or None

    def off(self, day: date) -> str | None:
        """Say why a day is no working day; None where it is one."""
        if day.weekday() >= _SATURDAY:
            return _WEEKEND[day.weekday() - _SATURDAY]
        return self.holiday(day)


def _named(name: str, of: Iterable[Nation], among: tuple[Nation, ...]) -> str:
    """Name a holiday, and where it is one if that is not everywhere that counts."""
    found = set(of)
    if found >= set(among):
        return name
    return f"{name} ({', '.join(called for nation, called in NATIONS.items() if nation in found)})"


@lru_cache(maxsize=1_024)
def _holidays(nation: Nation, year: int) -> Mapping[date, str]:
    import holidays  # noqa: PLC0415 - 50 ms, and not every process asks

    found = holidays.country_holidays("GB", subdiv=_CODES[nation], years=year, expand=False)
    return dict(found.items())
