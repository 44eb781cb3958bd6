"""What is different between two versions of a report: its text line by line, its parameters and columns by name."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from lodge_kit.problems import Invalid

MOST_LINES = 2_000
"""Of each text: comparing takes up to the square of it."""
_CONTEXT = 3


class Changed(BaseModel):
    """What two lists of named things do not have in common, by name."""

    added: list[str]
    removed: list[str]
    changed: dict[str, dict[str, list[Any]]] = Field(description="By name, by property: what it was and what it is.")


class Differences(BaseModel):
    """What one version has that another has not."""

    before: int
    after: int
    sql: str = Field(description="A unified diff; empty where the text is the same.")
    parameters: Changed
    result_columns: Changed


def unified(before: str, after: str, *, names: tuple[str, str], context: int = _CONTEXT) -> str:
    """Answer the unified diff of two texts. A last line without its end is told as diff tells it. Raises `Invalid`."""
    was, now = _lines(before), _lines(after)
    if max(len(was), len(now)) > MOST_LINES:
        raise Invalid(f"One of these has more than {MOST_LINES} lines; fetch both and compare them yourself.")
    found = difflib.unified_diff(was, now, *names, n=context)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)


def between(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Changed:
    """Answer what of the things in `after`, each with a `name`, is new, gone, or otherwise than in `before`."""
    was, now = ({one["name"]: one for one in things} for things in (before, after))
    changed = {}
    for name in was.keys() & now.keys():
        properties = sorted(was[name].keys() | now[name].keys())
        other = {
            one: [was[name].get(one), now[name].get(one)]
            for one in properties
            if was[name].get(one) != now[name].get(one)
        }
        if other:
            changed[name] = other
    return Changed(
        added=[name for name in now if name not in was],
        removed=[name for name in was if name not in now],
        changed=dict(sorted(changed.items())),
    )


def _lines(text: str) -> list[str]:
    """Split at line feeds only: a form feed or a separator within a literal is no end of a line."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
