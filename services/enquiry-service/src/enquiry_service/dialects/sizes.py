"""How long a value may be made out of nothing: by a length that is written, not by one that is computed.

What is only as long as the data allow needs no bound here; the run's own limits hold it.
"""

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

LARGEST = 10_000
"""Characters, or bytes, or elements."""

Bound = Callable[[Sequence[exp.Expr]], str | None]
"""Answers what is wrong with a function's arguments, or None."""

_OTHER_THAN_A_VALUE = re.compile(r"%(?!(\d+\$)?[sIL])")


def is_small(length: exp.Expr) -> bool:
    """Say whether a length is a whole number as it stands, and not above LARGEST."""
    written = length.name if isinstance(length, exp.Literal) and not length.is_string else ""
    return written.isdecimal() and int(written) <= LARGEST


def _second(arguments: Sequence[exp.Expr]) -> str | None:
    if len(arguments) > 1 and not is_small(arguments[1]):
        return f"Write the length as a number, at most {LARGEST}."
    return None


def _template(arguments: Sequence[exp.Expr]) -> str | None:
    template = arguments[0] if arguments else None
    if not isinstance(template, exp.Literal) or _OTHER_THAN_A_VALUE.search(template.name.replace("%%", "")):
        return "Write the template of format as a text without a width, with %s, %I and %L only."
    return None


PADDING: dict[str, Bound] = {"lpad": _second, "rpad": _second}
FORMAT: dict[str, Bound] = {"format": _template}
