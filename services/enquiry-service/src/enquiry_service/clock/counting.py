"""Counting the days of a clock, each with its reason: the last one is the day by which it is due."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from enquiry_service.clock.calendars import Calendar
from enquiry_service.clock.profiles import Cause, Profile

LONGEST = 366 * 150
"""Days: a clock that has not come to an end by then has a calendar without working days."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which something was waited for, both days included; `last` is None while it still is."""

    cause: Cause
    first: date
    last: date | None

    def covers(self, day: date) -> bool:
        """Say whether the clock stands still on that day."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a clock: whether it counts, as which, and why or why not."""

    on: date
    number: int | None
    """Which of the counted days it is; None where it does not count."""
    reason: str

    @property
    def is_counted(self) -> bool:
        """Say whether it counts."""
        return self.number is not None


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a clock comes to. `start` is the day counted from, `target` how many days were to be counted after it.

    `due_on` is None while something is waited for: the date is not known before it has come.
    """

    start: date
    target: int
    due_on: date | None
    days: tuple[Day, ...]


_WAITING: Mapping[Cause, str] = {
    "clarification": "Waiting for clarification",
    "fee": "Waiting for the fee",
    "identity": "Waiting for proof of identity",
}
_CAME: Mapping[Cause, str] = {
    "clarification": "Clarification received",
    "fee": "The fee was paid",
    "identity": "Identity confirmed",
}


def reckon(
    profile: Profile, received: date, pauses: Sequence[Pause], *, extended: int, calendar: Calendar, until: date
) -> Reckoning:
    """Count from the day of receipt to the day by which it is due.

    Pauses are in order and do not overlap; one that begins after that day changes nothing. `extended` is in the
    profile's unit. `until` is how far days are listed while something is waited for.
    """
    counter = _Counter(profile, extended, received, calendar)
    for day in _days_from(received):
        pause = next((one for one in pauses if one.covers(day)), None)
        if pause is not None and pause.last is None and day > max(until, pause.first):
            return counter.result(None)
        if pause is not None:
            counter.wait(day, pause)
        elif counter.take(day):
            return counter.result(day)
    raise ValueError(f"no working day ends this clock within {LONGEST} days")


class _Counter:
    """Takes days one by one."""

    def __init__(self, profile: Profile, extended: int, received: date, calendar: Calendar) -> None:
        self._profile, self._extended, self._calendar = profile, extended, calendar
        self._days: list[Day] = []
        self._begin(received)

    def _begin(self, day: date) -> None:
        self._start, self._number = day, 0
        self._target = self._profile.target(day, extended=self._extended)

    def _note(self, day: date, reason: str, number: int | None = None) -> None:
        self._days.append(Day(day, number, reason))

    def wait(self, day: date, pause: Pause) -> None:
        """Take a day on which the clock stands still; on the last one of a restart it begins anew."""
        restarts = self._profile.effects.get(pause.cause, "suspend") == "restart"
        if restarts and day == pause.last:
            self._begin(day)
            self._note(day, f"{_CAME[pause.cause]}: counting begins anew after this day.")
        else:
            self._note(day, f"{_WAITING[pause.cause]}{' since this day' if day == pause.first else ''}.")

    def take(self, day: date) -> bool:
        """Take another day; says whether it is the one by which it is due."""
        if day == self._start:
            self._note(day, "Received: counting begins after this day.")
            return False
        if self._number == self._target:
            return self._move(day)
        off = self._calendar.off(day) if self._profile.unit == "working-days" else None
        if off:
            self._note(day, f"{off}.")
            return False
        self._number += 1
        if self._number < self._target:
            self._note(day, "Counted.", self._number)
            return False
        return self._arrive(day)

    def _arrive(self, day: date) -> bool:
        """Take the last day that counts; in months it may be no working day, and the date then moves on."""
        off = self._calendar.off(day)
        self._note(day, f"{off}: the date moves to the next working day." if off else "The last day.", self._number)
        return off is None

    def _move(self, day: date) -> bool:
        off = self._calendar.off(day)
        self._note(day, f"{off}: the date moves on." if off else "The next working day.")
        return off is None

    def result(self, due_on: date | None) -> Reckoning:
        return Reckoning(self._start, self._target, due_on, tuple(self._days))


def _days_from(first: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range(min(LONGEST, (date.max - first).days)))
