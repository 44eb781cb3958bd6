"""A catalogue's document as CSV: a row for each permission, each role, and each link between them. Pure.

    kind        name              linked
    permission  its name
    role        its name
    contains    a role's name     the permission that it contains
    inherits    a role's name     the role that it inherits from

A cell that a spreadsheet would run as a formula has an apostrophe in front (OWASP, CSV injection), and one more where
the text itself has apostrophes there, so that every text comes back as it was.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from access_service.catalogue.document import (
    MOST,
    CatalogueDocument,
    Document,
    Faults,
    PermissionEntry,
    RoleEntry,
    Told,
)
from lodge_kit import tabular
from lodge_kit.problems import Invalid

COLUMNS = (
    "kind", "name", "linked", "state", "description", "module", "action", "resource_type", "supplier_code",
    "condition", "request_wins", "owner",
)  # fmt: skip
_OWN = {
    "permission": (
        "state", "description", "module", "action", "resource_type", "supplier_code", "condition", "request_wins",
    ),
    "role": ("state", "description", "owner"),
    "contains": ("linked",),
    "inherits": ("linked",),
}  # fmt: skip
"""The columns that say something of each kind, besides `kind` and `name`."""
_CLEARED = {"description": "", "module": "", "supplier_code": None, "condition": None, "owner": None}
"""What an empty cell means; of other columns, that nothing is said."""
_LINKS = {"contains": "permissions", "inherits": "inherits"}


@dataclass(frozen=True, slots=True)
class _Line:
    """Where an entry stands: the line that its row begins in, and those of a role's links."""

    number: int
    links: Mapping[str, list[int]] = field(default_factory=dict)

    def pointer(self, *path: str | int) -> str:
        """Answer the line and the column of a field."""
        line, column = self._at(*path)
        return f"line/{line}" + (f"/column/{column}" if column else "")

    def said(self, *path: str | int) -> str:
        """Answer the same in words."""
        line, column = self._at(*path)
        return f"Line {line}" + (f", column {column}" if column else "")

    def _at(self, *path: str | int) -> tuple[int, str]:
        name, number = (*path, None, None)[:2]
        if name in self.links and isinstance(number, int):
            return self.links[str(name)][number], "linked"
        return self.number, str(name or "")


@dataclass(frozen=True, slots=True)
class _Row:
    line: _Line
    kind: str
    name: str
    cells: Mapping[str, str]
    """Of the columns besides `kind` and `name`."""


def read(body: bytes) -> Document:
    """Read what was sent. Raises `Invalid`, each fault with its line and column."""
    faults = Faults()
    rows = _rows(_decoded(body), faults)
    permissions: list[Told[PermissionEntry]] = []
    roles: list[_Row] = []
    links: dict[str, dict[str, list[_Row]]] = {}
    for row in rows:
        if row.kind == "permission":
            permissions += _entry(PermissionEntry, row.line, {"name": row.name} | _said(row), faults)
        elif row.kind == "role":
            roles.append(row)
        else:
            links.setdefault(row.name, {}).setdefault(_LINKS[row.kind], []).append(row)
    told = [one for row in roles for one in _role(row, links.get(row.name, {}), faults)]
    for stray in links.keys() - {row.name for row in roles}:
        for row in (row for rows in links[stray].values() for row in rows):
            faults.note(row.line, "name", code="unknown-role", detail=f"no row of this document is the role {stray}")
    faults.found.sort(key=lambda one: int(one.pointer.split("/")[1]))
    faults.demand_none()
    return Document(permissions, told)


