"""What the watch decides: what a sighted entry is, and when a source is asked again. No I/O, no clock, no chance.

Chance comes as an argument, a number from 0 up to 1 (`random.random()`), so that a test can say which.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from release_service.entries import FeedEntry
from release_service.labels import Naming, Unwanted
from release_service.versions import Scheme, UnreadableVersion, Version, newest

LONGEST_LEAP = 2
_FIRST_YEAR_LIKE = 1900
_LAST_NUMBER_LIKE = 1000
_FIRST_NUMBER = re.compile(r"(?:[0-9]+:)?[^0-9]*([0-9]{1,30})")
_NAMED_BY_NUMBER = (Scheme.MAVEN, Scheme.SEMVER, Scheme.PEP440, Scheme.RPM, Scheme.DEB)

_FIRST_BACK_OFF = timedelta(minutes=5)
_LONGEST_BACK_OFF = timedelta(days=1)
_LONGEST_RETRY_AFTER = timedelta(days=7)
_SPREAD = 0.1
_SOON_ENOUGH_TO_TELL = timedelta(days=1)


class Disposition(StrEnum):
    """What a sighting came to."""

    NEW = "new"
    DUPLICATE = "duplicate"
    UPDATED = "updated"
    FILTERED = "filtered"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A disposition, the sentence that explains it, the version if one was read. A suspect waits for a person."""

    disposition: Disposition
    reason: str
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before a feed is judged.

    `releases`: the product's, announced or not; a set where there are many. `sightings`: the fingerprint of each entry
    seen before, by guid; leave out those that were filtered or suspect once the product's naming has changed, and they
    are judged anew. `installed`: what runs anywhere. `read_before`: whether this source was read before; the first
    time it tells history. `latest`: the newest of the releases, for who has it at hand.
    """

    releases: Collection[Version] = ()
    sightings: Mapping[str, str] = field(default_factory=dict)
    installed: Collection[Version] = ()
    read_before: bool = True
    latest: Version | None = None

    def newest(self) -> Version | None:
        """Answer the newest release."""
        return self.latest or newest(self.releases)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a check came to nothing, and how long the supplier asks us to stay away."""

    reason: str
    retry_after: timedelta | None = None


def judge(entry: FeedEntry, naming: Naming, known: Known) -> Judgement:
    """Decide what one entry is, given what is known."""
    seen = known.sightings.get(entry.guid)
    if seen == entry.fingerprint:
        return Judgement(Disposition.DUPLICATE, "This entry was seen before.")
    if entry.version_text is None:
        return Judgement(Disposition.FILTERED, "No version was found in the title.")
    try:
        version = naming.version(entry.version_text, label=entry.title)
    except Unwanted as why:
        return Judgement(Disposition.FILTERED, str(why))
    except UnreadableVersion as why:
        return Judgement(Disposition.SUSPECT, f"{why.detail} Has the supplier changed its scheme?")
    return _judge_version(version, known, was_seen=seen is not None)


def _judge_version(version: Version, known: Known, *, was_seen: bool) -> Judgement:
    if version in known.releases:
        if was_seen:
            return Judgement(Disposition.UPDATED, f"The supplier changed what it says of {version}.", version)
        return Judgement(Disposition.DUPLICATE, f"{version} is already known.", version)
    doubt = _doubt(version, known)
    if doubt is not None:
        return Judgement(Disposition.SUSPECT, doubt, version)
    return Judgement(Disposition.NEW, _news(version, known), version)


def judge_all(entries: Sequence[FeedEntry], naming: Naming, known: Known) -> list[Judgement]:
    """Judge a whole feed, in its order.

    The lowest version is judged first and each new one is known to the next, so that a feed's history leads up to its
    newest in steps, and the same version twice in one feed is new once.
    """
    releases, latest = set(known.releases), known.newest()
    judged: dict[int, Judgement] = {}
    for place in _ascending(entries, naming):
        judgement = judged[place] = judge(entries[place], naming, replace(known, releases=releases, latest=latest))
        if judgement.disposition is Disposition.NEW and judgement.version is not None:
            releases.add(judgement.version)
            latest = newest(version for version in (latest, judgement.version) if version is not None)
    return [judged[place] for place in range(len(entries))]


