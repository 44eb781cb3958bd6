"""Pages of what was found: by index (RFC 7644, 3.4.2.4) or by cursor (RFC 9865), in one order that is always whole.

Without a sort the newest come first: what was just made is on the first page. A sort puts what has no value last, and
all of it round where it descends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scim2_models import InvalidCursorException, SearchRequest
from sqlalchemy import ColumnElement, Subquery, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from access_service.scim.comparing import Column


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of one page with their kinds, how many there are in all, and where the pages beside it begin."""

    total: int
    rows: Sequence[tuple[str, str]]
    next: Any = None
    previous: Any = None


class Order:
    """The columns that what was found is ordered by; the last one tells any two apart."""

    def __init__(self, found: Subquery, request: SearchRequest[Any]) -> None:
        self.descending = request.sort_order == SearchRequest.SortOrder.descending
        if request.sort_by is None:
            self.descending = True
            self.keys: list[ColumnElement[Any]] = [found.c.age]
        else:
            empty = _EMPTY[found.c.value.type.python_type]
            value: ColumnElement[Any] = func.coalesce(found.c.value, literal(empty, found.c.value.type))
            if isinstance(empty, str):
                value = value.collate("C")
            self.keys = [found.c.value.is_(None), value, found.c.id]

    def columns(self, *, backwards: bool = False) -> list[ColumnElement[Any]]:
        """Answer what to order by; `backwards` from the last to the first."""
        down = self.descending is not backwards
        return [key.desc() if down else key.asc() for key in self.keys]

    def beyond(self, place: Sequence[Any], *, backwards: bool) -> ColumnElement[bool]:
        """Say that a row stands after `place`, or before it."""
        here = tuple_(*self.keys)
        there = tuple_(*(literal(value, key.type) for value, key in zip(place, self.keys, strict=True)))
        return here < there if self.descending is not backwards else here > there


_EMPTY: dict[type[Any], Any] = {str: "", bool: False, datetime: datetime.fromisoformat("0001-01-01T00:00:00Z")}


async def page(session: AsyncSession, found: Subquery, request: SearchRequest[Any], position: Any) -> Found:
    """Read one page of `found`, which has kind, id, age and, where it is sorted, value.

    Raises `InvalidCursorException` for a position that is none.
    """
    total = (await session.execute(select(func.count()).select_from(found))).scalar_one()
    if request.count == 0:
        return Found(total, [])
    order = Order(found, request)
    listed = select(found.c.kind, found.c.id, *(key.label(f"key{n}") for n, key in enumerate(order.keys)))
    if request.cursor is None:
        ordered = listed.order_by(*order.columns()).offset(request.start_index_0 or 0).limit(request.count)
        return Found(total, [(row.kind, row.id) for row in await session.execute(ordered)])
    direction, place = _read(position, order) if position is not None else ("first", [])
    backwards = direction == "previous"
    if place:
        listed = listed.where(order.beyond(place, backwards=backwards))
    limit = request.count + 1 if request.count is not None else None
    rows = list(await session.execute(listed.order_by(*order.columns(backwards=backwards)).limit(limit)))
    more = request.count is not None and len(rows) > request.count
    rows = rows[: request.count]
    if backwards:
        rows.reverse()
    if not rows:
        return Found(total, [])
    return Found(
        total,
        [(row.kind, row.id) for row in rows],
        next=_written("next", rows[-1][2:]) if more or backwards else None,
        previous=_written("previous", rows[0][2:]) if direction == "next" or (backwards and more) else None,
    )


def _written(direction: str, place: Sequence[Any]) -> list[Any]:
    return [direction, *(value.isoformat() if isinstance(value, datetime) else value for value in place)]


def _read(position: Any, order: Order) -> tuple[str, list[Any]]:
    kinds = [key.type.python_type for key in order.keys]
    if not isinstance(position, list) or len(position) != len(kinds) + 1 or position[0] not in ("next", "previous"):
        raise InvalidCursorException
    try:
        place = [
            datetime.fromisoformat(value) if kind is datetime else value
            for value, kind in zip(position[1:], kinds, strict=True)
        ]
    except (TypeError, ValueError) as error:
        raise InvalidCursorException from error
    return position[0], place


def among(kind: str, row_id: Column, age: Column, value: Column | None) -> list[Any]:
    """Answer what a statement must select for its rows to be paged here."""
    chosen: list[Any] = [literal(kind).label("kind"), row_id.label("id"), age.label("age")]
    return chosen if value is None else [*chosen, value.label("value")]
