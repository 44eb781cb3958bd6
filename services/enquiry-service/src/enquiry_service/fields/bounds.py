"""What schemas and values are bounded by: size, depth, patterns of RE2, formats that are truly read."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

LARGEST_SCHEMA, LARGEST_VALUE = 32_000, 64_000
"""Characters of JSON."""
DEEPEST = 12
MOST_SUBSCHEMAS, MOST_VALUES, MOST_CHOICES = 300, 2_000, 500
"""Together they bound the work: no subschema is held against a value more than once."""
MOST_ERRORS = 50
_LONGEST_PATTERN = 500
_LONGEST_SENTENCE = 300
_MEMORY = 1 << 20

Place = tuple[str | int, ...]
JsonObject = Mapping[str, Any]


def too_large(value: Any, most: int, *, values: int = LARGEST_SCHEMA) -> str | None:
    """Say what makes a value too large. Without recursion: a caller may nest deeper than our stack."""
    count, pending = 0, [(value, 1)]
    while pending:
        found, depth = pending.pop()
        count += 1
        if depth > DEEPEST:
            return f"This is nested more than {DEEPEST} deep."
        if (isinstance(found, float) and not math.isfinite(found)) or (isinstance(found, int) and abs(found) >= 2**63):
            return "This has a number that is none, or too large to keep."
        inner: Iterable[Any] = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
        pending += [(one, depth + 1) for one in inner]
    if count > values:
        return f"This has more than {values} values."
    return f"This has more than {most} characters." if len(json.dumps(value, ensure_ascii=False)) > most else None


def unusable(pattern: str) -> str | None:
    """Say why RE2 cannot run a pattern; None where it can."""
    try:
        compiled(pattern)
    except (re2.error, ValueError) as error:
        said = error.args[0]
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return f"RE2 cannot run this pattern: {words}. It has no look-around and no back-references."
    return None


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re2._Regexp:
    """Make a pattern ready to run. Raises what `unusable` explains."""
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"it is longer than {_LONGEST_PATTERN} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return re2.compile(pattern, options)


def _day(text: str) -> None:
    if len(text) != len("2026-03-02"):
        raise ValueError("no date")
    date.fromisoformat(text)


def _instant(text: str) -> None:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("no offset")


def _address(text: str) -> None:
    name, at, host = text.rpartition("@")
    if not (name and at and "." in host) or any(one.isspace() for one in text):
        raise ValueError("no address")


FORMATS: Mapping[str, Callable[[str], object]] = {"date": _day, "date-time": _instant, "email": _address, "uuid": UUID}
"""What each format is read by; it raises ValueError."""


def code(keyword: str) -> str:
    """Write a keyword as our codes are written, minLength as min-length."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in keyword).lstrip("$")


def sentence(message: str) -> str:
    """Make a sentence of the library's message, and not a long one: it repeats what it was given."""
    cut = message if len(message) <= _LONGEST_SENTENCE else message[: _LONGEST_SENTENCE - 1] + "…"
    return cut if cut.endswith((".", "…")) else f"{cut}."


def written(place: Sequence[str | int]) -> str:
    """Write a place as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)
