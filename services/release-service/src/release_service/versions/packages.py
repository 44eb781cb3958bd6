"""The orders of two package managers: `deb` (Debian Policy §5.6.12) and `rpm` (rpmvercmp, with tilde and caret)."""

import re

from release_service.versions.keys import Reading, Unreadable, announces_a_prerelease, number, word

_DEB = re.compile(r"(?:([0-9]+):)?([0-9](?:[A-Za-z0-9.+:~-]*?[A-Za-z0-9.+:~])??)(?:-([A-Za-z0-9.+~]+))?")
_DEB_PART = re.compile(r"([^0-9]*)([0-9]*)")
_DEB_TILDE, _DEB_END, _DEB_NOT_A_LETTER = "!", "#", "~"
_DEB_CHARACTERS = str.maketrans({"~": _DEB_TILDE} | {mark: _DEB_NOT_A_LETTER + mark for mark in "+-.:"})

_RPM = re.compile(r"(?:([0-9]*):)?(.*?)(?:-([^-]*))?", re.DOTALL)
_RPM_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_RPM_TILDE, _RPM_END, _RPM_CARET, _RPM_WORD, _RPM_NUMBER = "1", "2", "3", "4", "5"
_RPM_NO_RELEASE, _RPM_RELEASE = "0", "1"


def read_deb(text: str) -> Reading:
    """Read `[epoch:]upstream[-revision]`. A missing revision is 0; an upstream version begins with a digit."""
    match = _DEB.fullmatch(text)
    if match is None:
        raise Unreadable("Debian versions look like 9.7.1, 2:9.7~rc1-3, and begin with a digit")
    epoch, upstream, revision = match.groups()
    if epoch is None and ":" in upstream:
        raise Unreadable("what stands before a colon is an epoch, a number")
    key = number(epoch or "") + _deb_part(upstream) + _deb_part(revision or "")
    return Reading(key, "~" in upstream or announces_a_prerelease(upstream.lower()))


def _deb_part(text: str) -> str:
    """Take turns of what is not a digit and what is; a tilde is below the end, letters below everything else."""
    turns = (
        characters.translate(_DEB_CHARACTERS) + _DEB_END + number(digits)
        for characters, digits in _DEB_PART.findall(text)
        if characters or digits
    )
    key = "".join(turns) or _DEB_END + number("")
    return key + _DEB_END


def read_rpm(text: str) -> Reading:
    """Read `[epoch:]version[-release]`. What is neither letter, digit, tilde nor caret only separates."""
    match = _RPM.fullmatch(text)
    if match is None or not match[2] or " " in text:
        raise Unreadable("RPM versions look like 9.7.1, 9.7.1-3.el9 or 1:9.7~rc1-1")
    epoch, version, release = match.groups()
    released = _RPM_NO_RELEASE if release is None else _RPM_RELEASE + _rpm_part(release)
    return Reading(
        number(epoch or "") + _rpm_part(version) + released,
        "~" in version or announces_a_prerelease(version.lower()),
    )


def _rpm_part(text: str) -> str:
    return "".join(map(_rpm_mark, _RPM_SEGMENT.findall(text))) + _RPM_END


def _rpm_mark(segment: str) -> str:
    if segment == "~":
        return _RPM_TILDE
    if segment == "^":
        return _RPM_CARET
    return _RPM_NUMBER + number(segment) if segment.isdecimal() else _RPM_WORD + word(segment)