def write(document: CatalogueDocument) -> str:
    """Write a catalogue: its permissions, then its roles, each with what it contains and inherits from."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for permission in document.permissions:
        writer.writerow(_cells("permission", permission.model_dump()))
    for role in document.roles:
        writer.writerow(_cells("role", role.model_dump(exclude={"permissions", "inherits"})))
        for kind, names in (("contains", role.permissions), ("inherits", role.inherits)):
            writer.writerows(_cells(kind, {"name": role.name, "linked": name}) for name in names)
    return text.getvalue()


def _cells(kind: str, facts: Mapping[str, str | bool | None]) -> dict[str, str]:
    return {"kind": kind} | {name: _cell(value) for name, value in facts.items()}


def _cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _guarded(str(value or ""))


def _guarded(text: str) -> str:
    return f"'{text}" if _is_run(text.lstrip("'")) else text


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_run(cell.lstrip("'")) else cell


def _is_run(text: str) -> bool:
    return tabular.guarded(text) != text


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode(errors="replace")
        line, at = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise Invalid.at(
            f"line/{line}", f"Line {line}, character {at}: this is not UTF-8. Save the file as CSV UTF-8.", "not-utf-8"
        ) from error


def _rows(text: str, faults: Faults) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = _Line(1)
    try:
        for count, cells in enumerate(reader):
            if header is None:
                header = _header(cells)
            elif count > MOST:
                raise Invalid.at(line.pointer(), f"{line.said()}: a document has {MOST} rows at most.", "too-many")
            elif any(cells):
                yield from _row(line, header, cells, faults)
            line = _Line(reader.line_num + 1)
    except csv.Error as error:
        raise Invalid.at(line.pointer(), f"{line.said()}: this is not CSV: {error}.", "not-csv") from error
    if header is None:
        raise Invalid.at(
            line.pointer(), f"{line.said()}: the document is empty. It begins with {','.join(COLUMNS)}.", "missing"
        )


def _header(cells: Sequence[str]) -> list[str]:
    faults = Faults()
    for number, name in enumerate(cells, start=1):
        if name not in COLUMNS:
            there = f"there is no column {name!r} (the {number}.); there are {', '.join(COLUMNS)}, parted by commas"
            faults.note(_Line(1), name or number, code="unknown-column", detail=there)
        elif name in cells[: number - 1]:
            faults.note(_Line(1), name, code="duplicate", detail="this column is there twice")
    for name in COLUMNS[:2]:
        if name not in cells:
            faults.note(_Line(1), name, code="missing", detail="this column must be there")
    faults.demand_none()
    return list(cells)


def _row(line: _Line, header: Sequence[str], cells: Sequence[str], faults: Faults) -> Iterator[_Row]:
    if len(cells) != len(header):
        told = f"this row has {len(cells)} cells, the first one {len(header)}"
        faults.note(line, code="wrong-number-of-cells", detail=told)
        return
    found = {name: _plain(cell) for name, cell in zip(header, cells, strict=True)}
    kind, name = found.pop("kind"), found.pop("name")
    if kind not in _OWN:
        faults.note(line, "kind", code="unknown-kind", detail=f"a row is one of {', '.join(_OWN)}, not {kind!r}")
        return
    for column, value in found.items():
        if value and column not in _OWN[kind]:
            faults.note(line, column, code="not-empty", detail=f"a row of the kind {kind} says nothing here")
    yield _Row(line, kind, name, found)


def _said(row: _Row) -> dict[str, Any]:
    """Answer what a row says of its permission or role: an empty cell clears where there is something to clear."""
    cells = {name: value for name, value in row.cells.items() if name in _OWN[row.kind]}
    return {name: value or _CLEARED[name] for name, value in cells.items() if value or name in _CLEARED}


def _role(row: _Row, links: Mapping[str, Sequence[_Row]], faults: Faults) -> Iterator[Told[RoleEntry]]:
    facts = {"name": row.name} | _said(row)
    if "linked" in row.cells:
        facts |= {kind: [one.cells["linked"] for one in links.get(kind, ())] for kind in _LINKS.values()}
    line = _Line(row.line.number, {kind: [one.line.number for one in rows] for kind, rows in links.items()})
    yield from _entry(RoleEntry, line, facts, faults)


def _entry(kind: Any, line: _Line, facts: Mapping[str, Any], faults: Faults) -> Iterator[Told[Any]]:
    try:
        yield Told(kind.model_validate(facts), line)
    except ValidationError as error:
        faults.note_all(line, error.errors(include_url=False, include_input=False))
