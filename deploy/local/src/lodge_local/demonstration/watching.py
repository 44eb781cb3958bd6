"""The watched source of each product, and what was made of the last entries of its feed: by the service's own rules.

The sources are paused: their addresses are nobody's (RFC 2606), and a history needs no network.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlmodel import SQLModel

from lodge_kit.addresses import place
from lodge_local.demonstration.campus import Campus
from lodge_local.demonstration.chance import Chance, at
from lodge_local.demonstration.products import ProductSpec
from release_service.entries import FeedEntry
from release_service.labels import Naming, version_text
from release_service.rules import Known, judge_all
from release_service.tables import Product, Release, Sighting, SourceCheck, WatchedSource
from release_service.versions import Scheme, parse

_SIGHTED = 8
_DATED_IN_DOUBT = (Scheme.MAVEN, Scheme.SEMVER)
"""Those of whose versions a date is a leap."""


def watched(
    chance: Chance, campus: Campus, product: Product, spec: ProductSpec, releases: list[Release]
) -> Iterator[SQLModel]:
    """Answer the source, how its checks went, and the sightings of its newest entries."""
    made = product.created_at + timedelta(hours=1)
    seen = campus.now - timedelta(days=1, minutes=chance.number(1, 300))
    source = WatchedSource(
        id=chance.id("wch", made), product=product.id, url=f"{spec.website}/releases.atom", owner=product.owner,
        paused=True, version=2, created_at=made, updated_at=seen + timedelta(hours=2),
    )  # fmt: skip
    yield source
    yield SourceCheck(source=source.id, host=str(place(source.url)), last_checked_at=seen, last_ok_at=seen)
    there = [release for release in releases if release.available_on is not None and release.available_on < seen.date()]
    newest = sorted(there, key=lambda release: release.available_on or campus.day)[-_SIGHTED:]
    entries = [_of_release(spec, release) for release in newest] + list(_doubtful(campus, spec, seen))
    known = Known(releases={parse(spec.scheme, one.version_text) for one in there if one not in newest})
    by_key = {release.sort_key: release.id for release in newest}
    naming = Naming(spec.scheme, prereleases=product.prereleases)
    for entry, judgement in zip(entries, judge_all(entries, naming, known), strict=True):
        first = chance.working((entry.published or seen).date())
        yield Sighting(
            id=chance.id("sgt", min(first, seen)), source=source.id, guid=entry.guid, fingerprint=entry.fingerprint,
            title=entry.title, link=entry.link, summary=entry.summary, version_text=entry.version_text,
            published_at=entry.published, first_seen_at=min(first, seen), seen_at=seen,
            disposition=judgement.disposition, reason=judgement.reason,
            release=by_key.get(judgement.version.sort_key) if judgement.version else None,
        )  # fmt: skip


def _of_release(spec: ProductSpec, release: Release) -> FeedEntry:
    title = f"{spec.name} {release.version_text} is here"
    published = at(release.available_on) + timedelta(hours=7) if release.available_on else None
    return _entry(spec, f"release-{release.sort_key}", title, release.link, published, release.notes)


def _doubtful(campus: Campus, spec: ProductSpec, seen: datetime) -> Iterator[FeedEntry]:
    earlier = seen - timedelta(days=3)
    words = "Join us and ask what you like."
    yield _entry(spec, "webinar", f"{spec.name} webinar: what is coming", f"{spec.website}/webinar", earlier, words)
    if spec.scheme in _DATED_IN_DOUBT:
        title = f"{spec.name} build {campus.day - timedelta(days=2):%Y%m%d}"
        yield _entry(spec, "build", title, f"{spec.website}/builds", earlier, "A bundle of fixes.")


def _entry(
    spec: ProductSpec, name: str, title: str, link: str | None, published: datetime | None, summary: str
) -> FeedEntry:
    found = version_text(title, link, spec.title_pattern)
    return FeedEntry(f"{spec.website}/{name}", title, link, found, published, summary)
