"""Products, and how their releases are named: a change of that is a change of every release's place."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import bindparam, case, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import NotFound, Problem
from release_service import patterns, suppliers
from release_service.labels import Naming
from release_service.tables import Product, Release, Sighting, SourceCheck, WatchedSource
from release_service.versions import Scheme, UnreadableVersion, Version, parse

_PATTERNS = ("include", "exclude", "title_pattern")
_NAMING = ("scheme", "prefix", "prereleases", *_PATTERNS)
_NAMED_IN_A_SENTENCE = 5


class SchemeDoesNotFit(Problem):
    """Releases that are there cannot be ordered by the scheme that is wanted."""

    status, code = HTTPStatus.CONFLICT, "scheme-does-not-fit"


async def get(session: AsyncSession, product_id: str) -> Product:
    """Read a product. Raises `NotFound`."""
    product = await session.get(Product, product_id)
    if product is None:
        raise NotFound(f"There is no product {product_id}.")
    return product


async def held(session: AsyncSession, product_id: str) -> Product:
    """Read a product and keep it from changing: whatever adds releases, or moves them, holds it first."""
    found = select(Product).where(col(Product.id) == product_id).with_for_update(key_share=True)
    product: Product | None = (
        await session.execute(found.execution_options(populate_existing=True))
    ).scalar_one_or_none()
    if product is None:
        raise NotFound(f"There is no product {product_id}.")
    return product


def naming(product: Product) -> Naming:
    """Answer how the product's releases are named."""
    return Naming(Scheme(product.scheme), product.prefix, product.include, product.exclude, product.prereleases)


async def add(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> Product:
    """Add a product; `facts` are columns of `Product`. Raises `Invalid`; a name that is taken is a conflict."""
    _demand_patterns(facts)
    await suppliers.demand(session, facts["supplier"])
    product = Product(id=ids.new("prd"), created_at=now, updated_at=now, **facts)
    session.add(product)
    await session.flush()
    audit.record(session, "product.created", kind="product", of=product.id, by=by, now=now, name=product.name)
    return product


async def change(
    session: AsyncSession, product: Product, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change what `facts` names of a product that is `held`.

    Another scheme gives all its releases new sort keys; with another naming its sources are read anew.
    Raises `Invalid`, `SchemeDoesNotFit`.
    """
    _demand_patterns(facts)
    renamed = {name for name in _NAMING if name in facts and facts[name] != getattr(product, name)}
    if "scheme" in renamed:
        await _move(session, product, Scheme(facts["scheme"]))
    for name, value in facts.items():
        setattr(product, name, value)
    product.updated_at = now
    await session.flush()
    if renamed:
        await _judge_anew(session, product, now=now)
    audit.record(session, "product.changed", kind="product", of=product.id, by=by, now=now, changed=sorted(facts))


def _demand_patterns(facts: Mapping[str, Any]) -> None:
    for name in _PATTERNS:
        if facts.get(name):
            try:
                patterns.check(facts[name])
            except patterns.UnusablePattern as why:
                raise patterns.UnusablePattern.at(f"/{name}", why.detail, why.code) from why


async def _move(session: AsyncSession, product: Product, scheme: Scheme) -> None:
    """Give the releases their places by `scheme`, all or none."""
    found = select(col(Release.id), col(Release.version_text)).where(col(Release.product) == product.id)
    rows = [(row.id, row.version_text) for row in await session.execute(found)]
    versions = _versions([text for _, text in rows], scheme)
    table = Release.__table__  # type: ignore[attr-defined]  # a mapped class has it
    # In two steps: a key may be another release's until that one has moved, and no two may be the same.
    aside = update(table).where(table.c.product == product.id)
    await session.execute(aside.values(sort_key="~" + table.c.id, version=table.c.version + 1))
    if rows:
        place = update(table).where(table.c.id == bindparam("release_id"))
        await (await session.connection()).execute(
            place.values(sort_key=bindparam("key"), is_prerelease=bindparam("prerelease")),
            [
                {"release_id": release_id, "key": version.sort_key, "prerelease": version.is_prerelease}
                for (release_id, _), version in zip(rows, versions, strict=True)
            ],
        )


def _versions(texts: Sequence[str], scheme: Scheme) -> list[Version]:
    versions, unreadable = [], []
    for text in texts:
        try:
            versions.append(parse(scheme, text))
        except UnreadableVersion:
            unreadable.append(text)
    if unreadable:
        few = ", ".join(unreadable[:_NAMED_IN_A_SENTENCE])
        raise SchemeDoesNotFit(f"{len(unreadable)} releases are no versions of the scheme {scheme}: {few}. Keep it.")
    places: dict[str, Version] = {}
    for version in versions:
        other = places.setdefault(version.sort_key, version)
        if other is not version:
            raise SchemeDoesNotFit(f"{other} and {version} are the same version by the scheme {scheme}. Keep it.")
    return versions


async def _judge_anew(session: AsyncSession, product: Product, *, now: datetime) -> None:
    """Have what the old naming left out or doubted judged by the new one, at a check that is due now."""
    sources = select(col(WatchedSource.id)).where(col(WatchedSource.product) == product.id).scalar_subquery()
    unsure = update(Sighting).where(col(Sighting.source).in_(sources), col(Sighting.decided_by).is_(None))
    await session.execute(unsure.where(col(Sighting.disposition).in_(("filtered", "suspect"))).values(fingerprint=""))
    due = case((col(SourceCheck.next_check_at).is_(None), None), else_=now)
    forgotten = update(SourceCheck).where(col(SourceCheck.source).in_(sources))
    await session.execute(forgotten.values(etag=None, last_modified=None, body_hash=None, next_check_at=due))
