"""Decisions without I/O: what may inherit from what, and where a right holds."""

from collections import deque
from collections.abc import Iterable, Mapping
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


def ways(role: str, inheritance: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Answer the roles whose permissions `role` has, itself first, each with the shortest way to it.

    A way begins with `role` and ends with the one that it leads to. Of two as short, the one by the lesser id.
    """
    found = {role: [role]}
    pending = deque([role])
    while pending:
        here = pending.popleft()
        for other in sorted(inheritance.get(here, ())):
            if other not in found:
                found[other] = [*found[here], other]
                pending.append(other)
    return found


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
