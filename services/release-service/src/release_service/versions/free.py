"""Labels that follow no standard: `calendar`, which begin with a year, and `natural`, read as a person would.

Both are runs of numbers and words, all else only separating: `Spring 2026 R2`. A run of numbers that goes on is
newer (`1.0` < `1.0.0` < `1.0.1`), so is a word (`1.0` < `1.0a` < `1.0.1`), save the words of what is not finished
(`1.0-rc1` < `1.0`). What a plus begins is a build of what stands before it (`21` < `21+35` < `21.0.1+12`). Capitals
count for nothing.
"""

import re

from release_service.versions.keys import PRERELEASE_WORDS, Reading, Unreadable, announces_a_prerelease, number, word

_RUN = re.compile(r"(\+?)([0-9]+|[^\W\d_]+)")
_UNFINISHED, _END, _BUILD, _WORD, _NUMBER = "1", "2", "3", "4", "5"
_COMPACT = re.compile(
    r"((?:19|20|21)[0-9]{2})(0[1-9]|1[0-2])(?:(0[1-9]|[12][0-9]|3[01])([0-9]{4}|[0-9]{6})?)?(?![0-9])"
)
_YEAR = re.compile(r"((?:19|20|21)[0-9]{2}|[0-9]{2})(?![0-9])")
_CENTURY = "20"
_SHORT_YEAR = 2


def read_natural(text: str) -> Reading:
    """Read any label that has a letter or a digit."""
    lowered = text.lower()
    runs = _RUN.findall(lowered)
    if not runs:
        raise Unreadable("it has neither a letter nor a digit")
    return Reading(_key(runs), announces_a_prerelease(lowered))


def read_calendar(text: str) -> Reading:
    """Read a label that begins with a year: `2026.03`, `26.03`, `2026-03-31`, `20260331`, `2026 R2`.

    A year of two digits is in this century.
    """
    lowered = text.lower()
    compact, year = _COMPACT.match(lowered), _YEAR.match(lowered)
    if compact is not None:
        front, rest = [("", part) for part in compact.groups() if part], lowered[compact.end() :]
    elif year is not None:
        front, rest = [("", _CENTURY * (len(year[1]) == _SHORT_YEAR) + year[1])], lowered[year.end() :]
    else:
        raise Unreadable("calendar versions begin with a year: 2026.03, 26.03, 2026-03-31, 20260331")
    return Reading(_key(front + _RUN.findall(rest)), announces_a_prerelease(lowered))


def _key(runs: list[tuple[str, str]]) -> str:
    following = [run.isdecimal() for _, run in runs[1:]] + [False]
    marks = (
        (_BUILD if plus else "") + _mark(run, number_follows=number_follows)
        for (plus, run), number_follows in zip(runs, following, strict=True)
    )
    return "".join(marks) + _END


def _mark(run: str, *, number_follows: bool) -> str:
    if run.isdecimal():
        return _NUMBER + number(run)
    if run in PRERELEASE_WORDS and (len(run) > 1 or number_follows):
        return _UNFINISHED + str(PRERELEASE_WORDS[run])
    return _WORD + word(run)
