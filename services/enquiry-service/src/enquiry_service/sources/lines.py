r"""How rows of Python values become lines of CSV: each cell as PostgreSQL's own would read (`postgresql.cells`).

Booleans `true`/`false`; instants in ISO 8601, UTC; bytes in hexadecimal after `\x`; nothing is an empty cell, an empty
text a quoted one. Text is guarded: what a spreadsheet would take for a formula gets a leading apostrophe (OWASP, CSV
injection).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from enquiry_service.sources import Sink

_FORMULA = re.compile("[=+\\-@\\t\\n\\r\uff1d\uff0b\uff0d\uff20]")
_TO_QUOTE = re.compile('[",\\r\\n]')
_TRAILING_ZEROS = re.compile(r"(\.\d*?)0+(?=Z|$)")
_AT_ONCE = 500
"""Rows that are given to the sink at once."""


def pour(names: Sequence[str], rows: Iterable[Sequence[Any]], *, limit: int, sink: Sink) -> bool:
    """Write the heading and `limit` rows at most; answer whether there was one more, which is not written."""
    sink.heading(_line([_quoted(_guarded(name or " ")) for name in names]))
    waiting = iter(rows)
    left = limit
    while left:
        block = [_line([cell(value) for value in row]) for row in islice(waiting, min(left, _AT_ONCE))]
        if not block:
            return False
        sink.write_rows(b"".join(block), len(block))
        left -= len(block)
    return next(waiting, None) is not None


def cell(value: Any) -> str:
    """Write a value as the text between two commas."""
    if value is None:
        return ""
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    return _quoted(_guarded(value if isinstance(value, str) else _as_json(value)))


def _line(cells: Sequence[str]) -> bytes:
    return (",".join(cells) + "\n").encode("utf-8", "replace")


def _guarded(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def _quoted(text: str) -> str:
    if not text or text == "\\." or _TO_QUOTE.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _float(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - only NaN differs from itself
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - as above
    return repr(value).removesuffix(".0")


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return _TRAILING_ZEROS.sub(_shorter, value.isoformat())
    return _TRAILING_ZEROS.sub(_shorter, value.astimezone(UTC).isoformat().replace("+00:00", "Z"))


def _shorter(found: re.Match[str]) -> str:
    return "" if found[1] == "." else found[1]


def _span(value: timedelta) -> str:
    seconds, rest = divmod(abs(value), timedelta(seconds=1))
    sign = "-" if value < timedelta() else ""
    clock = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return clock + (f".{rest.microseconds:06}".rstrip("0") if rest else "")


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _float,
    Decimal: lambda value: format(value, "f"),
    date: date.isoformat,
    datetime: _instant,
    time: time.isoformat,
    timedelta: _span,
    bytes: lambda value: "\\x" + value.hex(),
}
