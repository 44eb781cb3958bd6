"""Sightings: each entry of a source, what was made of it, and what a person decided where that was in doubt."""

from datetime import datetime, tzinfo
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import audit, ids, notices
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import NotFound, Problem
from release_service import events, releases
from release_service.entries import FeedEntry
from release_service.rules import Disposition, Judgement
from release_service.tables import Product, Release, Sighting


class NotSuspect(Problem):
    """There is nothing to decide about this sighting."""

    status, code = HTTPStatus.CONFLICT, "sighting-not-suspect"


async def held(session: AsyncSession, sighting_id: str) -> Sighting:
    """Read a sighting to decide about it. Raises `NotFound`."""
    # Locked: two people may decide about the same one.
    sighting: Sighting | None = await session.get(Sighting, sighting_id, with_for_update=True)
    if sighting is None:
        raise NotFound(f"There is no sighting {sighting_id}.")
    return sighting


def dismissed_before(sighting: Sighting | None, entry: FeedEntry) -> bool:
    """Say whether a person has left this version out: an entry that is edited later does not ask again."""
    if sighting is None or sighting.decided_by is None or sighting.disposition != Disposition.FILTERED:
        return False
    return sighting.version_text == entry.version_text


def written(
    sighting: Sighting | None, source_id: str, entry: FeedEntry, judgement: Judgement, release: str | None, *,
    now: datetime,
) -> Sighting:  # fmt: skip
    """Answer the row of an entry that was judged: the one that there is, brought up to date, or a new one."""
    row = sighting or Sighting(
        id=ids.new("sgt"), source=source_id, guid=entry.guid, first_seen_at=now, fingerprint="", title="", seen_at=now,
        disposition="", reason="",
    )  # fmt: skip
    row.fingerprint, row.seen_at = entry.fingerprint, now
    row.title, row.link, row.summary = entry.title, entry.link, entry.summary
    row.version_text, row.published_at = entry.version_text, entry.published
    row.disposition, row.reason, row.release = judgement.disposition, judgement.reason, release
    row.decided_by = row.decided_at = None
    return row


def release_of(
    product: Product, entry: FeedEntry | Sighting, judgement: Judgement, *, zone: tzinfo, now: datetime
) -> Release:
    """Make the release that a sighting tells of."""
    assert judgement.version is not None  # noqa: S101 - only what has a version is new
    return releases.made(product, judgement.version, now=now, **said_of_release(entry, zone=zone))


def said_of_release(entry: FeedEntry | Sighting, *, zone: tzinfo) -> dict[str, Any]:
    """Answer the columns of a release that an entry tells of."""
    published = entry.published if isinstance(entry, FeedEntry) else entry.published_at
    day = published.astimezone(zone).date() if published else None
    return {"available_on": day, "notes": entry.summary, "link": entry.link}


async def accept(
    session: AsyncSession, product: Product, sighting: Sighting, *, version_text: str | None, by: Caller,
    zone: tzinfo, now: datetime,
) -> None:  # fmt: skip
    """Take a suspect for a release, by `version_text` where its own cannot be read. The product is held.

    Raises `NotSuspect`, `Invalid`.
    """
    _demand_suspect(sighting)
    version = releases.version_of(product, version_text or sighting.version_text or "")
    release = await releases.with_version(session, product, version)
    sighting.disposition, sighting.reason = Disposition.DUPLICATE, f"{version} is already known."
    if release is None:
        sighting.disposition, sighting.reason = Disposition.NEW, f"{version} was accepted."
        release = release_of(product, sighting, Judgement(Disposition.NEW, "", version), zone=zone, now=now)
        session.add(release)
        await session.flush()
        await releases.tell_of(session, product, release, actor=by, now=now, source=sighting.source)
    sighting.release = release.id
    fact = events.SightingAccepted(product=product.id, source=sighting.source, release=release.id)
    await publish(session, fact, of=sighting.id, version=1, actor=by, now=now)
    await _decided(session, sighting, "sighting.accepted", by=by, now=now)


async def dismiss(session: AsyncSession, product: Product, sighting: Sighting, *, by: Caller, now: datetime) -> None:
    """Leave a suspect out, for good unless its entry names another version. Raises `NotSuspect`."""
    _demand_suspect(sighting)
    sighting.disposition, sighting.reason = Disposition.FILTERED, "A person left it out."
    fact = events.SightingDismissed(product=product.id, source=sighting.source)
    await publish(session, fact, of=sighting.id, version=1, actor=by, now=now)
    await _decided(session, sighting, "sighting.dismissed", by=by, now=now)


def _demand_suspect(sighting: Sighting) -> None:
    if sighting.disposition != Disposition.SUSPECT:
        raise NotSuspect(f"This sighting is {sighting.disposition}. Only a suspect one waits for a decision.")


async def _decided(session: AsyncSession, sighting: Sighting, action: str, *, by: Caller, now: datetime) -> None:
    sighting.decided_by, sighting.decided_at = by.id, now
    await session.flush()
    audit.record(session, action, kind="sighting", of=sighting.id, by=by, now=now, source=sighting.source)
    await settle_if_none_waits(session, sighting.source, now=now)


async def settle_if_none_waits(session: AsyncSession, source_id: str, *, now: datetime) -> None:
    """Take the source's suspects off everybody's list once the last of them is decided about."""
    of_source = select(col(Sighting.id)).where(col(Sighting.source) == source_id)
    waiting = of_source.where(col(Sighting.disposition) == Disposition.SUSPECT).limit(1)
    if (await session.execute(waiting)).scalar() is None:
        await notices.settle(session, events.SightingSuspect.type, of_source, now=now)
