"""/access/v1/systems/{id}/catalogue: all permissions and roles of a system as one document, out and in."""

import asyncio
from collections.abc import Iterable
from email.message import Message
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, Field

from access_service import catalogue
from access_service.catalogue import csv_form, json_form
from access_service.catalogue.comparison import Comparison, Difference
from access_service.catalogue.document import CatalogueDocument, Document
from access_service.catalogue.exchange import Catalogue
from access_service.routes.systems import Reader, Writer
from lodge_kit import database, etags
from lodge_kit.database import Session
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.listing import preferred
from lodge_kit.problems import PreconditionRequired, UnsupportedMediaType
from lodge_kit.world import Now

router = APIRouter(tags=["catalogue"], route_class=IdempotentRoute)

_CSV = "text/csv; charset=utf-8; header=present"
_DOCUMENT: dict[str, Any] = {
    "application/json": {"schema": {"$ref": "#/components/schemas/CatalogueDocument"}},
    "text/csv": {
        "schema": {
            "type": "string",
            "description": f"Columns: {', '.join(csv_form.COLUMNS)}. A row for each permission, role, and link: its"
            " `kind` is permission, role, contains (the role `name` contains the permission `linked`) or inherits"
            " (the role `name` inherits from the role `linked`).",
        }
    },
}


class FieldChange(BaseModel):
    """A field that differs: what it is, and what the document says."""

    name: str
    old: bool | str | list[str] | None
    new: bool | str | list[str] | None


class CatalogueChange(BaseModel):
    """A permission or a role that is not as the document has it."""

    kind: Literal["permission", "role"]
    name: str
    fields: list[FieldChange] = Field(description="Empty for what is added: all of it is new.")


class Unchanged(BaseModel):
    """How many are as the document has them, or are not in it and stay."""

    permissions: int
    roles: int


class CatalogueChanges(BaseModel):
    """What a document changes, or would change."""

    dry_run: bool
    etag: str = Field(
        description="Of the catalogue: as it was compared in a dry run, to be sent as If-Match; else as it is now."
    )
    added: list[CatalogueChange]
    changed: list[CatalogueChange]
    retired: list[CatalogueChange]
    unchanged: Unchanged


async def _seen(
    _by: Writer,
    *,
    dry_run: bool = False,
    if_match: Annotated[
        str | None, Header(description="The `etag` of a dry run or of the catalogue, or `*`; a dry run needs none.")
    ] = None,
) -> str | None:
    if if_match is None and not dry_run:
        raise PreconditionRequired("Send If-Match with the etag that a dry run answered: add dry_run=true first.")
    return if_match


async def _told(request: Request, _by: Writer) -> Document:
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    kind, charset = said.get_content_type(), said.get_content_charset("utf-8")
    forms = {"application/json": json_form.read, "text/csv": csv_form.read}
    if kind not in forms or "content-type" not in request.headers or charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("Send the catalogue as application/json or as text/csv, in UTF-8.")
    # In a thread: decisions that others wait for go on meanwhile.
    return await asyncio.to_thread(forms[kind], await request.body())


@router.get(
    "/systems/{system_id}/catalogue",
    responses={200: {"model": CatalogueDocument, "content": {"text/csv": _DOCUMENT["text/csv"]}}},
)
async def export_catalogue(request: Request, system_id: str, _by: Reader) -> Response:
    """Take a system's catalogue out: what can be changed and taken in again, here or elsewhere."""
    async with database.of(request).reading() as session:
        found = await catalogue.read_catalogue(session, await catalogue.get_system(session, system_id))
    csv = preferred(request.headers.get("accept", "")) == "csv"
    answer = etags.answer(request, found.document, tag=etags.etag(found))
    if csv and answer.status_code == 200:  # noqa: PLR2004 - OK; else 304
        headers = {"ETag": etags.etag(found)}
        headers["Content-Disposition"] = f'attachment; filename="{found.system.key}-catalogue.csv"'
        answer = Response(csv_form.write(found.document), headers=headers, media_type=_CSV)
    answer.headers["Vary"] = "Accept"
    return answer


@router.post(
    "/systems/{system_id}/catalogue",
    openapi_extra={"requestBody": {"required": True, "content": _DOCUMENT}},
)
async def import_catalogue(
    system_id: str, session: Session, by: Writer, now: Now, told: Annotated[Document, Depends(_told)],
    if_match: Annotated[str | None, Depends(_seen)], *, dry_run: bool = False, retire_missing: bool = False,
) -> CatalogueChanges:  # fmt: skip
    """Take a system's catalogue in, or with `dry_run` say what that would change.

    Permissions and roles are known by their names. What an entry leaves out stays as it is. What the document leaves
    out stays too, or is retired with `retire_missing`. All of it is done, or nothing.
    """
    system = await (catalogue.get_system if dry_run else catalogue.hold_system)(session, system_id)
    found = await catalogue.read_catalogue(session, system)
    if if_match is not None:
        etags.demand(found, if_match)
    compared = await catalogue.differences(session, found, told, retire_missing=retire_missing)
    if not dry_run and (compared.permissions or compared.roles):
        await catalogue.apply(session, found, compared, by=by, now=now)
        found = await catalogue.read_catalogue(session, system)
    return _changes(found, compared, dry_run=dry_run)


def _changes(found: Catalogue, compared: Comparison, *, dry_run: bool) -> CatalogueChanges:
    every = [("permission", one) for one in compared.permissions] + [("role", one) for one in compared.roles]
    told: dict[str, list[CatalogueChange]] = {"added": [], "changed": [], "retired": []}
    for kind, one in every:
        told[one.what].append(
            CatalogueChange.model_validate({"kind": kind, "name": one.entry.name, "fields": _fields(one)})
        )
    unchanged = Unchanged(permissions=compared.same_permissions, roles=compared.same_roles)
    return CatalogueChanges(dry_run=dry_run, etag=etags.etag(found), **told, unchanged=unchanged)


def _fields(one: Difference) -> Iterable[FieldChange]:
    return [FieldChange(name=name, old=old, new=new) for name, (old, new) in one.fields.items()]
