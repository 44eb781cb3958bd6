"""/enquiry/v1/kinds: what may be asked for, with which fields, and by when it is to be answered."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import jobs, kinds, rights
from enquiry_service.clock.profiles import ProfileName
from enquiry_service.fields import DIALECT
from enquiry_service.tables import EnquiryKind, KindFields
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import NotFound
from lodge_kit.tables import KnownName
from lodge_kit.texts import Name
from lodge_kit.world import Here, Now

router = APIRouter(tags=["kinds"], route_class=IdempotentRoute)

Keeper = Annotated[Caller, requires(rights.KINDS, everywhere=True)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
Days = Annotated[int, Field(ge=1, le=250)]

FieldSchema = Annotated[
    dict[str, Any],
    Field(
        description=f"JSON Schema ({DIALECT}) of an object: bounded in size, references to its own $defs only, patterns"
        " of RE2. Another one gets another number; what was filed keeps the one it was filed by.",
        examples=[{"type": "object", "properties": {"system": {"type": "string"}}, "required": ["system"]}],
    ),
]


class Targets(BaseModel):
    """By when it is to be answered, in working days of the institution, by priority."""

    model_config = ConfigDict(extra="forbid")

    low: Days
    normal: Days
    high: Days
    urgent: Days


class KindChange(Change):
    """What may be changed of a kind. Open enquiries follow another clock or target; ended ones stand."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=2_000)
    clock: ProfileName = Field(default="internal", description="The law whose clock it has, or the institution's own.")
    targets: Targets | None = Field(default=None, description="Needed by the institution's own clock, and only there.")
    default_team: Id | None = Field(default=None, description="The group of access-service that looks at it first.")
    fields: FieldSchema = Field(default={"type": "object", "properties": {}, "additionalProperties": False})


class KindIn(KindChange):
    """A kind of enquiry to add."""

    key: Key = Field(examples=["timetable"])
    name: Name = Field(examples=["Timetable question"])

    @model_validator(mode="after")
    def _targets_fit(self) -> Self:
        if (self.clock == "internal") is (self.targets is None):
            raise PydanticCustomError("targets", "The institution's own clock has targets, those of law have none.")
        return self


class KindOut(BaseModel):
    """A kind of enquiry."""

    key: str
    etag: str
    name: str
    description: str
    clock: ProfileName
    targets: Targets | None
    default_team: Reference | None
    fields: FieldSchema
    fields_version: int
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime


class KindFieldsOut(BaseModel):
    """One state of a kind's fields."""

    number: int
    fields: FieldSchema
    author: Reference
    created_at: datetime


KINDS = Listing(KindOut, key=col(EnquiryKind.key), orders={"name": col(EnquiryKind.name)}, default="name")
FIELDS = Listing(KindFieldsOut, key=col(KindFields.kind), orders={"number": col(KindFields.number)}, default="number")


def _kinds() -> Select[EnquiryKind, KindFields, str | None]:
    its = (col(KindFields.kind) == col(EnquiryKind.key)) & (col(KindFields.number) == col(EnquiryKind.fields_version))
    return (
        select(EnquiryKind, KindFields, col(KnownName.name))
        .join(KindFields, its)
        .outerjoin(KnownName, col(KnownName.id) == col(EnquiryKind.default_team))
    )


def shown(row: Row[EnquiryKind, KindFields, str | None]) -> KindOut:
    """Show a kind with its present fields."""
    kind, fields, team = row[0], row[1], row[2]
    more = {
        "etag": etags.etag(kind),
        "fields": fields.fields,
        "default_team": reference(kind.default_team, team),
    }
    return KindOut.model_validate(kind.model_dump() | more)


async def _now_is(request: Request, session: AsyncSession, key: str, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_kinds().where(col(EnquiryKind.key) == key))).one_or_none()
    if row is None:
        raise NotFound(f"There is no kind of enquiry {key}.")
    location = f"/enquiry/v1/kinds/{key}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, shown(row), status=status, location=location)


@router.get("/kinds", responses=KINDS.responses)
async def list_kinds(
    request: Request, _by: Authenticated, here: Here, now: Now, ask: Annotated[Ask, KINDS.ask],
    *, archived: bool = False,
) -> Response:  # fmt: skip
    """List the kinds of enquiries with their fields: what a portal makes its forms of."""
    async with here.database.transaction() as session:  # one of its own: a stream reads in another, and must see them
        await kinds.start(session, now=now)
    gone = col(EnquiryKind.archived_at)
    found = _kinds().where(gone.is_not(None) if archived else gone.is_(None))
    return await KINDS.answer(request, ask, found, shown, filename="kinds")


@router.post("/kinds", status_code=201, response_model=KindOut)
async def create_kind(request: Request, wanted: KindIn, session: Session, by: Keeper, here: Here, now: Now) -> Response:
    """Add a kind of enquiry."""
    made = await kinds.create(session, wanted.model_dump(), by=by, world=here, now=now)
    return await _now_is(request, session, made.key, 201)


@router.get("/kinds/{key}", response_model=KindOut)
async def get_kind(request: Request, key: str, session: Session, _by: Authenticated, now: Now) -> Response:
    """Read a kind of enquiry, archived ones too."""
    await kinds.get(session, key, now=now)
    return await _now_is(request, session, key)


@router.patch("/kinds/{key}", response_model=KindOut)
async def change_kind(
    request: Request,
    key: str,
    wanted: KindChange,
    session: Session,
    by: Keeper,
    here: Here,
    if_match: IfMatch,
    now: Now,
) -> Response:
    """Change a kind. `fields` is replaced as a whole, and gets the next number where it is another one."""
    kind = await kinds.get(session, key, now=now)
    etags.demand(kind, if_match)
    facts = wanted.model_dump(exclude_unset=True)
    if await kinds.change(session, kind, facts, by=by, world=here, now=now):
        await jobs.defer_due_dates(session)
    return await _now_is(request, session, key)


@router.post("/kinds/{key}/archive", response_model=KindOut)
async def archive_kind(request: Request, key: str, session: Session, by: Keeper, now: Now) -> Response:
    """Have nothing new filed as this kind; what was filed stays as it is."""
    await kinds.archive(session, await kinds.get(session, key, now=now), by=by, now=now)
    return await _now_is(request, session, key)


@router.post("/kinds/{key}/restore", response_model=KindOut)
async def restore_kind(request: Request, key: str, session: Session, by: Keeper, now: Now) -> Response:
    """Take a kind out of the archive."""
    await kinds.restore(session, await kinds.get(session, key, now=now), by=by, now=now)
    return await _now_is(request, session, key)


@router.get("/kinds/{key}/fields", responses=FIELDS.responses)
async def list_kind_fields(
    request: Request, key: str, session: Session, _by: Authenticated, now: Now, ask: Annotated[Ask, FIELDS.ask]
) -> Response:
    """List every state of a kind's fields: an enquiry names by `fields_version` the one it was filed by."""
    await kinds.get(session, key, now=now)
    found = select(KindFields, col(KnownName.name)).outerjoin(KnownName, col(KnownName.id) == col(KindFields.author))

    def state(row: Row[KindFields, str | None]) -> KindFieldsOut:
        return KindFieldsOut.model_validate(row[0].model_dump() | {"author": reference(row[0].author, row[1])})

    return await FIELDS.answer(request, ask, found.where(col(KindFields.kind) == key), state, filename="fields")
