"""Decisions without I/O: what may inherit from what, and where a right holds."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Literal

Scope = Literal["*"] | frozenset[str]


def inherits_in_circle(inheritance: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Answer a circle in the inheritance of roles, from a role back to itself; None when there is none (RBAC1)."""
    try:
        TopologicalSorter(inheritance).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]  # each inherited by the next
        return circle[::-1]
    return None


def covered(units: Iterable[str], parents: Mapping[str, str | None]) -> frozenset[str]:
    """Answer these org units and all below them; `parents` maps each unit to the one above it."""
    wanted = set(units)
    return frozenset(unit for unit in parents if not wanted.isdisjoint(upwards(unit, parents)))


def above(unit: str, parents: Mapping[str, str | None]) -> list[str]:
    """Answer the way from the root down to `unit`, itself last."""
    return upwards(unit, parents)[::-1]


def depth_below(unit: str, parents: Mapping[str, str | None]) -> int:
    """Answer how many levels hang on `unit`, its own included."""
    ways = (upwards(one, parents) for one in parents)
    return max(way.index(unit) + 1 for way in ways if unit in way)


def upwards(unit: str, parents: Mapping[str, str | None]) -> list[str]:
    """Answer a unit and all above it."""
    found: list[str] = []
    here: str | None = unit
    while here is not None and here not in found:
        found.append(here)
        here = parents.get(here)
    return found


def joined(scopes: Iterable[str | None], parents: Mapping[str, str | None]) -> Scope:
    """Join the scopes of several grants of one permission: null is everywhere, a unit covers what is below it."""
    units = list(scopes)
    if None in units:
        return "*"
    return covered([unit for unit in units if unit is not None], parents)


def subtree_in_circle(unit: str, parent: str | None, parents: Mapping[str, str | None]) -> bool:
    """Say whether putting `unit` below `parent` would make the tree a circle."""
    return parent is not None and unit in upwards(parent, parents)


def exceeding(wanted: Mapping[str, Scope], held: Mapping[str, Scope]) -> list[str]:
    """Answer the permissions of `wanted` that hold where those of `held` do not."""
    return sorted(name for name, scope in wanted.items() if not _is_within(scope, held.get(name, frozenset())))


def _is_within(scope: Scope, other: Scope) -> bool:
    return other == "*" or (scope != "*" and scope <= other)


WARNED = (14, 1)
"""How many days before a key expires its owner is told."""


def warning_due(left: timedelta, warned: int | None = None) -> int | None:
    """Answer which warning is due for what has so long left; `warned` is the last one that was given."""
    due = min((days for days in WARNED if left <= timedelta(days=days)), default=None)
    return due if due is not None and (warned is None or due < warned) else None


def shortest_way(inheritance: Mapping[str, Iterable[str]], given: str, containing: Iterable[str]) -> tuple[str, ...]:
    """Answer the roles from the given one to the nearest of `containing`; of ways equally short, the first by id."""
    ways, goals = shortest_ways(inheritance, given), set(containing)
    if goals.isdisjoint(ways):
        raise LookupError(f"no role out of {goals} is inherited by {given}")
    return next(way for role, way in ways.items() if role in goals)


def shortest_ways(inheritance: Mapping[str, Iterable[str]], given: str) -> dict[str, tuple[str, ...]]:
    """Answer each role that is inherited by the given one with the way to it, shorter ones first, then by id."""
    ways: dict[str, tuple[str, ...]] = {given: (given,)}
    waiting = deque(ways)
    while waiting:
        role = waiting.popleft()
        for inherited in sorted(inheritance.get(role, ())):
            if inherited not in ways:
                ways[inherited] = (*ways[role], inherited)
                waiting.append(inherited)
    return ways
