"""Decisions without I/O: what may inherit from what, and where a right holds."""

from collections.abc import Iterable, Mapping
from typing import Literal

Scope = Literal["*"] | frozenset[str]


def inherits_in_circle(inheritance: Mapping[str, Iterable[str]]) -> list[str] | None:
    """Answer a circle in the inheritance of roles, from a role back to itself; None when there is none (RBAC1)."""
    done: set[str] = set()
    for start in inheritance:
        circle = _circle_from(start, inheritance, done, [])
        if circle:
            return circle
    return None


def _circle_from(
    role: str, inheritance: Mapping[str, Iterable[str]], done: set[str], path: list[str]
) -> list[str] | None:
    if role in path:
        return [*path[path.index(role) :], role]
    if role in done:
        return None
    for other in inheritance.get(role, ()):
        circle = _circle_from(other, inheritance, done, [*path, role])
        if circle:
            return circle
    done.add(role)
    return None


def covered(units: Iterable[str], parents: Mapping[str, str | None]) -> frozenset[str]:
    """Answer these org units and all below them; `parents` maps each unit to the one above it."""
    wanted = set(units)
    return frozenset(unit for unit in parents if not wanted.isdisjoint(_upwards(unit, parents)))


def _upwards(unit: str, parents: Mapping[str, str | None]) -> list[str]:
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
    return parent is not None and unit in _upwards(parent, parents)


def shortest_way(inheritance: Mapping[str, Iterable[str]], given: str, containing: Iterable[str]) -> tuple[str, ...]:
    """Answer the roles from the given one to the nearest of `containing`; of ways equally short, the first by id."""
    goals = set(containing)
    reached: set[str] = {given}
    ways: list[tuple[str, ...]] = [(given,)]
    while ways:
        found = [way for way in ways if way[-1] in goals]
        if found:
            return min(found)
        further: list[tuple[str, ...]] = []
        for way in sorted(ways):
            fresh = [role for role in sorted(inheritance.get(way[-1], ())) if role not in reached]
            reached.update(fresh)
            further += [(*way, role) for role in fresh]
        ways = further
    raise LookupError(f"no role out of {goals} is inherited by {given}")
