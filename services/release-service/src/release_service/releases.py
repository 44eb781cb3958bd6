"""Releases: announced, published, corrected, withdrawn. Whoever adds one holds its product (`products.held`)."""

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem
from lodge_kit.tables import Event
from release_service import events
from release_service.labels import Naming
from release_service.tables import Product, Release
from release_service.versions import Scheme, UnreadableVersion, Version

WATCH = "lodge"
"""Who is on record for what a watched source told."""


class ReleaseKnown(Problem):
    """The product has this version already, maybe spelt in another way."""

    status, code = HTTPStatus.CONFLICT, "release-known"


async def get(session: AsyncSession, release_id: str) -> Release:
    """Read a release. Raises `NotFound`."""
    release = await session.get(Release, release_id)
    if release is None:
        raise NotFound(f"There is no release {release_id}.")
    return release


def version_of(product: Product, text: str) -> Version:
    """Read what a person gave as a version: the product's filters do not apply. Raises `Invalid` at /version."""
    try:
        return Naming(Scheme(product.scheme), prefix=product.prefix, prereleases=True).version(text)
    except UnreadableVersion as why:
        raise Invalid.at("/version", why.detail, why.code) from why


async def with_version(session: AsyncSession, product: Product, version: Version) -> Release | None:
    """Find the product's release of this version, however it is spelt."""
    found = select(Release).where(col(Release.product) == product.id, col(Release.sort_key) == version.sort_key)
    release: Release | None = (await session.execute(found)).scalar_one_or_none()
    return release


def made(product: Product, version: Version, *, now: datetime, **facts: Any) -> Release:
    """Make the row of a release that is new."""
    return Release(
        id=ids.new("rel"), product=product.id, version_text=version.text, sort_key=version.sort_key,
        is_prerelease=version.is_prerelease, created_at=now, updated_at=now, **facts,
    )  # fmt: skip


async def add(
    session: AsyncSession, product: Product, version: Version, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> Release:
    """Record a release by hand, announced or available. Raises `ReleaseKnown`, `Invalid`."""
    _demand_dates(facts.get("announced_on"), facts.get("available_on"))
    known = await with_version(session, product, version)
    if known is not None:
        raise ReleaseKnown(f"{product.name} has {known.version_text} already: {known.id}. Change that one.")
    release = made(product, version, now=now, changed_by=by.id, **facts)
    session.add(release)
    await session.flush()
    await tell_of(session, product, release, actor=by, now=now)
    audit.record(session, "release.recorded", kind="release", of=release.id, by=by, now=now, version=version.text)
    return release


async def tell_of(
    session: AsyncSession, product: Product, release: Release, *, actor: Caller | str, now: datetime,
    source: str | None = None, first_reading: bool = False,
) -> Event:  # fmt: skip
    """Publish that a release is announced, or that it is there."""
    told = {
        "product": product.id, "supplier": product.supplier, "version": release.version_text, "kind": release.kind,
    }  # fmt: skip
    fact: events.ReleaseAnnounced | events.ReleasePublished
    if release.state == "announced":
        fact = events.ReleaseAnnounced(**told, announced_on=release.announced_on)
    else:
        fact = events.ReleasePublished(
            **told, is_prerelease=release.is_prerelease, available_on=release.available_on, link=release.link,
            source=source, first_reading=first_reading,
        )  # fmt: skip
    return await publish(session, fact, of=release.id, version=release.version, actor=actor, now=now)


async def change(
    session: AsyncSession, product: Product, release: Release, facts: Mapping[str, Any], *, by: Caller | None,
    now: datetime,
) -> None:  # fmt: skip
    """Change what `facts` names; without a person behind it (`by`) it is a feed that corrects what it said."""
    changed = sorted(name for name, value in facts.items() if getattr(release, name) != value)
    _demand_dates(facts.get("announced_on", release.announced_on), facts.get("available_on", release.available_on))
    if not changed:
        return
    for name in changed:
        setattr(release, name, facts[name])
    release.updated_at = now
    release.changed_by = by.id if by else release.changed_by
    await session.flush()
    fact = events.ReleaseChanged(product=product.id, version=release.version_text, changed=changed)
    await publish(session, fact, of=release.id, version=release.version, actor=by or WATCH, now=now)
    if by:
        audit.record(session, "release.changed", kind="release", of=release.id, by=by, now=now, changed=changed)


async def make_available(
    session: AsyncSession, product: Product, release: Release, *, on: date, by: Caller | None, now: datetime,
    source: str | None = None,
) -> None:  # fmt: skip
    """Let what was announced be there: it is published now. Raises `Conflict` for what was not announced."""
    if release.state != "announced":
        raise Conflict(f"This release is {release.state}. Only an announced one can be published.")
    release.state, release.updated_at = "available", now
    release.available_on = release.available_on or on
    await session.flush()
    await tell_of(session, product, release, actor=by or WATCH, now=now, source=source)
    if by:
        audit.record(session, "release.published", kind="release", of=release.id, by=by, now=now)


async def withdraw(
    session: AsyncSession, product: Product, release: Release, *, reason: str, by: Caller, now: datetime
) -> None:
    """Take a release back: it stays on record and is the newest no longer. Raises `Conflict` when it was before."""
    if release.state == "withdrawn":
        raise Conflict("This release is withdrawn already.")
    release.state, release.withdrawal_reason = "withdrawn", reason
    release.updated_at, release.changed_by = now, by.id
    await session.flush()
    fact = events.ReleaseWithdrawn(product=product.id, version=release.version_text)
    await publish(session, fact, of=release.id, version=release.version, actor=by, now=now)
    audit.record(
        session, "release.withdrawn", kind="release", of=release.id, by=by, now=now, personal=["reason"], about=by.id,
        reason=reason,
    )  # fmt: skip


def _demand_dates(announced_on: date | None, available_on: date | None) -> None:
    if announced_on and available_on and available_on < announced_on:
        raise Invalid.at("/available_on", "A release cannot be available before it is announced.", "order")
