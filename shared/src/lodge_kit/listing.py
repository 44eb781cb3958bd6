"""Lists: filtered, sorted, paged by a cursor, stable while rows come in; the same as CSV or NDJSON, all pages at once.

A cursor holds the sort value and the id of the last row, and a fingerprint of the question, so that it cannot be
used with another one. There are no totals; `?count=true` counts up to 1,000.
"""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, Subquery, func, literal, select, tuple_
from sqlalchemy.orm import Mapped
from starlette.responses import StreamingResponse

from lodge_kit import database, ndjson, tabular, texts
from lodge_kit.problems import Invalid

DEFAULT_LIMIT = 50
MOST = 200
COUNTED = 1_000
_STREAMED_AT_ONCE = 1_000
_QUALITY = re.compile(r"(?:^|;)\s*q=([01](?:\.\d{0,3})?)\s*(?:;|$)")

Form = Literal["json", "csv", "ndjson"]
_FORMS: Mapping[str, Form] = {"application/json": "json", "text/csv": "csv", ndjson.MEDIA_TYPE: "ndjson"}
_STREAMED_AS = {"csv": f"{tabular.MEDIA_TYPE}; header=present", "ndjson": ndjson.MEDIA_TYPE}

T = TypeVar("T", bound=BaseModel)
Column = Mapped[Any] | ColumnElement[Any]
Completed = Callable[[Subquery], Select[*tuple[Any, ...]]]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")
    count: int | None = Field(None, description="How many there are, asked for by `count=true`; counted up to 1,000.")
    count_exact: bool | None = Field(None, description="False when there are more than were counted.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Name `Page[Thing]` `ThingPage` in the OpenAPI document."""
        return f"{params[0].__name__}Page"


@dataclass(frozen=True, slots=True)
class Ask:
    """How much of a list is wanted, from where, in which order, as what."""

    limit: int
    cursor: str | None
    sort: str
    count: bool
    form: Form
    """A page as JSON, or all of it as a stream."""


class Listing(Generic[T]):
    """A list that callers can page through: what it shows, by what it may be sorted, and the key that breaks ties.

    `orders` maps the names that callers use to columns that are never null.
    """

    def __init__(self, shows: type[T], *, key: Column, orders: Mapping[str, Column], default: str) -> None:
        self.shows = shows
        self.page: type[Page[T]] = Page[shows]  # type: ignore[valid-type]  # parametrized at run time
        self.key = key
        self.orders = orders
        self.default = default

    @property
    def ask(self) -> Any:
        """Make the dependency that reads `limit`, `cursor`, `sort`, `count` and `Accept`."""
        names = tuple(name for order in self.orders for name in (order, f"-{order}"))
        default = self.default

        async def asked(
            request: Request,
            limit: Annotated[int, Query(ge=1, le=MOST)] = DEFAULT_LIMIT,
            cursor: Annotated[str | None, Query(max_length=1_000)] = None,
            sort: Annotated[Literal[names], Query(description="A minus before the name turns it round.")] = default,  # type: ignore[valid-type]  # the names are known only here
            *,
            count: bool = False,
        ) -> Ask:
            return Ask(limit, cursor, sort, count, preferred(request.headers.get("accept", "")))

        return Depends(asked)

    @property
    def responses(self) -> dict[int | str, dict[str, Any]]:
        """What a route that answers this list documents: a page, or all of it as CSV or NDJSON."""
        streams = {kind: {"schema": {"type": "string"}} for kind, form in _FORMS.items() if form in _STREAMED_AS}
        return {200: {"model": self.page, "content": streams}}

    async def answer(
        self,
        request: Request,
        ask: Ask,
        statement: Select[*tuple[Any, ...]],
        present: Callable[[Any], T],
        *,
        filename: str,
        completed: Completed | None = None,
    ) -> Response:
        """Answer one page as JSON, or all of it as a stream. `present` makes what is shown of a row of `statement`.

        `completed` joins to the rows of a page what they are not sorted or narrowed by, names above all: it is given
        a subquery with the columns of `statement`, and only those rows are joined that are shown.
        """
        order = self.orders[ask.sort.removeprefix("-")]
        descending = ask.sort.startswith("-")
        ordered = _ordered(statement, (order, self.key), descending=descending)
        ordered = ordered.add_columns(order.label("lodge_sort"), self.key.label("lodge_key"))

        def complete(rows: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
            if completed is None:
                return rows
            page = rows.subquery("page")
            return _ordered(completed(page), (page.c.lodge_sort, page.c.lodge_key), descending=descending)

        if ask.form != "json":
            return await self._stream(request, complete(ordered), present, filename=filename, form=ask.form)
        fingerprint = _fingerprint(request, ask)
        narrowed = ordered.limit(ask.limit + 1)
        if ask.cursor:
            last = _read_cursor(ask.cursor, fingerprint, order)
            here = tuple_(order, self.key)
            narrowed = narrowed.where(here < last if descending else here > last)
            # It follows from that; where the key is worked out by a join, only this lets an index begin at the place.
            narrowed = narrowed.where(order <= last[0] if descending else order >= last[0])
        session = await database.begin(request)
        rows = (await session.execute(complete(narrowed))).all()
        following = None
        if len(rows) > ask.limit:
            following = _write_cursor(rows[ask.limit - 1].lodge_sort, rows[ask.limit - 1].lodge_key, fingerprint)
        page = self.page(items=[present(row) for row in rows[: ask.limit]], next_cursor=following)
        if ask.count:
            counted = select(func.count()).select_from(statement.order_by(None).limit(COUNTED + 1).subquery())
            found = (await session.execute(counted)).scalar_one()
            page.count, page.count_exact = min(found, COUNTED), found <= COUNTED
        headers = {"Vary": "Accept"}
        if following:
            headers["Link"] = f'<{_with_cursor(request, following)}>; rel="next"'
        body = page.model_dump_json(exclude=None if ask.count else {"count", "count_exact"})
        return Response(body, headers=headers, media_type="application/json")

    async def _stream(
        self, request: Request, statement: Select[*tuple[Any, ...]], present: Callable[[Any], T], *,
        filename: str, form: Form,
    ) -> StreamingResponse:  # fmt: skip
        async def shown() -> AsyncGenerator[T]:
            async with database.of(request).reading() as session:
                found = await session.stream(statement.execution_options(yield_per=_STREAMED_AT_ONCE))
                try:
                    async for batch in found.partitions():  # row by row, each would be a task of its own
                        for row in batch:
                            yield present(row)
                finally:
                    await found.close()  # also when the caller leaves half-way

        rows = shown()
        chunks = _chunks(rows, self.shows, form)
        # The first chunk before the answer begins: a database that is away is then a 503, not half a table.
        first = await anext(chunks, b"")

        async def chunked() -> AsyncIterator[bytes]:
            async with aclosing(rows), aclosing(chunks):
                yield first
                async for chunk in chunks:
                    yield chunk
                    await asyncio.sleep(0)  # others have their turn, however fast this caller reads

        return StreamingResponse(chunked(), media_type=_STREAMED_AS[form], headers=_headers(filename, form))


def _ordered(
    statement: Select[*tuple[Any, ...]], by: Sequence[Column], *, descending: bool
) -> Select[*tuple[Any, ...]]:
    return statement.order_by(*((column.desc() if descending else column.asc()) for column in by))


async def whole(request: Request, items: Sequence[T], shows: type[T], *, filename: str) -> Response:
    """Answer what was worked out rather than read, all of it: `{"items": […]}`, or what is preferred of the streams."""
    form = preferred(request.headers.get("accept", ""))
    if form == "json":
        page: Page[T] = Page[shows](items=list(items), next_cursor=None)  # type: ignore[valid-type]  # parametrized at run time
        body = page.model_dump_json(exclude={"count", "count_exact"})
        return Response(body, headers={"Vary": "Accept"}, media_type="application/json")

    async def each() -> AsyncGenerator[T]:
        for item in items:
            yield item

    text = b"".join([chunk async for chunk in _chunks(each(), shows, form)])
    return Response(text, headers=_headers(filename, form), media_type=_STREAMED_AS[form])


def _chunks(rows: AsyncGenerator[T], shows: type[T], form: Form) -> AsyncGenerator[bytes]:
    return tabular.stream(rows, shows) if form == "csv" else ndjson.stream(rows)


def _headers(filename: str, form: Form) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{filename}.{form}"', "Vary": "Accept"}


def preferred(accept: str) -> Form:
    """Say which form is wanted most (RFC 9110, 12.5.1); of two wanted alike, the one named first."""
    form: Form = "json"
    most = 0.0
    for part in accept.lower().split(","):
        kind, _, parameters = part.partition(";")
        found = _QUALITY.search(parameters)
        quality = float(found[1]) if found else 1.0
        if kind.strip() in _FORMS and quality > most:
            form, most = _FORMS[kind.strip()], quality
    return form


def _fingerprint(request: Request, ask: Ask) -> str:
    asked = sorted((k, v) for k, v in request.query_params.multi_items() if k not in ("cursor", "limit", "count"))
    text = json.dumps([request.url.path, asked, ask.sort])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write_cursor(value: Any, key: str, fingerprint: str) -> str:
    plain = value.isoformat() if isinstance(value, datetime | date) else value
    return base64.urlsafe_b64encode(json.dumps([plain, key, fingerprint]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, fingerprint: str, order: Column) -> tuple[Any, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        value, key, made_for = json.loads(text)
        if any(isinstance(one, str) and not texts.is_storable(one) for one in (value, key)):
            raise ValueError("text that no row can hold")  # noqa: TRY301 - one place says what is wrong
        kind: type[Any] = _type(order)
        if issubclass(kind, datetime | date):
            value = kind.fromisoformat(value)
        if made_for != fingerprint or not isinstance(value, kind) or not isinstance(key, str):
            raise ValueError("made for another question")  # noqa: TRY301 - one place says what is wrong
    except (ValueError, TypeError) as error:
        raise Invalid.at(
            "query/cursor",
            "This cursor was not made for this question. Start again without one, and keep the filters as they are.",
        ) from error
    return value, key


def _type(order: Column) -> type[Any]:
    kind: type[Any] = order.type.python_type  # type: ignore[union-attr]  # a mapped attribute has it too, untyped
    return kind


def _with_cursor(request: Request, cursor: str) -> str:
    asked = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    return f"{request.url.path}?{urlencode([*asked, ('cursor', cursor)])}"


def several(values: Any) -> Any:
    """Split what a filter asks for by commas, `?state=announced,available` (a pydantic BeforeValidator)."""
    listed = values if isinstance(values, list) else [values]
    return [part for value in listed for part in str(value).split(",")]


def contains(text: str, *columns: Column) -> ColumnElement[bool]:
    """Match what `?q=` asks for: every word of `text` in one of the columns, whatever its case."""
    condition: ColumnElement[bool] = literal(value=True)
    for word in text.split()[:8]:
        found: ColumnElement[bool] = literal(value=False)
        for column in columns:
            found = found | column.icontains(word, autoescape=True)
        condition = condition & found
    return condition
