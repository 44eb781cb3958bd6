"""Posts: positions that answer for things whoever holds them."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import org_units
from access_service.tables import Person, Post
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Invalid, NotFound, Problem


class PostExists(Problem):
    """Another post has this name."""

    status, code = HTTPStatus.CONFLICT, "post-exists"


async def get(session: AsyncSession, post_id: str) -> Post:
    """Read a post. Raises `NotFound`."""
    post = await session.get(Post, post_id)
    if post is None:
        raise NotFound(f"There is no post {post_id}.")
    return post


async def create(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> Post:
    """Add a post; `facts` are columns of `Post`. Raises `PostExists`, `Invalid`."""
    await _demand_sound(session, facts, of=None)
    post = Post(id=ids.new("pst"), created_at=now, updated_at=now, **facts)
    session.add(post)
    audit.record(session, "post.added", kind="post", of=post.id, by=by, now=now, name=post.name, holder=post.holder)
    await session.flush()
    return post


async def change(session: AsyncSession, post: Post, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> None:
    """Change what `facts` names; a holder of null leaves the post vacant."""
    await _demand_sound(session, facts, of=post.id)
    for name, value in facts.items():
        setattr(post, name, value)
    post.updated_at = now
    audit.record(session, "post.changed", kind="post", of=post.id, by=by, now=now, personal=[], **facts)
    await session.flush()


async def _demand_sound(session: AsyncSession, facts: Mapping[str, Any], *, of: str | None) -> None:
    await org_units.demand_open(session, facts.get("org_unit"))
    holder = facts.get("holder")
    if holder is not None:
        person = await session.get(Person, holder)
        if person is None or person.status != "active":
            raise Invalid.at("/holder", f"There is no active person {holder}.", "unknown-person")
    if "name" in facts:
        taken = select(col(Post.id)).where(col(Post.name) == facts["name"], col(Post.id) != (of or ""))
        if (await session.execute(taken)).first():
            raise PostExists("Another post has this name. Choose a name that tells the two apart.")
