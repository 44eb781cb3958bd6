"""Texts that people write: what a name must be, what must say something, and what no database can hold.

`Name` and `Line` are one line, without the blanks around it; `Words` may be many lines and are kept as they are.
All three say something: a text of blanks, or of characters that nobody sees, is refused.
"""

import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

_UNSEEN = ("Z", "C")
"""The first letters of the Unicode categories of what leaves no mark: separators, and controls of every kind."""


def _says_something(text: str) -> str:
    if all(unicodedata.category(letter).startswith(_UNSEEN) for letter in text):
        raise PydanticCustomError("blank", "This says nothing: write at least one character that can be seen.")
    return text


def _on_one_line(text: str) -> str:
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text):
        raise PydanticCustomError(
            "not-one-line", "This is one line: leave out line breaks, tabs and control characters."
        )
    return text


Words = Annotated[str, AfterValidator(_says_something)]
"""A text that says something: a reason, a message. Its field says how long."""

Line = Annotated[
    str, StringConstraints(strip_whitespace=True), AfterValidator(_says_something), AfterValidator(_on_one_line)
]
"""One line that says something, less the blanks around it: a title. Its field says how long."""

Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200),
    AfterValidator(_says_something),
    AfterValidator(_on_one_line),
    Field(json_schema_extra={"minLength": 1}),
]
"""What a thing or a person is called: a line of at most 200 characters."""


def is_storable(text: str) -> bool:
    """Say whether PostgreSQL can hold a text: neither NUL nor half a surrogate pair is a character to it."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


Place = tuple[str | int, ...]
"""Where in a JSON value something stands: names and numbers, from the outside in."""


def unstorable(value: Any) -> Iterator[Place]:
    """Find the places in a JSON value whose text cannot be stored; a name that cannot be is found at its object."""
    pending: list[tuple[Place, Any]] = [((), value)]  # no recursion: what a caller may nest is deeper than our stack
    while pending:
        place, found = pending.pop()
        if isinstance(found, str) and not is_storable(found):
            yield place
        elif isinstance(found, dict):
            pending += [((*place, name), inner) for name, inner in found.items() if is_storable(name)]
            if not all(map(is_storable, found)):
                yield place
        elif isinstance(found, list):
            pending += [((*place, number), inner) for number, inner in enumerate(found)]
