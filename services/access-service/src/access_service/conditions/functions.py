"""The functions and methods of CEL that conditions may use; `matches` is none of them: its work depends on the text."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from access_service.conditions import times
from access_service.conditions.values import CelError, bounded, in_range, is_int, no_overload


def size(value: Any) -> int:
    """How many characters, items or keys there are."""
    if isinstance(value, str | list | Mapping):
        return len(value)
    raise no_overload("size", value)


def to_int(value: Any) -> int:
    """A whole number of a double (towards zero), a text, or a timestamp (seconds since 1970)."""
    try:
        if is_int(value):
            return int(value)
        if isinstance(value, datetime):
            return int(value.timestamp() // 1)
        if isinstance(value, float | str):
            return in_range(int(value))
    except (ValueError, OverflowError):
        raise CelError("no such whole number") from None
    raise no_overload("int", value)


def to_double(value: Any) -> float:
    """A double of a whole number or a text."""
    try:
        if isinstance(value, float | str) or is_int(value):
            return float(value)
    except (ValueError, OverflowError):
        raise CelError("no such number") from None
    raise no_overload("double", value)


def to_string(value: Any) -> str:
    """A text of a whole number or a bool."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_int(value):
        return str(in_range(value))
    raise no_overload("string", value)


def to_bool(value: Any) -> bool:
    """A bool of the texts `true` and `false`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    raise no_overload("bool", value)


def _of_texts(name: str, decide: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def decided(text: Any, part: Any) -> bool:
        if isinstance(text, str) and isinstance(part, str):
            return decide(bounded(text), bounded(part))
        raise no_overload(name, text, part)

    return decided


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "size": size, "int": to_int, "double": to_double, "string": to_string, "bool": to_bool,
    "timestamp": times.timestamp, "duration": times.duration,
}  # fmt: skip
"""By name; each takes one value."""

METHODS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "size": (size, 0, 0),
    "contains": (_of_texts("contains", lambda text, part: part in text), 1, 1),
    "startsWith": (_of_texts("startsWith", str.startswith), 1, 1),
    "endsWith": (_of_texts("endsWith", str.endswith), 1, 1),
    **{name: (times.part(name), 0, 1) for name in times.PARTS},
}
"""By name, with how many arguments each takes at least and at most besides the value that it is of."""
