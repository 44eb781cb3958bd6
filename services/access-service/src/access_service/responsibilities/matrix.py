"""Who answers for what on a day: the matrix of support functions by products, and what is missing in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Date, and_, case, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service.responsibilities.coverage import Duty, Gap, Place, gaps
from access_service.tables import Group, GroupMember, Person, Post, Responsibility, SupportFunction
from lodge_kit.tables import KnownName


@dataclass(frozen=True, slots=True)
class Matrix:
    """The matrix of a day."""

    on: date
    functions: Sequence[SupportFunction]
    products: Sequence[str]
    held: Mapping[Place, Sequence[Responsibility]]
    missing: Sequence[Gap]
    names: Mapping[str, str]
    """What people, posts, groups and products are called."""


async def matrix(session: AsyncSession, on: date, *, product: str | None = None) -> Matrix:
    """Answer the matrix of one product, or of all that somebody has ever answered for."""
    functions = await _functions(session)
    products = [product] if product else await _products(session)
    rows = await _responsibilities(session, on, products)
    duties = [duty for _, duty in await _duties(session, rows)]
    held: dict[Place, list[Responsibility]] = {}
    for row in rows:
        if row.starts_on <= on:
            held.setdefault((row.function_id, row.product), []).append(row)
    places = [(function.id, one) for one in products for function in functions]
    names = await _names(session, rows, products)
    return Matrix(on, functions, products, held, gaps(duties, places, on), names)


async def duties_from(session: AsyncSession, on: date) -> tuple[list[tuple[Responsibility, Duty]], list[Place]]:
    """Answer what holds on a day or begins after it, and the places that somebody must answer for."""
    functions, products = await _functions(session), await _products(session)
    rows = await _responsibilities(session, on, products)
    return await _duties(session, rows), [(function.id, one) for one in products for function in functions]


async def _functions(session: AsyncSession) -> Sequence[SupportFunction]:
    active = select(SupportFunction).where(col(SupportFunction.state) == "active")
    ordered = active.order_by(col(SupportFunction.position), col(SupportFunction.id))
    return (await session.execute(ordered)).scalars().all()


async def _products(session: AsyncSession) -> list[str]:
    found = select(col(Responsibility.product)).distinct().order_by(col(Responsibility.product))
    return list((await session.execute(found)).scalars())


async def _responsibilities(session: AsyncSession, on: date, products: Sequence[str]) -> Sequence[Responsibility]:
    found = select(Responsibility).where(
        col(Responsibility.product).in_(products),
        or_(col(Responsibility.ends_on).is_(None), col(Responsibility.ends_on) >= on),
    )
    ordered = found.order_by(col(Responsibility.starts_on), col(Responsibility.id))
    return (await session.execute(ordered)).scalars().all()


async def _duties(session: AsyncSession, rows: Iterable[Responsibility]) -> list[tuple[Responsibility, Duty]]:
    listed = list(rows)
    until = await _there_until(session, {one for row in listed for one in (row.holder, row.deputy) if one})
    return [
        (
            row,
            Duty(
                row.function_id, row.product, row.letter, row.starts_on, row.ends_on,
                holder_until=until.get(row.holder, date.min), has_deputy=row.deputy is not None,
                deputy_until=until.get(row.deputy, date.min) if row.deputy else None,
            ),
        )
        for row in listed
    ]  # fmt: skip


async def _there_until(session: AsyncSession, holders: set[str]) -> dict[str, date | None]:
    """Answer until which day people, posts and groups are there: null is without end, who is gone is left out."""
    last = case((func.bool_or(col(Person.left_on).is_(None)), literal(None, Date)), else_=func.max(Person.left_on))
    active = col(Person.status) == "active"
    people = select(col(Person.id), last).where(col(Person.id).in_(holders), active).group_by(col(Person.id))
    posts = (
        select(col(Post.id), last)
        .join(Person, and_(col(Person.id) == col(Post.holder), active))
        .where(col(Post.id).in_(holders))
        .group_by(col(Post.id))
    )
    groups = (
        select(col(GroupMember.group_id), last)
        .join(Person, and_(col(Person.id) == col(GroupMember.person_id), active))
        .where(col(GroupMember.group_id).in_(holders))
        .group_by(col(GroupMember.group_id))
    )
    rows = await session.execute(people.union_all(posts, groups))
    return {row[0]: row[1] for row in rows}


async def _names(session: AsyncSession, rows: Iterable[Responsibility], products: Iterable[str]) -> dict[str, str]:
    wanted = {one for row in rows for one in (row.holder, row.deputy) if one}
    named = [select(col(kind.id), col(kind.name)).where(col(kind.id).in_(wanted)) for kind in (Person, Post, Group)]
    known = select(col(KnownName.id), col(KnownName.name)).where(col(KnownName.id).in_(list(products)))
    rows_of_names = await session.execute(named[0].union_all(*named[1:], known))
    return {row[0]: row[1] for row in rows_of_names}
