"""/access/v1/service-accounts."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import rights, service_accounts
from access_service.attribute_sources import SOURCE
from access_service.tables import Person, ServiceAccount
from lodge_kit import etags
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.etags import IfMatch
from lodge_kit.idempotency import IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Authenticated, Caller, requires
from lodge_kit.ids import Id
from lodge_kit.listing import Ask, Listing, contains
from lodge_kit.problems import NotFound
from lodge_kit.world import Now

router = APIRouter(tags=["keys"], route_class=IdempotentRoute)

KeyKeeper = Annotated[Caller, requires(rights.KEYS, everywhere=True)]


class ServiceAccountChange(Change):
    """What may be changed of a service account; its name stays."""

    description: str = Field(default="", max_length=2_000)
    owner: Id | None = Field(default=None, description="Who answers for it.")
    source: str | None = Field(
        default=None, pattern=SOURCE, examples=["hr"],
        description="What it brings people's attributes from; needs `access.sources`.",
    )  # fmt: skip


class ServiceAccountIn(ServiceAccountChange):
    """A service account to add."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["student-portal"])


class ServiceAccountOut(BaseModel):
    """A program that calls Lodge."""

    id: str
    etag: str
    name: str
    description: str
    owner: Reference | None
    source: str | None
    status: Literal["active", "inactive"]
    created_at: datetime
    updated_at: datetime


ACCOUNTS = Listing(
    ServiceAccountOut,
    key=col(ServiceAccount.id),
    orders={"name": col(ServiceAccount.name), "created_at": col(ServiceAccount.created_at)},
    default="name",
)


def _accounts() -> Select[ServiceAccount, str | None]:
    return select(ServiceAccount, col(Person.name)).outerjoin(Person, col(Person.id) == col(ServiceAccount.owner))


def _shown(row: Row[ServiceAccount, str | None]) -> ServiceAccountOut:
    account = row[0]
    references = {"etag": etags.etag(account), "owner": reference(account.owner, row[1])}
    return ServiceAccountOut.model_validate(account.model_dump() | references)


async def _answer(request: Request, session: AsyncSession, account_id: str, status: int = 200) -> Response:
    await session.flush()
    row = (await session.execute(_accounts().where(col(ServiceAccount.id) == account_id))).one()
    location = f"/access/v1/service-accounts/{account_id}" if status == 201 else None  # noqa: PLR2004 - Created
    return etags.answer(request, _shown(row), status=status, location=location)


@router.post("/service-accounts", status_code=201, response_model=ServiceAccountOut)
async def create_service_account(
    request: Request, wanted: ServiceAccountIn, session: Session, by: KeyKeeper, now: Now
) -> Response:
    """Add a service account. Give it roles by grants, and a key by POST /access/v1/keys."""
    account = await service_accounts.add(session, wanted.model_dump(), by=by, now=now)
    return await _answer(request, session, account.id, 201)


@router.get("/service-accounts", responses=ACCOUNTS.responses)
async def list_service_accounts(
    request: Request, by: Authenticated, ask: Annotated[Ask, ACCOUNTS.ask],
    q: Annotated[str | None, Query(max_length=200)] = None,
    owner: Annotated[str | None, Query(description="Those that this person answers for: an id, or `me`.")] = None,
    status: Literal["active", "inactive"] | None = None,
) -> Response:  # fmt: skip
    """List the service accounts: those that you answer for (`owner=me`), or with `access.keys` all."""
    whose = by.named(owner) if owner else None
    if whose != by.id:
        by.demand(rights.KEYS, EVERYWHERE)
    found = _accounts()
    if q:
        found = found.where(contains(q, col(ServiceAccount.name), col(ServiceAccount.description)))
    if whose:
        found = found.where(col(ServiceAccount.owner) == whose)
    if status:
        found = found.where(col(ServiceAccount.status) == status)
    return await ACCOUNTS.answer(request, ask, found, _shown, filename="service-accounts")


@router.get("/service-accounts/{account_id}", response_model=ServiceAccountOut)
async def get_service_account(request: Request, account_id: str, session: Session, by: Authenticated) -> Response:
    """Read a service account: one that you answer for, or with `access.keys` any."""
    account = await service_accounts.get(session, account_id)
    if by.id not in (account.id, account.owner) and not by.may(rights.KEYS, EVERYWHERE):
        raise NotFound(f"There is no service account {account_id} that you may see.")
    return await _answer(request, session, account_id)


@router.patch("/service-accounts/{account_id}", response_model=ServiceAccountOut)
async def change_service_account(
    request: Request, account_id: str, wanted: ServiceAccountChange, session: Session, if_match: IfMatch,
    by: KeyKeeper, now: Now,
) -> Response:  # fmt: skip
    """Change who answers for a service account, what it is for, or which source it speaks for."""
    account = await service_accounts.get(session, account_id)
    etags.demand(account, if_match)
    await service_accounts.change(session, account, wanted.model_dump(exclude_unset=True), by=by, now=now)
    return await _answer(request, session, account_id)


@router.post("/service-accounts/{account_id}/deactivate", response_model=ServiceAccountOut)
async def deactivate_service_account(
    request: Request, account_id: str, session: Session, by: KeyKeeper, now: Now
) -> Response:
    """Take a service account out of use: it is denied at once, and its keys stop."""
    account = await service_accounts.get(session, account_id)
    await service_accounts.deactivate(session, account, by=by, now=now)
    return await _answer(request, session, account_id)


@router.post("/service-accounts/{account_id}/reactivate", response_model=ServiceAccountOut)
async def reactivate_service_account(
    request: Request, account_id: str, session: Session, by: KeyKeeper, now: Now
) -> Response:
    """Put a service account into use again, with the keys that were not revoked and have not expired."""
    account = await service_accounts.get(session, account_id)
    await service_accounts.reactivate(session, account, by=by, now=now)
    return await _answer(request, session, account_id)
