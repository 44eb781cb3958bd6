"""Maven's order, the default: it reads anything, and on real histories its maximum is the vendor's latest.

After "Version Order Specification" of the POM reference. Where that text and Maven's own tests differ (a release word
before another word, `1.0.final-redhat` < `1.0-sp1-redhat`, MNG-7714) the tests are followed.
"""

import re
from string import digits
from typing import NamedTuple

from release_service.versions.keys import Reading, Unreadable, announces_a_prerelease, number, word

_TOKEN = re.compile(r"([.-]?)([0-9]+|[^0-9.-]+|)")
_ALIASES = {"cr": "rc", "ga": "", "final": "", "release": ""}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
_BEFORE_RELEASE = {"alpha": "1", "beta": "2", "milestone": "3", "rc": "4", "snapshot": "5"}
# The end of a version, and a release word that goes on: below the end when what follows is, above it otherwise.
_RELEASE_GOING_DOWN, _END, _RELEASE_GOING_UP = "6", "7", "8"
_SERVICE_PACK, _OTHER_WORD, _DASHED_NUMBER, _DOTTED_NUMBER = "9", "A", "B", "C"


class _Token(NamedTuple):
    dotted: bool
    text: str
    is_number: bool

    @property
    def is_zero(self) -> bool:
        return self.is_number and not self.text

    @property
    def is_release_word(self) -> bool:
        return not self.is_number and not self.text


def read(text: str) -> Reading:
    """Read a version of Maven. Refuses only blanks inside."""
    if " " in text:
        raise Unreadable("it has blanks inside")
    lowered = text.lower()
    tokens = _without_nothings(_tokens(lowered))
    key = "".join(_mark(token, tokens[place + 1 :]) for place, token in enumerate(tokens)) + _END
    return Reading(key, announces_a_prerelease(lowered))


def _tokens(text: str) -> list[_Token]:
    """Split at dots, at dashes, and between digits and letters, which is a dash too; nothing stands for 0."""
    if text[0] in ".-":
        text = "0" + text
    matches = [match for match in _TOKEN.findall(text) if match != ("", "")]
    following = [separator != "." and value != "" and value[0] in digits for separator, value in matches[1:]] + [False]
    tokens = []
    for place, ((separator, value), number_follows) in enumerate(zip(matches, following, strict=True)):
        dotted = separator == "." or place == 0
        if value == "" or value[0] in digits:
            tokens.append(_Token(dotted, value.lstrip("0"), is_number=True))
        else:
            full = _SHORT.get(value, value) if number_follows else value
            tokens.append(_Token(dotted, _ALIASES.get(full, full), is_number=False))
    return tokens


def _without_nothings(tokens: list[_Token]) -> list[_Token]:
    """Drop what means nothing: zeros before the end, a dash or a word; release words before the end or a number."""
    kept: list[_Token] = []  # last token first
    for token in reversed(tokens):
        after = kept[-1] if kept else None
        dashed_number_after = after is None or (after.is_number and not after.dotted)
        word_after = after is not None and not after.is_number
        if (token.is_zero and (dashed_number_after or word_after)) or (token.is_release_word and dashed_number_after):
            continue
        kept.append(token)
    kept.reverse()
    return kept


def _mark(token: _Token, rest: list[_Token]) -> str:
    if token.is_number:
        return (_DOTTED_NUMBER if token.dotted else _DASHED_NUMBER) + number(token.text)
    if token.is_release_word:
        telling = next((after for after in rest if not after.is_release_word), None)
        goes_down = telling is not None and not telling.is_number and telling.text in _BEFORE_RELEASE
        return _RELEASE_GOING_DOWN if goes_down else _RELEASE_GOING_UP
    if token.text in _BEFORE_RELEASE:
        return _BEFORE_RELEASE[token.text]
    return _SERVICE_PACK if token.text == "sp" else _OTHER_WORD + word(token.text)
