"""/access/v1/keys."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import keys, rights
from access_service.settings import Settings
from access_service.tables import ApiKey, Person, ServiceAccount
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.idempotency import SHOWN_ONCE, IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Authenticated
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.world import Here, Now, World

router = APIRouter(tags=["keys"], route_class=IdempotentRoute)


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    owner: Id | None = Field(default=None, description="Whose; your own where it is left out.")
    label: str = Field(default="", max_length=200, examples=["portal"])
    scopes: list[str] | None = Field(
        default=None, min_length=1, max_length=200, examples=[["access.people.read"]],
        description="The permissions of Lodge that it is held to, out of its owner's; all where it is left out.",
    )  # fmt: skip
    expires_at: AwareDatetime | None = Field(
        default=None, description="Where it is left out: as late as this installation allows, or never."
    )


class Rotation(BaseModel):
    """How a key gives way to its successor."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(default=24, ge=0, le=720, description="How long the old key still serves.")
    expires_at: AwareDatetime | None = Field(
        default=None, description="When the new key expires; after as long a life as the old one's where left out."
    )


class KeyOut(BaseModel):
    """An API key, without its secret."""

    id: str
    owner: Reference
    label: str
    scopes: list[str] | None = Field(description="What it is held to; null is all that its owner may do.")
    state: Literal["live", "revoked", "expired"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To within five minutes.")


class NewKey(KeyOut):
    """A key just made."""

    key: str | None = Field(json_schema_extra=SHOWN_ONCE, description="Send it as a bearer token. Shown once.")


KEYS = Listing(KeyOut, key=col(ApiKey.id), orders={"created_at": col(ApiKey.created_at)}, default="-created_at")


def _keys() -> Select[ApiKey, str]:
    return (
        select(ApiKey, func.coalesce(col(Person.name), col(ServiceAccount.name)))
        .outerjoin(Person, col(Person.id) == col(ApiKey.owner))
        .outerjoin(ServiceAccount, col(ServiceAccount.id) == col(ApiKey.owner))
    )


def _key(row: Row[ApiKey, str], now: datetime) -> KeyOut:
    key = row[0]
    expired = key.expires_at is not None and key.expires_at <= now
    state = "revoked" if key.revoked_at else "expired" if expired else "live"
    facts = {"owner": {"id": key.owner, "name": row[1] or ""}, "state": state}
    return KeyOut.model_validate(key.model_dump(exclude={"sha256"}) | facts)


async def _one(session: AsyncSession, key_id: str, now: datetime) -> KeyOut:
    await session.flush()
    return _key((await session.execute(_keys().where(col(ApiKey.id) == key_id))).one(), now)


def _longest(here: World) -> timedelta | None:
    assert isinstance(here.settings, Settings)  # noqa: S101 - this service's own world
    days = here.settings.longest_key_days
    return timedelta(days=days) if days is not None else None


@router.post("/keys", status_code=201)
async def create_key(wanted: KeyIn, session: Session, here: Here, by: Authenticated, now: Now) -> NewKey:
    """Make an API key: your own, an account's that you answer for, or with `access.keys` another's.

    The answer holds the key, once. It can never do more than its owner, nor at first more than you.
    """
    asked = keys.Wanted(wanted.label, wanted.scopes, wanted.expires_at)
    made = await keys.make(session, wanted.owner or by.id, asked, by=by, now=now, longest=_longest(here))
    return NewKey(**(await _one(session, made.row.id, now)).model_dump(), key=made.text)


@router.get("/keys", responses=KEYS.responses)
async def list_keys(
    request: Request, session: Session, by: Authenticated, ask: Annotated[Ask, KEYS.ask], now: Now,
    owner: Annotated[str, Query(description="Whose: a person's id, a service account's, or `me`.")] = "me",
) -> Response:  # fmt: skip
    """List keys without their secrets: your own, those of an account you answer for, or with `access.keys` any."""
    whose = by.named(owner)
    if not await keys.may_keep(session, whose, by):
        by.demand(rights.KEYS, EVERYWHERE)
    found = _keys().where(col(ApiKey.owner) == whose)
    return await KEYS.answer(request, ask, found, lambda row: _key(row, now), filename="keys")


@router.get("/keys/{key_id}")
async def get_key(key_id: str, session: Session, by: Authenticated, now: Now) -> KeyOut:
    """Read what is known of a key, without its secret."""
    return await _one(session, (await keys.get(session, key_id, by=by)).id, now)


@router.post("/keys/{key_id}/rotate", status_code=201)
async def rotate_key(
    key_id: str, wanted: Rotation, session: Session, here: Here, by: Authenticated, now: Now
) -> NewKey:
    """Make a key's successor, which may do the same; the old one expires after the overlap.

    The answer holds the new key, once.
    """
    made = await keys.rotate(
        session, await keys.get(session, key_id, by=by), overlap=timedelta(hours=wanted.overlap_hours),
        expires_at=wanted.expires_at, by=by, now=now, longest=_longest(here),
    )  # fmt: skip
    return NewKey(**(await _one(session, made.row.id, now)).model_dump(), key=made.text)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(key_id: str, session: Session, by: Authenticated, now: Now) -> KeyOut:
    """Revoke a key, at once."""
    await keys.revoke(session, await keys.get(session, key_id, by=by), by=by, now=now)
    return await _one(session, key_id, now)
