"""Patterns that people write for a product, run on labels that suppliers write: neither can make us wait.

They are RE2's (linear in the text, bounded in memory), since Python's `re` backtracks: `(a+)+$` on 40 letters would
hold a process for hours, and no limit on lengths prevents that. The price is that look-around and back-references do
not exist; what they are used for, "but not", is what a product's exclude pattern is for.
"""

from functools import lru_cache

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

from lodge_kit.problems import Invalid

LONGEST_PATTERN = 500
LONGEST_LABEL = 500
_MEMORY = 1 << 20


class UnusablePattern(Invalid):
    """A pattern that RE2 cannot run, with its own words for it."""

    code = "pattern-unusable"


def check(pattern: str) -> None:
    """Raise `UnusablePattern` for what `found` and `captured` could not run; for the edge, before a row is written."""
    _compiled(pattern)


def found(pattern: str, label: str) -> bool:
    """Say whether `pattern` matches anywhere in `label`, of which the first 500 characters count."""
    return _compiled(pattern).search(label[:LONGEST_LABEL]) is not None


def captured(pattern: str, label: str) -> str | None:
    """Answer the group named `version`, else the first group, else the whole match; None where nothing matches."""
    regex = _compiled(pattern)
    match = regex.search(label[:LONGEST_LABEL])
    if match is None:
        return None
    group: str | int = "version" if "version" in regex.groupindex else min(regex.groups, 1)
    text: str | None = match.group(group)
    return text or None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re2._Regexp:
    if len(pattern) > LONGEST_PATTERN:
        raise UnusablePattern(f"The pattern is longer than {LONGEST_PATTERN} characters. Shorten it.")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0]
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else "it is not text"
        raise UnusablePattern(
            f"The pattern {pattern[:60]!r} cannot be used: {words}. "
            "Patterns are RE2's: no look-around, no back-references."
        ) from error
