"""A figure: what was measured, beside its peer; and the rounds, taken in turn, that it is the median of."""

import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Tell = Callable[[str], None]
"""Says what a bench is at, in a few words."""

Round = Callable[[], Awaitable[float]]
"""Measures once."""


@dataclass(frozen=True)
class Figure:
    """`value` is ours and `peer_value` the peer's, both in `unit`; `peer` says in a few words what the peer is."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float

    @property
    def ratio(self) -> float:
        """Ours by the peer's. Where the unit is a rate, above 1 is faster; where it is a cost, below 1 is cheaper."""
        return self.value / self.peer_value

    def written(self) -> dict[str, Any]:
        """Answer the entry of the file."""
        return {
            "name": self.name, "value": _rounded(self.value), "unit": self.unit,
            "peer": self.peer, "peer_value": _rounded(self.peer_value), "ratio": _rounded(self.ratio),
        }  # fmt: skip


async def in_turn(ours: Round, peer: Round, *, rounds: int, within: float, tell: Tell) -> tuple[float, float]:
    """Measure ours, the peer, ours, the peer …, and answer the two medians.

    In turn, since a machine's speed drifts. No round begins after `within` seconds, but one of each always does.
    """
    began = time.monotonic()
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        if number and time.monotonic() - began > within:
            tell(f"out of time after {number} of {rounds} rounds")
            break
        for values, measure in zip(found, (ours, peer), strict=True):
            values.append(await measure())
        tell(f"round {number + 1} of {rounds}: {_number(found[0][-1])}, peer {_number(found[1][-1])}")
    return statistics.median(found[0]), statistics.median(found[1])


def table(figures: Sequence[Figure]) -> str:
    """Write the figures for people."""
    rows = [("", "Lodge", "peer", "ratio", "unit", "peer is")]
    rows += [
        (one.name, _number(one.value), _number(one.peer_value), f"{one.ratio:.2f}", one.unit, one.peer)
        for one in figures
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    numbers = {1, 2, 3}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def keep(figures: Sequence[Figure], file: Path) -> None:
    """Write the figures into the file; those of benches that were not run now stay as they are there."""
    try:
        kept = json.loads(file.read_text())
    except (OSError, ValueError):
        kept = []
    now = {one.name for one in figures}
    entries = [one for one in kept if isinstance(one, dict) and one.get("name") not in now]
    entries += [one.written() for one in figures]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(entries, indent=2) + "\n")


def _rounded(value: float) -> float:
    """Keep four digits that mean something."""
    return float(f"{value:.4g}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
