"""The matrix as a picture: a row for each support function, a column for each letter, gaps in red. SVG 1.1.

One product shows all letters; several show, a column each, who is accountable and what is missing.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from access_service.responsibilities.coverage import GapKind
from access_service.responsibilities.matrix import Matrix
from access_service.tables import Responsibility

MEDIA_TYPE = "image/svg+xml"
_SVG = "http://www.w3.org/2000/svg"
_LETTERS = {"A": "Accountable", "deputy": "Deputy", "R": "Responsible", "C": "Consulted", "I": "Informed"}
_MISSING = {
    GapKind.NO_ACCOUNTABLE: ("A", "nobody accountable"),
    GapKind.NO_RESPONSIBLE: ("R", "nobody responsible"),
    GapKind.NO_DEPUTY: ("deputy", "no deputy"),
}
_FIRST, _WIDE, _LINE, _PAD = 230, 190, 18, 10
"""Pixels: the first column, each other one, a line of text, the margin of a cell."""
_CHARACTERS = 25
"""How many letters of 13 px fit into a cell; names vary, so a little fewer than the widest would allow."""
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1d2733 }
.head { font-weight: 600 } .title { font-size: 17px; font-weight: 600 } .faint { fill: #5b6875 }
.gap { fill: #a3161a; font-weight: 600 } .missing { fill: #fde8e8 } .band { fill: #f4f6f8 } line { stroke: #d5dbe1 }
"""


@dataclass(frozen=True, slots=True)
class _Cell:
    lines: Sequence[str]
    gaps: Sequence[str] = ()


def draw(found: Matrix) -> str:
    """Answer the picture as SVG text; every name is escaped."""
    one = len(found.products) == 1
    heads = list(_LETTERS.values()) if one else [_called(found, product) for product in found.products]
    rows = [
        (function.name, _by_letter(found, function.id) if one else _by_product(found, function.id))
        for function in found.functions
    ]
    of = _called(found, found.products[0]) if one else "all products"
    title = f"Who answers for {of} on {found.on.day} {found.on:%B %Y}"
    return _written(title, heads, rows)


def _by_letter(found: Matrix, function: str) -> list[_Cell]:
    product = found.products[0]
    held = found.held.get((function, product), ())
    missing = dict(_MISSING[kind] for (place, kind) in found.missing if place == (function, product))
    columns = {letter: [_called(found, row.holder) for row in held if row.letter == letter] for letter in "ARCI"}
    columns["deputy"] = [_called(found, row.deputy) for row in held if row.letter == "A" and row.deputy]
    return [_cell(columns[letter], [missing[letter]] if letter in missing else []) for letter in _LETTERS]


def _by_product(found: Matrix, function: str) -> list[_Cell]:
    def accountable(rows: Sequence[Responsibility]) -> list[str]:
        return [_called(found, row.holder) for row in rows if row.letter == "A"]

    return [
        _cell(
            accountable(found.held.get((function, product), ())),
            [_MISSING[kind][1] for place, kind in found.missing if place == (function, product)],
        )
        for product in found.products
    ]


def _cell(names: Sequence[str], gaps: Sequence[str]) -> _Cell:
    return _Cell([line for name in names for line in _wrapped(name)], gaps)


def _called(found: Matrix, one: str) -> str:
    return found.names.get(one) or one


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _CHARACTERS, max_lines=3, placeholder=" …") or [""]


def _written(title: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[_Cell]]]) -> str:
    width = _FIRST + _WIDE * max(len(heads), 1) + 2 * _PAD
    svg = ET.Element("svg", xmlns=_SVG, role="img", width=str(width))
    ET.SubElement(svg, "title").text = title
    ET.SubElement(svg, "style").text = _STYLE
    ET.SubElement(svg, "rect", width=str(width), height="100%", fill="#ffffff")
    _text(svg, _PAD, 32, title, "title")
    top = 52.0
    for number, (name, cells) in enumerate([("Support function", [_Cell(_wrapped(head)) for head in heads]), *rows]):
        top += _row(svg, top, width, name, cells, number=number)
    if not rows:
        _text(svg, _PAD, top + 22, "There is no support function yet.", "faint")
        top += 30
    svg.set("height", str(round(top + _PAD)))
    svg.set("viewBox", f"0 0 {width} {round(top + _PAD)}")
    return ET.tostring(svg, encoding="unicode")


def _row(svg: ET.Element, top: float, width: int, name: str, cells: Sequence[_Cell], *, number: int) -> float:
    named = _wrapped(name)
    lines = max(len(named), *(len(cell.lines) + len(cell.gaps) for cell in cells), 1)
    height = lines * _LINE + _PAD
    if number and number % 2 == 0:
        _box(svg, 0, top, width, height, "band")
    for line, text in enumerate(named):
        _text(svg, _PAD, top + (line + 1) * _LINE, text, "head")
    for place, cell in enumerate(cells):
        left = _FIRST + place * _WIDE
        if cell.gaps:
            _box(svg, left - 4, top + 2, _WIDE - 4, height - 4, "missing")
        shown = [(text, "head" if number == 0 else "") for text in cell.lines] + [(text, "gap") for text in cell.gaps]
        for line, (text, kind) in enumerate(shown):
            _text(svg, left, top + (line + 1) * _LINE, text, kind)
    ET.SubElement(svg, "line", x1="0", x2=str(width), y1=str(top + height), y2=str(top + height))
    return height


def _box(svg: ET.Element, left: float, top: float, width: float, height: float, kind: str) -> None:
    ET.SubElement(
        svg, "rect", {"x": str(left), "y": str(top), "width": str(width), "height": str(height), "class": kind}
    )  # fmt: skip


def _text(svg: ET.Element, left: float, top: float, text: str, kind: str) -> None:
    attributes = {"x": str(left), "y": str(top)} | ({"class": kind} if kind else {})
    ET.SubElement(svg, "text", attributes).text = text
