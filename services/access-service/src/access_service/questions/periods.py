"""When something held: instants, as spans that begin with their first and end before their last; no I/O, no clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

BEGINNING = datetime.min.replace(tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)
"""Stands for no end: greater than any instant that a row holds."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Periods:
    """A set of instants: spans `[since, until)` in order, none of them empty, none that touches the next."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[tuple[datetime, datetime | None]]) -> "Periods":
        """Make one of spans in any order, which may overlap; one that ends where it begins holds nothing."""
        found: list[Span] = []
        for since, end in sorted((since, end or FOREVER) for since, end in spans):
            if end <= since:
                continue
            if found and since <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], end))
            else:
                found.append((since, end))
        return cls(tuple(found))

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __and__(self, other: "Periods") -> "Periods":
        return Periods.of(
            (max(since, begins), min(until, ends)) for since, until in self.spans for begins, ends in other.spans
        )

    def __or__(self, other: "Periods") -> "Periods":
        return Periods.of((*self.spans, *other.spans))

    def __contains__(self, at: datetime) -> bool:
        return any(since <= at < until for since, until in self.spans)

    def nearest(self, at: datetime) -> Span | None:
        """Answer the span that `at` is in, else the one that is nearest; of two as near, the one that was."""
        return min(self.spans, key=lambda span: _distance(span, at), default=None)

    def turn(self, at: datetime) -> datetime | None:
        """Answer when it ended, or will begin, where it does not hold; None where it never does."""
        span = self.nearest(at)
        return None if span is None else span[0] if at < span[0] else span[1]


ALWAYS = Periods(((BEGINNING, FOREVER),))
NEVER = Periods()


def _distance(span: Span, at: datetime) -> tuple[float, int]:
    since, until = span
    if at < since:
        return (since - at).total_seconds(), 1
    return (max(0.0, (at - until).total_seconds()), int(at >= until))
