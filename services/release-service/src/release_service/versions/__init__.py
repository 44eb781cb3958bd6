"""Versions, ordered by the scheme of their product and by nothing else.

Each scheme turns a text into a *sort key*: printable text whose bytewise order (PostgreSQL's `COLLATE "C"`, Python's
`str`) is the order of the versions. Python, SQL and a page's cursor therefore agree without asking one another, and
60,000 versions are ordered in well under a second. Equal keys are equal versions, `1.0` and `1.0.0` for Maven.

Two schemes are never compared: their keys mean nothing to each other, and a guess here names a wrong "latest".

Limits: a text of 200 printable characters without blanks inside, a number of 61 digits; beyond: `UnreadableVersion`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering
from http import HTTPStatus

from lodge_kit.problems import Conflict, Problem
from release_service.versions import free, maven, packages, pep440, semver
from release_service.versions.keys import Reading, Unreadable, check_text


class Scheme(StrEnum):
    """How a supplier numbers a product. A product has one, and changing it means new sort keys for its releases."""

    MAVEN = "maven"
    SEMVER = "semver"
    PEP440 = "pep440"
    RPM = "rpm"
    DEB = "deb"
    CALENDAR = "calendar"
    NATURAL = "natural"


_READERS: Mapping[Scheme, Callable[[str], Reading]] = {
    Scheme.MAVEN: maven.read,
    Scheme.SEMVER: semver.read,
    Scheme.PEP440: pep440.read,
    Scheme.RPM: packages.read_rpm,
    Scheme.DEB: packages.read_deb,
    Scheme.CALENDAR: free.read_calendar,
    Scheme.NATURAL: free.read_natural,
}


class UnreadableVersion(Problem):
    """A text is not a version of the scheme; the sentence says what the scheme wants."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "version-unreadable"


class SchemesDiffer(Conflict):
    """Two versions of different schemes were compared."""

    code = "schemes-differ"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version as its supplier writes it, and where it stands among its scheme's.

    `<` between schemes raises `SchemesDiffer`; `==` between schemes is False. `text` takes no part in either.
    """

    scheme: Scheme
    text: str
    sort_key: str
    is_prerelease: bool

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self.scheme is other.scheme and self.sort_key == other.sort_key

    def __hash__(self) -> int:
        return hash(self.sort_key)

    def __lt__(self, other: "Version") -> bool:
        if self.scheme is not other.scheme:
            raise SchemesDiffer(
                f"{self.text!r} is numbered by {self.scheme} and {other.text!r} by {other.scheme}: "
                "they cannot be compared. Compare versions of one product."
            )
        return self.sort_key < other.sort_key

    def __str__(self) -> str:
        return self.text


def parse(scheme: Scheme, text: str) -> Version:
    """Read `text` as a version of `scheme`, blanks around it aside. Raises `UnreadableVersion`."""
    text = text.strip()
    try:
        check_text(text)
        key, is_prerelease = _READERS[scheme](text)
    except Unreadable as why:
        raise UnreadableVersion(f"{text[:40]!r} is not a version that the scheme {scheme} can read: {why}.") from why
    return Version(scheme, text, key, is_prerelease)


def newest(versions: Iterable[Version]) -> Version | None:
    """Pick the greatest, the first of several equal ones; None of nothing. Raises `SchemesDiffer`."""
    return max(versions, default=None)
