"""Who answers for what in the four products: posts, people and teams, with a few gaps, as in any real place."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlmodel import SQLModel

from access_service.tables import Post, Responsibility
from lodge_kit.tables import KnownName
from lodge_local.demonstration.campus import Campus, Member
from lodge_local.demonstration.chance import Chance, at
from lodge_local.demonstration.products import PRODUCTS, ProductSpec
from lodge_local.demonstration.release import product_id

_BY_BUSINESS = ("configuration", "testing", "statutory", "continuity", "training", "user-groups")
"""What the owner's unit answers for; the rest is the software support team's."""
_GAPS = 0.06


def duties(campus: Campus, functions: Mapping[str, str]) -> Iterator[SQLModel]:
    """Answer the rows, posts first; `functions` are the ids of the starter set by key."""
    made = at(campus.began + timedelta(days=6))
    chance = Chance("duties")
    posts = {spec.name: _post(chance, campus, spec, made) for spec in PRODUCTS}
    yield from posts.values()
    for spec in PRODUCTS:
        yield KnownName(id=product_id(campus, spec), name=spec.name, seen_at=made)
    for spec in PRODUCTS:
        for key, function in functions.items():
            yield from _of_function(chance, campus, spec, posts[spec.name], key, function, made)


def _post(chance: Chance, campus: Campus, spec: ProductSpec, made: datetime) -> Post:
    head = campus.head(spec.owner)
    return Post(
        id=chance.id("pst", made), name=f"Head of {spec.owner}", org_unit=head.unit.id, holder=head.id,
        created_at=made, updated_at=made,
    )  # fmt: skip


def _of_function(
    chance: Chance, campus: Campus, spec: ProductSpec, post: Post, key: str, function: str, made: datetime
) -> Iterator[Responsibility]:
    business, support = _here(campus, spec.owner), _here(campus, "Software Support")
    by_business = key in _BY_BUSINESS
    team = business if by_business else support
    accountable = post.id if by_business else support[0].id
    deputy = chance.one(team[1:]).id if not chance.happens(_GAPS) else None

    def row(letter: str, holder: str, stands_in: str | None = None) -> Responsibility:
        return Responsibility(
            id=chance.id("rsp", made), function_id=function, product=product_id(campus, spec), letter=letter,
            holder=holder, deputy=stands_in, starts_on=made.date(), created_at=made, updated_at=made,
        )  # fmt: skip

    yield row("A", accountable, deputy)
    if not chance.happens(_GAPS):
        yield from (row("R", one.id) for one in chance.some(team[1:], chance.number(1, 2)))
    yield row("C", chance.one(support if by_business else business).id)
    if chance.happens(0.5):
        yield row("I", campus.head("Registry").id)


def _here(campus: Campus, unit: str) -> list[Member]:
    return [one for one in campus.of(unit) if one.left_on is None]
