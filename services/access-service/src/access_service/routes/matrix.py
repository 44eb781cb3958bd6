"""/access/v1/responsibilities/matrix and /gaps: one picture of who answers for what, and where nobody does."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from access_service import rights
from access_service.responsibilities import matrix_picture
from access_service.responsibilities.coverage import Gap, GapKind
from access_service.responsibilities.matrix import Matrix, matrix
from access_service.routes.responsibilities import ProductId
from access_service.tables import Responsibility
from lodge_kit import listing
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.identity import Caller, requires
from lodge_kit.world import Here, Now

router = APIRouter(tags=["responsibilities"])

Reader = Annotated[Caller, requires(rights.DUTIES_READ)]
On = Annotated[date | None, Query(description="The day; today where it is left out.")]

_SENTENCES = {
    GapKind.NO_ACCOUNTABLE: "Nobody is accountable for {function} of {product}: name a person or a post.",
    GapKind.NO_RESPONSIBLE: "Nobody is responsible for {function} of {product}: name a person, a post or a team.",
    GapKind.NO_DEPUTY: "Nobody stands in for who is accountable for {function} of {product}: name a deputy.",
}


class Holder(Reference):
    """Who answers, and who stands in."""

    deputy: Reference | None


class Cell(BaseModel):
    """Who answers for one support function of one product."""

    product: Reference
    function: Reference
    skills: list[str]
    accountable: Holder | None
    responsible: list[Holder]
    consulted: list[Holder]
    informed: list[Holder]
    gaps: list[Literal["no-accountable", "no-responsible", "no-deputy"]]


class MatrixOut(BaseModel):
    """The matrix of a day: a cell for each support function of each product."""

    on: date
    items: list[Cell]


class GapOut(BaseModel):
    """Something that nobody answers for."""

    product: Reference
    function: Reference
    kind: Literal["no-accountable", "no-responsible", "no-deputy"]
    on: date
    detail: str


_MATRIX: dict[int | str, dict[str, Any]] = {
    200: {
        "model": MatrixOut,
        "content": {kind: {"schema": {"type": "string"}} for kind in ("text/csv", matrix_picture.MEDIA_TYPE)},
    }
}
_GAPS: dict[int | str, dict[str, Any]] = {
    200: {"model": listing.Page[GapOut], "content": {"text/csv": {"schema": {"type": "string"}}}}
}


@router.get("/responsibilities/matrix", responses=_MATRIX)
async def get_matrix(
    request: Request, session: Session, here: Here, _by: Reader, now: Now,
    product: ProductId | None = None, on: On = None,
) -> Response:  # fmt: skip
    """Show who answers for what, of one product or of all: JSON, CSV, or as a picture (`Accept: image/svg+xml`)."""
    found = await matrix(session, on or now.astimezone(here.settings.time_zone).date(), product=product)
    headers = {"Vary": "Accept"}
    if matrix_picture.MEDIA_TYPE in request.headers.get("accept", ""):
        return Response(matrix_picture.draw(found), media_type=matrix_picture.MEDIA_TYPE, headers=headers)
    cells = _cells(found)
    if "text/csv" in request.headers.get("accept", ""):
        return await listing.whole(request, cells, Cell, filename="responsibilities-matrix")
    body = MatrixOut(on=found.on, items=cells).model_dump_json()
    return Response(body, media_type="application/json", headers=headers)


@router.get("/responsibilities/gaps", responses=_GAPS)
async def list_gaps(
    request: Request, session: Session, here: Here, _by: Reader, now: Now,
    product: ProductId | None = None, on: On = None,
) -> Response:  # fmt: skip
    """List what nobody answers for on a day, that of somebody's leaving or any other."""
    found = await matrix(session, on or now.astimezone(here.settings.time_zone).date(), product=product)
    return await listing.whole(request, _gaps(found), GapOut, filename="responsibility-gaps")


def _cells(found: Matrix) -> list[Cell]:
    missing: dict[tuple[str, str], list[GapKind]] = {}
    for place, kind in found.missing:
        missing.setdefault(place, []).append(kind)
    cells = []
    for product in found.products:
        for function in found.functions:
            place = (function.id, product)
            by_letter: dict[str, list[Holder]] = {}
            for row in found.held.get(place, ()):
                by_letter.setdefault(row.letter, []).append(_holder(found, row))
            cells.append(
                Cell(
                    product=_named(found, product), function=Reference(id=function.id, name=function.name),
                    skills=function.skills, accountable=next(iter(by_letter.get("A", ())), None),
                    responsible=by_letter.get("R", []), consulted=by_letter.get("C", []),
                    informed=by_letter.get("I", []), gaps=[kind.value for kind in missing.get(place, ())],
                )
            )  # fmt: skip
    return cells


def _gaps(found: Matrix) -> Sequence[GapOut]:
    names = {function.id: function.name for function in found.functions}
    return [_gap(found, names, gap) for gap in found.missing]


def _gap(found: Matrix, names: dict[str, str], gap: Gap) -> GapOut:
    (function, product), kind = gap
    told = _SENTENCES[kind].format(function=f"“{names[function]}”", product=found.names.get(product) or product)
    return GapOut(
        product=_named(found, product), function=Reference(id=function, name=names[function]), kind=kind.value,
        on=found.on, detail=told,
    )  # fmt: skip


def _holder(found: Matrix, row: Responsibility) -> Holder:
    deputy = _named(found, row.deputy) if row.deputy else None
    return Holder(id=row.holder, name=found.names.get(row.holder, ""), deputy=deputy)


def _named(found: Matrix, one: str) -> Reference:
    return Reference(id=one, name=found.names.get(one, ""))
