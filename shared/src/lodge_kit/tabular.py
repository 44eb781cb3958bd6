"""Any list as CSV: columns from the response model, so that what JSON shows the table shows, under like names.

Rows are RFC 4180: commas, CRLF, quotes where they are needed, UTF-8 without a byte order mark. A text that a
spreadsheet would run as a formula gets an apostrophe in front (OWASP, CSV injection); what the model types as a
number is left a number, since `'-3` adds up to nothing.
"""

import csv
import io
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic_core import to_json, to_jsonable_python

MEDIA_TYPE = "text/csv; charset=utf-8"
CHUNK = 65_536
"""Characters after which a chunk of the stream is sent."""

# OWASP's list and ASVS 5.0, 1.2.10: with NUL, and the full-width forms that Japanese spreadsheets take as the plain.
_FORMULA = frozenset("=+-@\t\r\n\0＝＋－＠")  # noqa: RUF001 - the full-width forms are meant


@dataclass(frozen=True)
class _Column:
    name: str
    path: tuple[str, ...]

    def value(self, dumped: Mapping[str, Any]) -> Any:
        """Answer what stands at the path, None where a model on the way is absent."""
        found: Any = dumped
        for key in self.path:
            if found is None:
                return None
            found = found[key]
        return found


def columns(model: type[BaseModel]) -> tuple[str, ...]:
    """Answer the header: a nested model's fields follow its own name, `requester_id`, `requester_name`."""
    return tuple(column.name for column in _columns(model))


def row(item: BaseModel, model: type[BaseModel]) -> list[str]:
    """Answer the cells of `item` in the order of `columns(model)`, guarded but not yet quoted."""
    dumped = item.model_dump(by_alias=True)
    return [cell(column.value(dumped)) for column in _columns(model)]


async def stream(models: AsyncIterator[BaseModel], model: type[BaseModel]) -> AsyncGenerator[bytes]:
    """Write the header, then a line for each item as it comes, in chunks of about 64 kB."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns(model))
    async for item in models:
        writer.writerow(row(item, model))
        if text.tell() >= CHUNK:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue().encode()


def cell(value: Any) -> str:
    """Answer the text of one value: null is empty, times are UTC with Z (RFC 3339), lists of models are JSON."""
    return _shown_by(value.__class__)(value)


def guarded(text: str) -> str:
    """Answer `text` so that no spreadsheet runs it."""
    return f"'{text}" if text[:1] in _FORMULA else text


def _number(value: float | Decimal) -> str:
    return str(value) if math.isfinite(value) else ""  # JSON has no word for it either


def _time(value: datetime) -> str:
    """Show an instant; one without a zone is UTC, as everywhere in Lodge."""
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def _list(values: Sequence[Any]) -> str:
    if any(isinstance(value, dict | list | tuple) for value in values):
        return to_json(values).decode()
    return guarded("; ".join(_part(value) for value in values))


def _part(value: Any) -> str:
    return value if isinstance(value, str) else cell(value)


# In order: True is an int too, an Enum may be a str too.
_SHOWN: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (NoneType, lambda _: ""),
    (Enum, lambda value: cell(value.value)),
    (str, guarded),
    (bool, lambda value: "true" if value else "false"),
    ((int, float, Decimal), _number),
    (datetime, _time),
    (dict, lambda value: to_json(value).decode()),
    ((list, tuple), _list),
    ((set, frozenset), lambda value: _list(sorted(value, key=str))),
    (object, lambda value: guarded(str(to_jsonable_python(value)))),
)


@lru_cache(maxsize=256)
def _shown_by(kind: type) -> Callable[[Any], str]:
    return next(shown for shown_kind, shown in _SHOWN if issubclass(kind, shown_kind))


@lru_cache(maxsize=256)
def _columns(model: type[BaseModel]) -> tuple[_Column, ...]:
    found = tuple(_flattened(model, (), (), frozenset()))
    names = [column.name for column in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{model.__name__} gives two columns the name {min(twice)}: rename one of its fields.")
    return found


def _flattened(
    model: type[BaseModel], names: tuple[str, ...], path: tuple[str, ...], around: frozenset[type[BaseModel]]
) -> Iterator[_Column]:
    for key, annotation in _fields(model):
        nested = _model(annotation)
        here, there = (*names, key), (*path, key)
        # A model within itself has no end of columns: JSON from there on.
        if nested is None or nested in around | {model}:
            yield _Column("_".join(here), there)
        else:
            yield from _flattened(nested, here, there, around | {model})


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Yield the names that JSON has, computed ones last, with their types."""
    for name, field in model.model_fields.items():
        if not field.exclude:
            yield field.serialization_alias or field.alias or name, field.annotation
    for name, computed in model.model_computed_fields.items():
        yield computed.alias or name, computed.return_type


def _model(annotation: Any) -> type[BaseModel] | None:
    """Answer the one model that a field holds, null aside; None for scalars, lists and a choice of models."""
    if get_origin(annotation) is Annotated:
        return _model(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _model(members[0]) if len(members) == 1 else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, RootModel):
        return annotation
    return None
