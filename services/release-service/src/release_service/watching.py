"""One check of one source: asked, read, judged, written down. Running it twice changes nothing the second time.

The network is met outside any transaction. What came is then taken in within one, which holds the product, so that
two checks at once, or a check and a person, cannot both find the same version new.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import logs, notices
from lodge_kit.events import publish
from lodge_kit.outbound import Failed, Refused
from lodge_kit.problems import NotFound
from lodge_kit.tables import Event
from lodge_kit.world import World
from release_service import events, products, releases, rules, sightings, sources
from release_service.conditional import Changed, Remembered, Unchanged, request_headers, understood
from release_service.entries import LARGEST_BODY, Feed, FeedEntry, NotAFeed
from release_service.reading import Reader
from release_service.rules import Disposition, Failure, Judgement, Known
from release_service.settings import Settings
from release_service.tables import Product, Release, Sighting, SourceCheck, WatchedSource
from release_service.versions import Scheme, Version

MOST_HISTORY_TOLD = 100
"""Releases of a first reading that are published, the newest: more than that is read from the list."""
_REDIRECTS = 3
_ACCEPT = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"

log = logs.logger(__name__)

Judged = list[tuple[FeedEntry, Judgement]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a check needs to know before it goes out."""

    source: str
    product: str
    url: str
    pattern: str
    remembered: Remembered


@dataclass(frozen=True, slots=True)
class Read:
    """A feed, and what to remember of its body once it is taken in."""

    feed: Feed
    remembered: Remembered


async def check(world: World, source_id: str) -> None:
    """Check a source that is not paused. Whatever it answers, the reason is written down and nothing is raised."""
    asked = await _asked(world, source_id)
    if asked is None:
        return
    outcome = await _outcome(world, asked)
    try:
        await _take_in(world, asked, outcome)
    except Exception:  # whatever it is: the source must show it, and be asked again
        log.exception("a source could not be taken in", source=source_id)
        await _take_in(world, asked, Failure("Lodge failed to take in what came. Tell those who run it."))


async def _asked(world: World, source_id: str) -> Asked | None:
    async with world.database.transaction() as session:
        found = select(WatchedSource, SourceCheck, Product).join(SourceCheck).join(Product)
        row = (await session.execute(found.where(col(WatchedSource.id) == source_id))).one_or_none()
        if row is None or row[0].paused:
            return None
        source, check, product = row[0], row[1], row[2]
        remembered = Remembered(check.etag, check.last_modified, check.body_hash)
        return Asked(source.id, product.id, source.url, product.title_pattern, remembered)


async def _outcome(world: World, asked: Asked) -> Unchanged | Read | Failure:
    settings, reader = world.settings, world.own
    assert isinstance(settings, Settings)  # noqa: S101 - this service's own world
    assert isinstance(reader, Reader)  # noqa: S101 - as above
    try:
        answer = await world.outbound.send(
            "GET", asked.url, headers={"Accept": _ACCEPT, **request_headers(asked.remembered)},
            timeout=settings.fetch_seconds, limit=LARGEST_BODY, redirects=_REDIRECTS,
        )  # fmt: skip
    except Refused as why:
        return Failure(str(why))
    except Failed as why:
        return Failure(why.reason)
    found = understood(asked.remembered, answer.status, answer.headers, answer.body, now=world.clock())
    if not isinstance(found, Changed):
        return found
    try:
        feed = await reader.read(
            found.body, content_type=found.content_type, url=answer.url, pattern=asked.pattern,
            timeout=settings.read_seconds,
        )  # fmt: skip
    except NotAFeed as why:
        return Failure(str(why))
    return Read(feed, found.remembered)


async def _take_in(world: World, asked: Asked, outcome: Unchanged | Read | Failure) -> None:
    now, chance = world.clock(), random.random()  # noqa: S311 - spreads checks, guards nothing
    async with world.database.transaction() as session:
        try:
            product = await products.held(session, asked.product)
            source = await sources.get(session, asked.source)
        except NotFound:
            return
        check = await sources.held_check(session, asked.source)
        await session.refresh(source)
        if source.paused or source.url != asked.url or product.title_pattern != asked.pattern:
            return  # somebody changed it meanwhile: what came answers a question that nobody asks any more
        if isinstance(outcome, Failure):
            await sources.failed(session, source, check, outcome, chance=chance, now=now)
            return
        if isinstance(outcome, Read):
            taking = _Taking(session, product, source, world.settings.time_zone, now, first=check.body_hash is None)
            await taking.take_in(outcome.feed)
            check.defect = outcome.feed.defect
        await sources.went_well(session, source, check, outcome.remembered, chance=chance, now=now)


