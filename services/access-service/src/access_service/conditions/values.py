"""CEL's values and what can be done with them, as its language definition has it; each step is counted.

JSON's own values stand for CEL's: bool, int (64 bits), double, string, list, map, null; besides, a `datetime` for a
timestamp and a `timedelta` for a duration.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

MOST_ITEMS = 1_000
"""How many a list or a map may hold that a condition looks into."""
LONGEST = 10_000
"""Characters of a text that a condition looks into."""
MOST_STEPS = 100_000
DEEPEST = 50
_INT = range(-(2**63), 2**63)


class CelError(Exception):
    """What CEL calls an error: `||` and `&&` can do without the value that it stands for."""


class Exceeded(Exception):  # noqa: N818 - of a bound
    """More than is evaluated: nothing can do without this value, the condition does not hold."""


class Scope:
    """The names that a condition sees, and the steps that it has left."""

    __slots__ = ("names", "steps")

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names: dict[str, Any] = dict(names)
        self.steps = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Count steps. Raises `Exceeded`."""
        self.steps -= steps
        if self.steps < 0:
            raise Exceeded(f"it takes more than {MOST_STEPS:,} steps")


def bounded(value: Any) -> Any:
    """Answer a value that a condition may look into. Raises `Exceeded`."""
    if isinstance(value, str):
        if len(value) > LONGEST:
            raise Exceeded(f"a text is longer than {LONGEST:,} characters")
    elif isinstance(value, list | dict) and len(value) > MOST_ITEMS:
        raise Exceeded(f"a list or a map holds more than {MOST_ITEMS:,}")
    return value


def kind(value: Any) -> str:
    """Answer the name of the value's CEL type."""
    for type_, name in _KINDS.items():
        if isinstance(value, type_):
            return name
    return "map"


_KINDS: dict[type, str] = {
    bool: "bool", int: "int", float: "double", str: "string", list: "list", type(None): "null_type",
    datetime: "google.protobuf.Timestamp", timedelta: "google.protobuf.Duration",
}  # fmt: skip
"""bool stands before int, which Python takes it for."""


def no_overload(operator: str, *values: Any) -> CelError:
    """Make the error for values that an operator or a function does not take."""
    return CelError(f"no such overload: {operator} of {', '.join(kind(one) for one in values)}")


def equal(left: Any, right: Any, scope: Scope, depth: int = 0) -> bool:
    """Compare (`==`): values of different types are unequal, numbers are compared as numbers."""
    scope.spend(1)
    if depth > DEEPEST:
        raise Exceeded(f"values are nested more than {DEEPEST} deep")
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        bounded(left), bounded(right)
        return len(left) == len(right) and all(
            equal(one, other, scope, depth + 1) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        bounded(left), bounded(right)
        return len(left) == len(right) and all(
            key in right and equal(value, right[key], scope, depth + 1) for key, value in left.items()
        )
    return bool(left == right)


def ordered(operator: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Make `<`, `<=`, `>` or `>=`: of numbers, texts, bools, times and durations, each with its own."""

    def compared(left: Any, right: Any) -> bool:
        for type_ in (bool, str, datetime, timedelta):
            if isinstance(left, type_) and isinstance(right, type_):
                return compare(left, right)
        if is_number(left) and is_number(right):
            return compare(left, right)
        raise no_overload(operator, left, right)

    return compared


def contained(item: Any, container: Any, scope: Scope) -> bool:
    """Say whether a list holds an item, or a map a key (`in`)."""
    if isinstance(container, list):
        return any(equal(item, one, scope) for one in bounded(container))
    if isinstance(container, Mapping):
        return is_key(item) and item in container
    raise no_overload("in", item, container)


def selected(value: Any, name: str) -> Any:
    """Answer a field of a map."""
    if not isinstance(value, Mapping):
        raise no_overload(f".{name}", value)
    try:
        return bounded(value[name])
    except KeyError:
        raise CelError(f"no such key: {name}") from None


def indexed(value: Any, index: Any) -> Any:
    """Answer what stands at an index of a list, or under a key of a map."""
    if isinstance(value, list):
        if is_int(index) and 0 <= index < len(value):
            return bounded(value[index])
        raise CelError("no such index") if is_int(index) else no_overload("[]", value, index)
    if isinstance(value, Mapping) and is_key(index):
        if index in value:
            return bounded(value[index])
        raise CelError("no such key")
    raise no_overload("[]", value, index)


def is_int(value: Any) -> bool:
    """Say whether it is a CEL int."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Say whether it is a CEL int or double."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_key(value: Any) -> bool:
    """Say whether it may be a key: JSON has texts only."""
    return isinstance(value, str)


def in_range(value: int) -> int:
    """Answer a whole number that 64 bits hold."""
    if value not in _INT:
        raise CelError("a whole number is out of range")
    return value
