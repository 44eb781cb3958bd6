"""Rows put into a service's tables in bulk: one COPY a table, in the caller's transaction."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import inspect
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel


def copy(connection: psycopg.Connection, rows: Iterable[SQLModel]) -> int:
    """Write rows, those of one class together, in the order given; answers how many. Defaults are the classes' own."""
    count = 0
    for kind, of_kind in groupby(rows, type):
        count += _copy(connection, kind, list(of_kind))
    return count


def _copy(connection: psycopg.Connection, kind: type[SQLModel], rows: Sequence[SQLModel]) -> int:
    columns = inspect(kind).columns
    names = [column.name for column in columns]
    as_json = {column.name for column in columns if isinstance(column.type, JSONB)}
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(inspect(kind).local_table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(into) as copying:
        for row in rows:
            copying.write_row([_value(row, name, as_json) for name in names])
    return len(rows)


def _value(row: SQLModel, name: str, as_json: set[str]) -> Any:
    value = getattr(row, name)
    return Jsonb(value) if name in as_json and value is not None else value
