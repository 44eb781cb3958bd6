"""/access/v1/attribute-sources."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from access_service import attribute_sources, rights
from lodge_kit.database import Session
from lodge_kit.identity import Caller, requires
from lodge_kit.listing import Page, whole
from lodge_kit.world import Now

router = APIRouter(tags=["people"])

Reader = Annotated[Caller, requires(rights.PEOPLE_READ)]
Administrator = Annotated[Caller, requires(rights.SOURCES, everywhere=True)]
# Literal is made at run time, of the one list that there is.
Attribute = Annotated[Literal[attribute_sources.ATTRIBUTES], Path()]  # type: ignore[valid-type]  # see above


class Source(BaseModel):
    """Where an attribute comes from."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(
        pattern=attribute_sources.SOURCE,
        description="As service accounts have it in their `source`; `lodge` is people who change it here by hand.",
        examples=["hr"],
    )


class AttributeSourceOut(BaseModel):
    """An attribute of people and where it comes from."""

    attribute: str
    source: str | None = Field(description="Null: from anybody who may change people.")


@router.get("/attribute-sources", responses={200: {"model": Page[AttributeSourceOut]}})
async def list_attribute_sources(request: Request, session: Session, _by: Reader) -> Response:
    """List the attributes of people, each with the one source that may say it."""
    found = await attribute_sources.sources(session)
    items = [AttributeSourceOut(attribute=one, source=found.get(one)) for one in attribute_sources.ATTRIBUTES]
    return await whole(request, items, AttributeSourceOut, filename="attribute-sources")


@router.put("/attribute-sources/{attribute}")
async def assign_attribute_source(
    attribute: Attribute, wanted: Source, session: Session, by: Administrator, now: Now
) -> AttributeSourceOut:
    """Have one source alone say an attribute; what is known of people stays until that source says otherwise."""
    row = await attribute_sources.assign(session, attribute, wanted.source, by=by, now=now)
    return AttributeSourceOut(attribute=row.attribute, source=row.source)


@router.delete("/attribute-sources/{attribute}", status_code=204)
async def release_attribute_source(attribute: Attribute, session: Session, by: Administrator, now: Now) -> None:
    """Have anybody who may change people say an attribute again."""
    await attribute_sources.release(session, attribute, by=by, now=now)
