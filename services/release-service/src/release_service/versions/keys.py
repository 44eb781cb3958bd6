"""What the schemes' sort keys are made of: numbers and words whose bytewise order is their own order.

A key is a sequence of marks (one ASCII character) and of numbers and words, each of which ends by itself, so that no
key can be read two ways and comparing keys is comparing sequences item by item.
"""

import re
import string
from typing import NamedTuple

LONGEST_TEXT = 200
_LENGTHS = string.digits + string.ascii_uppercase + string.ascii_lowercase
LONGEST_NUMBER = len(_LENGTHS) - 1


class Unreadable(ValueError):  # noqa: N818 - a noun, as all our errors are
    """Why a text is not a version of a scheme: the end of a sentence that the caller begins."""


class Reading(NamedTuple):
    """What a scheme makes of a text."""

    key: str
    is_prerelease: bool


def check_text(text: str) -> None:
    """Refuse what no scheme can read."""
    if not text:
        raise Unreadable("it is empty")
    if len(text) > LONGEST_TEXT:
        raise Unreadable(f"it is longer than {LONGEST_TEXT} characters")
    if not text.isprintable():
        raise Unreadable("it holds characters that cannot be printed")


def number(digits: str) -> str:
    """Write ASCII digits so that more digits sort later: `7` → `17`, `10` → `210`, `000` → `0`."""
    digits = digits.lstrip("0")
    if len(digits) > LONGEST_NUMBER:
        raise Unreadable(f"it has a number of more than {LONGEST_NUMBER} digits")
    return _LENGTHS[len(digits)] + digits


def word(text: str) -> str:
    """Write a word so that a longer one sorts after its own beginning: a blank, below all else, ends it."""
    return text + " "


PRERELEASE_WORDS = {
    "nightly": 0,
    "canary": 0,
    "dev": 1,
    "snapshot": 1,
    "a": 2,
    "alpha": 2,
    "ea": 3,
    "eap": 3,
    "preview": 3,
    "pre": 3,
    "prerelease": 3,
    "b": 4,
    "beta": 4,
    "m": 5,
    "milestone": 5,
    "c": 6,
    "cr": 6,
    "rc": 6,
}
"""Words that suppliers put on what is not finished, and how far along each says it is."""

_TAGGED = re.compile(r"([a-z]+)[-._ ]?([0-9]*)")


def announces_a_prerelease(text: str) -> bool:
    """Say whether a lower-case text names an unfinished state, `2.0-rc1`; a lone letter counts before a number."""
    return any(
        label in PRERELEASE_WORDS and (len(label) > 1 or digits != "") for label, digits in _TAGGED.findall(text)
    )