def _ascending(entries: Sequence[FeedEntry], naming: Naming) -> list[int]:
    """Answer the places of the entries by version, those without a version first; equal ones as the feed has them."""

    def key(place: int) -> str:
        entry = entries[place]
        try:
            return naming.version(entry.version_text or "", label=entry.title).sort_key
        except (Unwanted, UnreadableVersion):
            return ""

    return sorted(range(len(entries)), key=key)


def _doubt(version: Version, known: Known) -> str | None:
    latest = known.newest()
    if latest is not None and version.scheme in _NAMED_BY_NUMBER:
        first, before = _first_number(version), _first_number(latest)
        if first >= _FIRST_YEAR_LIKE and before < _LAST_NUMBER_LIKE:
            return f"{version} looks like a date, where the newest so far is {latest}. Accept it or leave it out."
        if first > before + LONGEST_LEAP and before < _LAST_NUMBER_LIKE:
            return f"{version} leaps from {latest} by {first - before} major versions. Accept it or leave it out."
        if known.read_before and before >= _FIRST_YEAR_LIKE and first < _LAST_NUMBER_LIKE:
            return f"{version} is a number, where the newest so far is {latest}. Accept it or leave it out."
    lowest = min(known.installed, default=None)
    if known.read_before and lowest is not None and version < lowest:
        return f"{version} is lower than {lowest}, which is installed. Accept it or leave it out."
    return None


def _first_number(version: Version) -> int:
    match = _FIRST_NUMBER.match(version.text)
    return int(match[1]) if match else 0


def _news(version: Version, known: Known) -> str:
    latest = known.newest()
    if latest is None:
        return f"{version} is the first release seen."
    return f"{version} follows {latest}." if version > latest else f"{version} belongs before {latest}."


def next_check(
    now: datetime, every: timedelta, *, chance: float, failures: int = 0, wait: timedelta | None = None
) -> datetime:
    """Say when a source is asked again.

    After a good check in `every`, give or take a tenth. After the n-th failure in a row in 5 min · 2^(n-1), at most a
    day or `every` where that is longer, of which a random half may be left out: many sources of a host that was down
    must not come back together. Never sooner than `wait`, what the supplier asked for (Retry-After).
    """
    if failures <= 0:
        pause = every * (1 + _SPREAD * (2 * chance - 1))
    else:
        doubled = _FIRST_BACK_OFF * 2 ** min(failures - 1, 20)
        pause = min(doubled, max(_LONGEST_BACK_OFF, every)) * (1 - chance / 2)
    asked = min(wait or timedelta(), _LONGEST_RETRY_AFTER) * (1 + _SPREAD * chance)
    return now + max(pause, asked)


def retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Read a Retry-After (RFC 9110 §10.2.3), seconds or a date; None for none or nonsense; at most seven days."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        seconds = float(text[:12])
    else:
        try:
            until = parsedate_to_datetime(text)
            seconds = (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(timedelta(seconds=max(seconds, 0.0)), _LONGEST_RETRY_AFTER)


def spaced(
    due: Iterable[tuple[str, str]], last: Mapping[str, datetime], *, now: datetime, gap: timedelta
) -> dict[str, datetime]:
    """Give each source a start so that no host is asked twice within `gap`.

    `due`: pairs of source id and host, the most urgent first. `last`: when each host was asked, or will be.
    """
    free = dict(last)
    starts: dict[str, datetime] = {}
    for source, host in due:
        start = max(now, free[host] + gap) if host in free else now
        starts[source] = free[host] = start
    return starts


def owner_is_to_be_told(failing_since: datetime | None, told_at: datetime | None, *, now: datetime) -> bool:
    """Say whether a source has failed for a day and its owner does not know it yet."""
    if failing_since is None or now - failing_since < _SOON_ENOUGH_TO_TELL:
        return False
    return told_at is None or told_at < failing_since
