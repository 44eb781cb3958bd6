"""Chance that is the same every time: numbers, instants and ids drawn from a seed."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from ulid import ULID

SEED = "aldermoor"
T = TypeVar("T")
_SATURDAY = 5
_FIRST, _LAST = 8 * 60, 18 * 60  # the minutes of a day in which people work


class Chance:
    """One stream of chance by its name: what another stream draws does not move it."""

    def __init__(self, name: str, seed: str = SEED) -> None:
        self._random = random.Random(f"{seed} {name}")  # noqa: S311 - it is to be guessed

    def one(self, of: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """Draw one."""
        return self._random.choices(of, weights)[0] if weights else of[int(self._random.random() * len(of))]

    def some(self, of: Sequence[T], count: int) -> list[T]:
        """Draw several, each at most once."""
        return self._random.sample(of, min(count, len(of)))

    def happens(self, share: float) -> bool:
        """Say yes in this share of the cases."""
        return self._random.random() < share

    def number(self, low: int, high: int) -> int:
        """Draw a whole number, the ends included."""
        return low + int(self._random.random() * (high - low + 1))

    def near(self, middle: float, spread: float) -> float:
        """Draw from a bell around `middle`."""
        return self._random.gauss(middle, spread)

    def wait(self, days: float) -> timedelta:
        """Draw how long something takes that takes `days` on average: mostly less, at times far more."""
        return timedelta(days=self._random.expovariate(1 / days))

    def working(self, day: date) -> datetime:
        """Draw an instant of the working hours of `day`, or of the Monday after a weekend."""
        weekday = day.weekday()
        if weekday >= _SATURDAY:
            day += timedelta(days=7 - weekday)
        return at(day) + timedelta(minutes=self.number(_FIRST, _LAST), milliseconds=self.number(0, 59_999))

    def digest(self) -> str:
        """Draw what looks like a SHA-256 in hex."""
        return f"{self._random.getrandbits(256):064x}"

    def id(self, prefix: str, made: datetime) -> str:
        """Make an id that says, as a real one does, when it was made."""
        milliseconds = int(made.timestamp() * 1000)
        drawn = milliseconds.to_bytes(6, "big") + self._random.getrandbits(80).to_bytes(10, "big")
        return f"{prefix}_{ULID.from_bytes(drawn)}"


def at(day: date) -> datetime:
    """Answer the first instant of a day."""
    return datetime.combine(day, time(), UTC)
