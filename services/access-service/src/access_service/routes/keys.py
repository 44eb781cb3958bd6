"""/access/v1/keys and /access/v1/service-accounts."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import keys, rights
from access_service.tables import ApiKey, Person, ServiceAccount
from lodge_kit import etags
from lodge_kit.database import Session
from lodge_kit.directory import Reference
from lodge_kit.idempotency import SHOWN_ONCE, IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing
from lodge_kit.world import Now

router = APIRouter(tags=["keys"], route_class=IdempotentRoute)

KeyKeeper = Annotated[Caller, requires(rights.KEYS, everywhere=True)]


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    owner: Id | None = Field(default=None, description="Whose; your own where it is left out.")
    label: str = Field(default="", max_length=200, examples=["portal"])
    expires_at: AwareDatetime | None = None


class KeyOut(BaseModel):
    """An API key, without its secret."""

    id: str
    owner: Reference
    label: str
    state: Literal["live", "revoked", "expired"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To within five minutes.")


class NewKey(KeyOut):
    """A key just made."""

    key: str | None = Field(json_schema_extra=SHOWN_ONCE, description="Send it as a bearer token. Shown once.")


class ServiceAccountIn(BaseModel):
    """A service account to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["student-portal"])
    description: str = Field(default="", max_length=2_000)
    owner: Id | None = Field(default=None, description="Who answers for it.")


class ServiceAccountOut(BaseModel):
    """A program that calls Lodge."""

    id: str
    etag: str
    name: str
    description: str
    owner: Reference | None
    status: Literal["active", "inactive"]
    created_at: datetime
    updated_at: datetime


KEYS = Listing(KeyOut, key=col(ApiKey.id), orders={"created_at": col(ApiKey.created_at)}, default="-created_at")
ACCOUNTS = Listing(
    ServiceAccountOut, key=col(ServiceAccount.id), orders={"name": col(ServiceAccount.name)}, default="name"
)


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


def _account(row: Row[ServiceAccount, str | None]) -> ServiceAccountOut:
    account, owner = row[0], row[1]
    reference = {"id": account.owner, "name": owner or ""} if account.owner else None
    return ServiceAccountOut.model_validate(account.model_dump() | {"etag": etags.etag(account), "owner": reference})


async def _one(session: AsyncSession, key_id: str, now: datetime) -> KeyOut:
    await session.flush()
    return _key((await session.execute(_keys().where(col(ApiKey.id) == key_id))).one(), now)


@router.post("/keys", status_code=201)
async def create_key(wanted: KeyIn, session: Session, by: Authenticated, now: Now) -> NewKey:
    """Make an API key: your own, or with `access.keys` another's. The answer holds it, once."""
    made = await keys.make(
        session, wanted.owner or by.id, label=wanted.label, expires_at=wanted.expires_at, by=by, now=now
    )
    return NewKey(**(await _one(session, made.row.id, now)).model_dump(), key=made.text)


@router.get("/keys", responses=KEYS.responses)
async def list_keys(
    request: Request, by: Authenticated, ask: Annotated[Ask, KEYS.ask], now: Now,
    owner: Annotated[str, Query(description="Whose: an id, or `me`.")] = "me",
) -> Response:  # fmt: skip
    """List keys, without their secrets: your own, or with `access.keys` another's."""
    whose = by.named(owner)
    if whose != by.id:
        by.demand(rights.KEYS, EVERYWHERE)
    found = _keys().where(col(ApiKey.owner) == whose)
    return await KEYS.answer(request, ask, found, lambda row: _key(row, now), filename="keys")


@router.post("/keys/{key_id}/revoke")
async def revoke_key(key_id: str, session: Session, by: Authenticated, now: Now) -> KeyOut:
    """Revoke a key, at once."""
    await keys.revoke(session, await keys.get(session, key_id, by=by), by=by, now=now)
    return await _one(session, key_id, now)


@router.post("/service-accounts", status_code=201, response_model=ServiceAccountOut)
async def create_service_account(
    request: Request, wanted: ServiceAccountIn, session: Session, by: KeyKeeper, now: Now
) -> Response:
    """Add a service account. Give it roles by grants, and a key by POST /access/v1/keys."""
    account = await keys.add_service_account(session, **wanted.model_dump(), by=by, now=now)
    found = select(ServiceAccount, col(Person.name)).outerjoin(Person, col(Person.id) == col(ServiceAccount.owner))
    row = (await session.execute(found.where(col(ServiceAccount.id) == account.id))).one()
    return etags.answer(request, _account(row), status=201)


@router.get("/service-accounts", responses=ACCOUNTS.responses)
async def list_service_accounts(request: Request, _by: KeyKeeper, ask: Annotated[Ask, ACCOUNTS.ask]) -> Response:
    """List the service accounts."""
    found = select(ServiceAccount, col(Person.name)).outerjoin(Person, col(Person.id) == col(ServiceAccount.owner))
    return await ACCOUNTS.answer(request, ask, found, _account, filename="service-accounts")
