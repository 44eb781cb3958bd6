"""/access/v1/support-functions and /access/v1/posts: what must be answered for, and the positions that do."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import rights
from access_service.responsibilities import functions, posts
from access_service.tables import OrgUnit, Person, Post, SupportFunction
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.texts import Name
from lodge_kit.world import Now

router = APIRouter(tags=["responsibilities"], route_class=IdempotentRoute)

Reader = Annotated[Caller, requires(rights.DUTIES_READ)]
Writer = Annotated[Caller, requires(rights.DUTIES_WRITE, everywhere=True)]
Skill = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class SupportFunctionChange(Change):
    """What may be changed of a support function."""

    name: Name = Field(default="")
    description: str = Field(default="", max_length=2_000)
    skills: list[Skill] = Field(default=[], max_length=50, description="What whoever does it must be able to do.")
    position: int | None = Field(default=None, ge=0, le=1_000_000, description="Where it stands in the matrix.")


class SupportFunctionIn(SupportFunctionChange):
    """A support function to add."""

    key: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["testing"])
    name: Name = Field(examples=["Testing"])


class SupportFunctionOut(BaseModel):
    """A thing that the support of a product takes."""

    id: str
    etag: str
    key: str
    name: str
    description: str
    skills: list[str]
    position: int
    state: Literal["active", "retired"]
    created_at: datetime
    updated_at: datetime


class PostChange(Change):
    """What may be changed of a post."""

    name: Name = Field(default="")
    org_unit: Id | None = None
    holder: Id | None = Field(default=None, description="The person who holds it; null is vacant.")


class PostIn(PostChange):
    """A post to add."""

    name: Name = Field(examples=["Head of Registry"])


class PostOut(BaseModel):
    """A position that answers for things whoever holds it."""

    id: str
    etag: str
    name: str
    org_unit: Reference | None
    holder: Reference | None
    created_at: datetime
    updated_at: datetime


FUNCTIONS = Listing(
    SupportFunctionOut,
    key=col(SupportFunction.id),
    orders={"position": col(SupportFunction.position), "name": col(SupportFunction.name)},
    default="position",
)
POSTS = Listing(PostOut, key=col(Post.id), orders={"name": col(Post.name)}, default="name")


def _function(row: SupportFunction) -> SupportFunctionOut:
    return SupportFunctionOut.model_validate(row.model_dump() | {"etag": etags.etag(row)})


def _posts() -> Select[Post, str | None, str | None]:
    return (
        select(Post, col(OrgUnit.name), col(Person.name))
        .outerjoin(OrgUnit, col(OrgUnit.id) == col(Post.org_unit))
        .outerjoin(Person, col(Person.id) == col(Post.holder))
    )


def _post(row: Row[Post, str | None, str | None]) -> PostOut:
    post, unit, holder = row[0], row[1], row[2]
    references = {"org_unit": reference(post.org_unit, unit), "holder": reference(post.holder, holder)}
    return PostOut.model_validate(post.model_dump() | references | {"etag": etags.etag(post)})


async def _one_post(session: AsyncSession, post_id: str) -> PostOut:
    await session.flush()
    row = (await session.execute(_posts().where(col(Post.id) == post_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no post {post_id}.")
    return _post(row)


@router.post("/support-functions", status_code=201, response_model=SupportFunctionOut)
async def create_support_function(
    request: Request, wanted: SupportFunctionIn, session: Session, by: Writer, now: Now
) -> Response:
    """Add a support function."""
    row = await functions.create(session, wanted.model_dump(), by=by, now=now)
    return etags.answer(request, _function(row), status=201, location=f"/access/v1/support-functions/{row.id}")


@router.get("/support-functions", responses=FUNCTIONS.responses)
async def list_support_functions(
    request: Request, _by: Reader, ask: Annotated[Ask, FUNCTIONS.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
    state: Literal["active", "retired"] | None = None,
) -> Response:  # fmt: skip
    """List what the support of a product takes; a new Lodge starts with a set of them."""
    found = select(SupportFunction)
    if q:
        found = found.where(contains(q, col(SupportFunction.name), col(SupportFunction.description)))
    if state:
        found = found.where(col(SupportFunction.state) == state)
    return await FUNCTIONS.answer(request, ask, found, lambda row: _function(row[0]), filename="support-functions")


@router.get("/support-functions/{function_id}", response_model=SupportFunctionOut)
async def get_support_function(request: Request, function_id: str, session: Session, _by: Reader) -> Response:
    """Read a support function."""
    return etags.answer(request, _function(await functions.get(session, function_id)))


@router.patch("/support-functions/{function_id}", response_model=SupportFunctionOut)
async def change_support_function(
    request: Request, function_id: str, wanted: SupportFunctionChange, session: Session, if_match: IfMatch,
    by: Writer, now: Now,
) -> Response:  # fmt: skip
    """Rename, describe or move a support function, or change the skills that it needs."""
    row = await functions.get(session, function_id)
    etags.demand(row, if_match)
    # Neither a place nor a list of skills can be cleared: what stands there stays.
    facts = {k: v for k, v in wanted.model_dump(exclude_unset=True).items() if v is not None}
    await functions.change(session, row, facts, by=by, now=now)
    return etags.answer(request, _function(row))


@router.post("/support-functions/{function_id}/retire", response_model=SupportFunctionOut)
async def retire_support_function(
    request: Request, function_id: str, session: Session, by: Writer, now: Now
) -> Response:
    """Take a support function out of the matrix."""
    row = await functions.get(session, function_id)
    await functions.retire(session, row, by=by, now=now)
    return etags.answer(request, _function(row))


@router.post("/posts", status_code=201, response_model=PostOut)
async def create_post(request: Request, wanted: PostIn, session: Session, by: Writer, now: Now) -> Response:
    """Add a post."""
    post = await posts.create(session, wanted.model_dump(), by=by, now=now)
    return etags.answer(
        request, await _one_post(session, post.id), status=201, location=f"/access/v1/posts/{post.id}"
    )  # fmt: skip


@router.get("/posts", responses=POSTS.responses)
async def list_posts(
    request: Request, by: Reader, ask: Annotated[Ask, POSTS.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
    holder: Annotated[str | None, Query(description="A person's id, or `me`.")] = None,
    *, vacant: bool | None = None,
) -> Response:  # fmt: skip
    """List the posts."""
    found = _posts()
    if q:
        found = found.where(contains(q, col(Post.name)))
    if holder:
        found = found.where(col(Post.holder) == by.named(holder))
    if vacant is not None:
        found = found.where(col(Post.holder).is_(None) if vacant else col(Post.holder).is_not(None))
    return await POSTS.answer(request, ask, found, _post, filename="posts")


@router.get("/posts/{post_id}", response_model=PostOut)
async def get_post(request: Request, post_id: str, session: Session, _by: Reader) -> Response:
    """Read a post."""
    return etags.answer(request, await _one_post(session, post_id))


@router.patch("/posts/{post_id}", response_model=PostOut)
async def change_post(
    request: Request, post_id: str, wanted: PostChange, session: Session, if_match: IfMatch, by: Writer, now: Now
) -> Response:
    """Rename a post, move it, or say who holds it."""
    post = await posts.get(session, post_id)
    etags.demand(post, if_match)
    await posts.change(session, post, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return etags.answer(request, await _one_post(session, post_id))
