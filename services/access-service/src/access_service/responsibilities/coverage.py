"""Whether somebody answers for a support function of a product on a day; no I/O, no clock.

RACI: one *accountable* (a person or a post, never a team) with a named deputy, at least one *responsible*. Days are
those of the institution; spans include both ends. Who has left, and a post that nobody holds, answers for nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

Place = tuple[str, str]
"""A support function and a product, by their ids."""


class GapKind(StrEnum):
    """What is missing."""

    NO_ACCOUNTABLE = "no-accountable"
    NO_RESPONSIBLE = "no-responsible"
    NO_DEPUTY = "no-deputy"


@dataclass(frozen=True, slots=True)
class Duty:
    """A responsibility, with how long those whom it names are there."""

    function: str
    product: str
    letter: str
    starts_on: date
    ends_on: date | None = None
    holder_until: date | None = None
    """The last day on which the holder is there; null is without end."""
    deputy_until: date | None = None
    has_deputy: bool = False

    @property
    def place(self) -> Place:
        """Answer what it is for."""
        return self.function, self.product

    def holds(self, on: date) -> bool:
        """Say whether the holder answers for it on this day."""
        return self.starts_on <= on and _there(self.ends_on, on) and _there(self.holder_until, on)

    def has_deputy_on(self, on: date) -> bool:
        """Say whether somebody stands in for the holder on this day."""
        return self.has_deputy and _there(self.deputy_until, on)


Gap = tuple[Place, GapKind]


def gaps(duties: Iterable[Duty], places: Collection[Place], on: date) -> list[Gap]:
    """Answer what is missing on a day, in the order of `places`."""
    return _gaps(_by_place(duties), places, on)


def openings(duties: Iterable[Duty], places: Collection[Place], *, today: date, until: date) -> dict[Gap, date]:
    """Answer the gaps of today and those that open until a day, each with the first day of the nearest one.

    A gap of today has today as its day, however long it has been there.
    """
    by_place = _by_place(duties)
    found: dict[Gap, date] = {}
    for day in sorted({today, *_turns(by_place, today, until)}):
        for gap in _gaps(by_place, places, day):
            found.setdefault(gap, day)
    return found


def _gaps(duties: Mapping[Place, Sequence[Duty]], places: Iterable[Place], on: date) -> list[Gap]:
    return [(place, kind) for place in places for kind in _missing(duties.get(place, ()), on)]


def _missing(duties: Sequence[Duty], on: date) -> list[GapKind]:
    held = [duty for duty in duties if duty.holds(on)]
    accountable = [duty for duty in held if duty.letter == "A"]
    missing = []
    if not accountable:
        missing.append(GapKind.NO_ACCOUNTABLE)
    elif not any(duty.has_deputy_on(on) for duty in accountable):
        missing.append(GapKind.NO_DEPUTY)
    if not any(duty.letter == "R" for duty in held):
        missing.append(GapKind.NO_RESPONSIBLE)
    return missing


def _turns(by_place: Mapping[Place, Sequence[Duty]], today: date, until: date) -> set[date]:
    """Answer the days on which something may be missing that was not the day before."""
    duties = [duty for held in by_place.values() for duty in held]
    lasts = [last for duty in duties for last in (duty.ends_on, duty.holder_until, duty.deputy_until)]
    days = {last + timedelta(days=1) for last in lasts if last is not None and last < until}
    # Somebody who becomes accountable without a deputy opens a gap too.
    days |= {duty.starts_on for duty in duties}
    return {day for day in days if today < day <= until}


def _by_place(duties: Iterable[Duty]) -> dict[Place, list[Duty]]:
    found: dict[Place, list[Duty]] = {}
    for duty in duties:
        found.setdefault(duty.place, []).append(duty)
    return found


def _there(last_day: date | None, on: date) -> bool:
    return last_day is None or on <= last_day
