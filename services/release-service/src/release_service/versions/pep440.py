"""PEP 440, as `packaging` reads it; the key follows that library's own order, part by part."""

from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

from release_service.versions.keys import Reading, Unreadable, number, word

_END, _ITEM = "1", "2"
_DEVELOPMENT_ONLY, _NO_PRERELEASE = "0", "4"
_PRERELEASES = {"a": "1", "b": "2", "rc": "3"}
_NO_POST, _POST = "0", "1"
_DEVELOPMENT, _NO_DEVELOPMENT = "0", "1"
_NO_LOCAL, _LOCAL = "0", "1"
_LOCAL_END, _LOCAL_WORD, _LOCAL_NUMBER = "0", "1", "2"


def read(text: str) -> Reading:
    """Read a PEP 440 version, in any of the spellings that it normalises."""
    try:
        version = Pep440(text)
    except InvalidVersion as why:
        raise Unreadable("PEP 440 versions look like 9.7.1, 9.7rc2, 9.7.post1 or 1!9.7.dev3") from why
    release = list(version.release)
    while release and release[-1] == 0:
        release.pop()
    key = number(str(version.epoch)) + "".join(_ITEM + number(str(part)) for part in release) + _END
    return Reading(key + _suffix(version) + _local(version), version.is_prerelease)


def _suffix(version: Pep440) -> str:
    if version.pre is not None:
        prerelease = _PRERELEASES[version.pre[0]] + number(str(version.pre[1]))
    elif version.post is None and version.dev is not None:
        prerelease = _DEVELOPMENT_ONLY
    else:
        prerelease = _NO_PRERELEASE
    post = _NO_POST if version.post is None else _POST + number(str(version.post))
    dev = _NO_DEVELOPMENT if version.dev is None else _DEVELOPMENT + number(str(version.dev))
    return prerelease + post + dev


def _local(version: Pep440) -> str:
    if version.local is None:
        return _NO_LOCAL
    marks = (
        _LOCAL_NUMBER + number(part) if part.isdecimal() else _LOCAL_WORD + word(part)
        for part in version.local.split(".")
    )
    return _LOCAL + "".join(marks) + _LOCAL_END
