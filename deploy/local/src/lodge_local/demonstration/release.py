"""release-service's part: suppliers, products, two years of releases, and sources that were watched until now."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg
from sqlmodel import SQLModel

from lodge_local.demonstration.campus import Campus
from lodge_local.demonstration.chance import Chance, at
from lodge_local.demonstration.copying import copy
from lodge_local.demonstration.products import PRODUCTS, ProductSpec
from lodge_local.demonstration.watching import watched
from lodge_local.failures import Failed
from release_service.tables import Product, Release, Sighting, SourceCheck, Supplier, WatchedSource
from release_service.versions import parse

_KINDS = ("patch", "security", "statutory")
_SHARES = (6, 2, 2)


@dataclass(frozen=True, slots=True)
class Planned:
    """A release as its supplier planned it: the days on which it was told of and was there, and what it is."""

    version: str
    kind: str
    announced: date
    available: date
    notes: str


def is_loaded(connection: psycopg.Connection, campus: Campus) -> bool:
    """Say whether this very history is here; raises Failed where something else is."""
    known = connection.execute("SELECT FROM known_name WHERE id = %s", (campus.members[0].id,)).fetchone()
    supplied = connection.execute("SELECT FROM supplier LIMIT 1").fetchone()
    if supplied is not None and known is None:
        raise Failed(
            "release-service's database has suppliers of its own, and the demonstration data is for an empty one:"
            " start with LODGE_DEMO=0, or name an empty database."
        )
    return supplied is not None


def load(connection: psycopg.Connection, campus: Campus) -> dict[str, int]:
    """Write all of it; answers how many of the things that one would count."""
    rows: dict[type[SQLModel], list[SQLModel]] = {}
    for spec in PRODUCTS:
        for row in _of_product(campus, spec):
            rows.setdefault(type(row), []).append(row)
    order = (Supplier, Product, Release, WatchedSource, SourceCheck, Sighting)
    counts = {kind: copy(connection, rows[kind]) for kind in order}
    return {"suppliers": counts[Supplier], "releases": counts[Release], "sightings": counts[Sighting]}


def product_id(campus: Campus, spec: ProductSpec) -> str:
    """Answer the id that a product has, for the service that refers to it."""
    return _begun(campus, spec)[3]


def _begun(campus: Campus, spec: ProductSpec) -> tuple[Chance, datetime, str, str]:
    """Answer the product's chance after its first draws: the instant of its making, its supplier's id and its own."""
    chance = Chance(f"product {spec.name}")
    made = chance.working(campus.began + timedelta(days=4))
    return chance, made, chance.id("sup", made), chance.id("prd", made)


def _of_product(campus: Campus, spec: ProductSpec) -> Iterator[SQLModel]:
    chance, made, supplier_id, own_id = _begun(campus, spec)
    supplier = Supplier(
        id=supplier_id, name=spec.supplier, website=spec.website, created_at=made, updated_at=made,
    )  # fmt: skip
    owner = campus.head(spec.owner)
    product = Product(
        id=own_id, supplier=supplier.id, name=spec.name, owner=owner.id, org_unit=owner.unit.id,
        scheme=spec.scheme, title_pattern=spec.title_pattern, prereleases=spec.candidate is not None,
        created_at=made, updated_at=made,
    )  # fmt: skip
    planned = {parse(spec.scheme, one.version).sort_key: one for one in _planned(chance, campus, spec)}
    releases = [_release(chance, campus, product, spec, one, owner.id) for one in planned.values()]
    yield supplier
    yield product
    yield from _supersede(releases, campus)
    yield from watched(chance, campus, product, spec, releases)


def _planned(chance: Chance, campus: Campus, spec: ProductSpec) -> Iterator[Planned]:
    """Answer the releases in the order of their days: each major one, its candidate before it, its patches after it."""
    number, day = 0, campus.began + timedelta(days=chance.number(0, 25))
    while day < campus.day + timedelta(days=spec.every):
        label, subjects = spec.label(day, number), " and ".join(chance.some(spec.subjects, 2))
        told = day - timedelta(days=chance.number(30, 75))
        if told >= campus.day:
            return
        if spec.candidate and day - timedelta(days=21) < campus.day:
            ready = day - timedelta(days=21)
            yield Planned(spec.candidate(label), "enhancement", ready, ready, f"Release candidate of {label}.")
        kind = "statutory" if number % 2 else "enhancement"
        yield Planned(label, kind, told, day, f"New in {label}: {subjects}.")
        yield from _patches(chance, campus, spec, label, day)
        number, day = number + 1, day + timedelta(days=spec.every + chance.number(-3, 3))


def _patches(chance: Chance, campus: Campus, spec: ProductSpec, label: str, day: date) -> Iterator[Planned]:
    gap = spec.every // 4
    for number in range(1, 1 + max(2, spec.every // 30)):
        day += timedelta(days=chance.number(gap // 3, gap))
        if day >= campus.day:
            return
        kind = chance.one(_KINDS, _SHARES)
        what = "Closes a weakness in" if kind == "security" else "Mends"
        yield Planned(spec.patch(label, number), kind, day, day, f"{what} {chance.one(spec.subjects)}.")


def _release(chance: Chance, campus: Campus, product: Product, spec: ProductSpec, one: Planned, owner: str) -> Release:
    version = parse(spec.scheme, one.version)
    is_there = one.available < campus.day
    made = max(chance.working(min(one.announced, campus.day - timedelta(days=4))), product.created_at)
    withdrawn = is_there and one.kind == "patch" and chance.happens(0.06)
    return Release(
        id=chance.id("rel", made), product=product.id, version_text=version.text, sort_key=version.sort_key,
        is_prerelease=version.is_prerelease, kind=one.kind,
        state="withdrawn" if withdrawn else "available" if is_there else "announced",
        announced_on=one.announced, available_on=one.available, notes=one.notes,
        link=f"{spec.website}/notes/{version.text.lower().replace(' ', '-')}",  # of nobody: RFC 2606
        withdrawal_reason="The supplier took it back: it broke printing." if withdrawn else None,
        changed_by=owner if withdrawn else None, version=2 if withdrawn else 1, created_at=made,
        updated_at=max(made, at(one.available)) if is_there else made,
    )  # fmt: skip


def _supersede(releases: list[Release], campus: Campus) -> Iterable[Release]:
    """Let what is older than a year give way to what came after it."""
    for release in releases:
        is_old = release.available_on is not None and release.available_on < campus.day - timedelta(days=365)
        if release.state == "available" and is_old:
            release.state, release.version = "superseded", release.version + 1
    return releases
