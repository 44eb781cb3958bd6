"""Semantic Versioning 2.0.0, strictly: three numbers, a pre-release; build data takes no part in the order (§11)."""

import re

from release_service.versions.keys import Reading, Unreadable, number, word

_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SHAPE = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_END, _NUMBER, _WORD, _RELEASE = "1", "2", "3", "4"


def read(text: str) -> Reading:
    """Read a semantic version."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise Unreadable("semantic versions look like 9.7.1, 9.7.1-rc.2 or 9.7.1+build.5")
    *numbers, prerelease = match.groups()
    core = "".join(number(part) for part in numbers)
    if prerelease is None:
        return Reading(core + _RELEASE, is_prerelease=False)
    return Reading(core + "".join(map(_mark, prerelease.split("."))) + _END, is_prerelease=True)


def _mark(identifier: str) -> str:
    return _NUMBER + number(identifier) if identifier.isdecimal() else _WORD + word(identifier)
