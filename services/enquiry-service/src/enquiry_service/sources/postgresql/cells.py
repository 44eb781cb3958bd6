"""How PostgreSQL writes each cell, so that a file reads the same everywhere: done there, where it costs least.

Booleans `true`/`false`; instants in ISO 8601, UTC; text guarded: what a spreadsheet would take for a formula gets a
leading apostrophe (OWASP, CSV injection). A mask will stand in the same place.
"""

from collections.abc import Sequence

from psycopg import sql

_FORMULA = (61, 43, 45, 64, 9, 10, 13, 0xFF1D, 0xFF0B, 0xFF0D, 0xFF20)
"""= + - @ tab, line feed, carriage return, and the full-width forms of the first four."""

_BOOLEAN, _TIMESTAMP, _TIMESTAMPTZ = 16, 1114, 1184
_PLAIN = frozenset({17, 20, 21, 23, 26, 700, 701, 1082, 1083, 1266, 1700, 2950})
"""bytea, whole numbers, floats, numeric, dates, times, uuid: none can begin as a formula but by a minus sign."""

_FIRST_DAY = sql.SQL("'0001-01-01'")


def written(column: sql.Identifier, type_oid: int) -> sql.Composable:
    """Answer the expression that writes `column`, of the type with that object id."""
    if type_oid in _PLAIN:
        return column
    if type_oid == _BOOLEAN:
        return sql.SQL("CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END").format(column)
    if type_oid in (_TIMESTAMP, _TIMESTAMPTZ):
        # Before year 1 PostgreSQL appends BC, which ISO 8601 does not know: left as it is.
        iso = (
            "replace(replace({0}::text, ' ', 'T'), '+00', 'Z')"
            if type_oid == _TIMESTAMPTZ
            else ("replace({0}::text, ' ', 'T')")
        )
        return sql.SQL("CASE WHEN {0} < {1} THEN {0}::text ELSE " + iso + " END").format(column, _FIRST_DAY)
    codes = sql.SQL(", ").join(map(sql.Literal, _FORMULA))
    text = sql.SQL("{0}::text").format(column)
    return sql.SQL("CASE WHEN ascii({0}) IN ({1}) THEN '''' || {0} ELSE {0} END").format(text, codes)


def heading(name: str) -> str:
    """Answer a column's name as the file's first line has it, guarded as its cells are."""
    return f"'{name}" if name and ord(name[0]) in _FORMULA else name


def copy_statement(query: str, names: Sequence[str], types: Sequence[int], *, limit: int) -> sql.Composed:
    """Answer the COPY that writes `query` as CSV: one row more than `limit`, so that a cut shows."""
    inner = [sql.Identifier(f"c{number}") for number in range(1, len(names) + 1)]
    cells = [
        sql.SQL("{} AS {}").format(written(column, oid), sql.Identifier(heading(name) or " "))
        for column, oid, name in zip(inner, types, names, strict=True)
    ]
    # The query ends with a line of its own: nothing in it can comment out the parenthesis.
    return sql.SQL("COPY (SELECT {} FROM (\n{}\n) AS q({}) LIMIT {}) TO STDOUT (FORMAT csv, HEADER true)").format(
        sql.SQL(", ").join(cells),
        sql.SQL(query),  # written down by the check, values quoted by the server's rules
        sql.SQL(", ").join(inner),
        sql.Literal(limit + 1),
    )