@dataclass(frozen=True, slots=True)
class _Taking:
    """A feed being taken in: the rows that its entries become, and what is told of them."""

    session: AsyncSession
    product: Product
    source: WatchedSource
    zone: tzinfo
    now: datetime
    first: bool
    """Whether this is a first reading, which tells history."""

    async def take_in(self, feed: Feed) -> None:
        """Judge what is not settled yet, and write down what came of it."""
        found = select(Sighting).where(col(Sighting.source) == self.source.id)
        seen = {row.guid: row for row in (await self.session.execute(found)).scalars()}
        entries = [one for one in feed.entries if not sightings.dismissed_before(seen.get(one.guid), one)]
        ids_by_key, versions, announced = await self._releases()
        known = Known(
            releases=versions,
            sightings={guid: row.fingerprint for guid, row in seen.items() if row.fingerprint},
            read_before=not self.first,
        )
        # In a thread: twenty thousand entries take a second or two, in which other jobs must go on.
        judgements = await asyncio.to_thread(rules.judge_all, entries, products.naming(self.product), known)
        judged = sorted(zip(entries, judgements, strict=True), key=_by_version)
        await self._add_releases(judged, ids_by_key)
        fresh = [(e, j) for e, j in judged if (row := seen.get(e.guid)) is None or row.fingerprint != e.fingerprint]
        await self._correct(fresh, ids_by_key, announced)
        suspects = self._write(fresh, seen, ids_by_key)
        await self._tell_of_suspects(suspects)
        await sightings.settle_if_none_waits(self.session, self.source.id, now=self.now)
        still = update(Sighting).where(col(Sighting.source) == self.source.id)
        await self.session.execute(
            still.where(col(Sighting.guid).in_([one.guid for one in feed.entries])).values(seen_at=self.now)
        )

    async def _releases(self) -> tuple[dict[str, str], set[Version], set[str]]:
        """Answer the ids of the product's releases by sort key, their versions, the ids of those announced."""
        scheme = Scheme(self.product.scheme)
        wanted = (Release.id, Release.version_text, Release.sort_key, Release.is_prerelease, Release.state)
        found = select(*map(col, wanted)).where(col(Release.product) == self.product.id)
        rows = (await self.session.execute(found)).all()
        versions = {Version(scheme, row.version_text, row.sort_key, row.is_prerelease) for row in rows}
        announced = {row.id for row in rows if row.state == "announced"}
        return {row.sort_key: row.id for row in rows}, versions, announced

    async def _add_releases(self, judged: Judged, ids_by_key: dict[str, str]) -> None:
        new = [
            sightings.release_of(self.product, entry, judgement, zone=self.zone, now=self.now)
            for entry, judgement in judged
            if judgement.disposition is Disposition.NEW
        ]
        self.session.add_all(new)
        await self.session.flush()
        ids_by_key.update({release.sort_key: release.id for release in new})
        told: Event | None = None
        for release in new[-MOST_HISTORY_TOLD:] if self.first else new:
            told = await releases.tell_of(
                self.session, self.product, release, actor=releases.WATCH, now=self.now, source=self.source.id,
                first_reading=self.first,
            )  # fmt: skip
        if told is not None:
            await self._tell(self.product.owner, told, self._news(new), f"/releases/{new[-1].id}")

    def _news(self, new: Sequence[Release]) -> str:
        newest = new[-1].version_text
        if self.first:
            return f"{self.product.name}: {len(new)} releases were found, the newest is {newest}"
        if len(new) == 1:
            return f"{self.product.name} {newest} was released"
        return f"{self.product.name}: {len(new)} new releases, the newest is {newest}"

    async def _correct(self, fresh: Judged, ids_by_key: Mapping[str, str], announced: set[str]) -> None:
        """Have releases follow what the supplier says of them now, but never against what a person wrote."""
        for entry, judgement in fresh:
            if judgement.version is None or judgement.disposition not in (Disposition.DUPLICATE, Disposition.UPDATED):
                continue
            release_id = ids_by_key[judgement.version.sort_key]
            said = sightings.said_of_release(entry, zone=self.zone)
            if release_id in announced:
                release = await releases.get(self.session, release_id)
                announced.discard(release_id)
                await releases.make_available(
                    self.session, self.product, release, on=said["available_on"] or self.now.date(), by=None,
                    now=self.now, source=self.source.id,
                )  # fmt: skip
            elif judgement.disposition is Disposition.UPDATED:
                release = await releases.get(self.session, release_id)
                if release.changed_by is None:
                    await releases.change(self.session, self.product, release, said, by=None, now=self.now)

    def _write(self, fresh: Judged, seen: Mapping[str, Sighting], ids_by_key: Mapping[str, str]) -> list[Sighting]:
        """Write the sightings down; answers those that wait for a person and did not before."""
        suspects = []
        for entry, judgement in fresh:
            waited = (row := seen.get(entry.guid)) is not None and row.disposition == Disposition.SUSPECT
            release = ids_by_key.get(judgement.version.sort_key) if judgement.version else None
            row = sightings.written(row, self.source.id, entry, judgement, release, now=self.now)
            self.session.add(row)
            if judgement.disposition is Disposition.SUSPECT and not waited:
                suspects.append(row)
        return suspects

    async def _tell_of_suspects(self, suspects: Sequence[Sighting]) -> None:
        await self.session.flush()
        told: Event | None = None
        for row in suspects[:MOST_HISTORY_TOLD]:
            fact = events.SightingSuspect(
                product=self.product.id, source=self.source.id, version=row.version_text, reason=row.reason
            )
            told = await publish(self.session, fact, of=row.id, version=1, actor=releases.WATCH, now=self.now)
        if told is not None:
            several = f"{len(suspects)} doubtful releases wait"
            waits = "a doubtful release waits" if len(suspects) == 1 else several
            title = f"{self.product.name}: {waits} for you to accept or dismiss"
            await self._tell(self.source.owner, told, title, f"/sightings?source={self.source.id}")

    async def _tell(self, person: str, event: Event, title: str, path: str) -> None:
        await notices.tell(self.session, person, event, title=title, path=path, now=self.now)


def _by_version(judged: tuple[FeedEntry, Judgement]) -> str:
    version = judged[1].version
    return version.sort_key if version else ""
