"""The addresses that other systems are told at: registered, changed, paused, resumed, removed.

An endpoint is its owner's: to others it is not there, unless they look after all of them (`<service>.webhooks`).
"""

import base64
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from yarl import URL

from lodge_kit import audit, database, etags, ids, outbound
from lodge_kit.changes import Change
from lodge_kit.database import Session
from lodge_kit.directory import Reference, remember_caller
from lodge_kit.etags import IfMatch
from lodge_kit.events import CHANNEL, Fact, unknown_patterns
from lodge_kit.idempotency import SHOWN_ONCE, IdempotentRoute
from lodge_kit.identity import EVERYWHERE, Authenticated, Caller, Permission
from lodge_kit.listing import Ask, Listing
from lodge_kit.problems import Invalid, NotFound
from lodge_kit.tables import KnownName, WebhookEndpoint
from lodge_kit.world import Here, Now, World

SECRET_BYTES = 32


def subscription(service: str) -> Permission:
    """Name the right to be told of what happens in `service`."""
    sentence = f"Be told of what happens in {service}-service: webhooks and events."
    return Permission(f"{service}.subscribe", sentence, ("support-officer", "service"))


def oversight(service: str) -> Permission:
    """Name the right to look after the webhooks that others have registered at `service`."""
    return Permission(f"{service}.webhooks", f"See and change everybody's webhooks of {service}-service.")


def rights(service: str) -> tuple[Permission, ...]:
    """Answer the permissions that webhooks add to those of `service`."""
    return subscription(service), oversight(service)


async def _subscriber(request: Request, found: Authenticated) -> Caller:
    # Everywhere: an event belongs to no org unit.
    found.demand(subscription(request.app.state.service.name), EVERYWHERE)
    return found


Subscriber = Annotated[Caller, Depends(_subscriber)]
"""A caller who holds `<service>.subscribe` of the service that is asked."""


async def _whose(request: Request, found: Subscriber) -> str | None:
    return None if found.may(oversight(request.app.state.service.name), EVERYWHERE) else found.id


Whose = Annotated[str | None, Depends(_whose)]
"""Whose endpoints the caller may see and change: his or her own, or with `<service>.webhooks` everybody's (None)."""


class EndpointIn(BaseModel):
    """Where to tell, and of what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2_000, examples=["https://campus.example/hooks/lodge"])
    event_types: list[str] = Field(min_length=1, max_length=50, examples=[["release.published", "grant.*"]])
    description: str = Field("", max_length=500)


class EndpointChange(Change):
    """What may be changed of an endpoint."""

    url: str = Field("", min_length=1, max_length=2_000)
    event_types: list[str] = Field(default=[], min_length=1, max_length=50)
    description: str = Field("", max_length=500)


class Endpoint(BaseModel):
    """An endpoint as its owner sees it."""

    id: str
    etag: str
    url: str
    event_types: list[str]
    description: str
    owner: Reference
    state: Literal["active", "paused", "disabled"]
    failing_since: datetime | None
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


class NewEndpoint(Endpoint):
    """An endpoint just made, with its secret."""

    secret: str | None = Field(
        json_schema_extra=SHOWN_ONCE, description="Verifies what we send (`whsec_…`). Shown once: keep it now."
    )


ENDPOINTS = Listing(
    Endpoint, key=col(WebhookEndpoint.id), orders={"created_at": col(WebhookEndpoint.created_at)}, default="created_at"
)


async def register(
    session: AsyncSession, wanted: EndpointIn, *, by: Caller, world: World, now: datetime
) -> NewEndpoint:
    """Make an endpoint and its secret. Raises `Invalid` for an address that may not be called."""
    await _demand_reachable(world, wanted.url)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    row = WebhookEndpoint(
        id=ids.new("whk"),
        url=wanted.url,
        event_types=wanted.event_types,
        description=wanted.description,
        owner=by.id,
        secret=world.sealer.seal(secret),
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await remember_caller(session, by, now=now)
    audit.record(session, "webhook.registered", kind="webhook", of=row.id, by=by, now=now, origin=_origin(row.url))
    await session.flush()
    return NewEndpoint(**_shown(row, by.name).model_dump(), secret=secret)


async def change(
    session: AsyncSession, row: WebhookEndpoint, wanted: EndpointChange, *, by: Caller, world: World, now: datetime
) -> None:
    """Change what `wanted` names of an endpoint."""
    if "url" in wanted.model_fields_set:
        await _demand_reachable(world, wanted.url)
    for name in wanted.model_fields_set:
        setattr(row, name, getattr(wanted, name))
    row.updated_at = now
    audit.record(session, "webhook.changed", kind="webhook", of=row.id, by=by, now=now)


async def set_state(
    session: AsyncSession, row: WebhookEndpoint, state: Literal["active", "paused"], *, by: Caller, now: datetime
) -> None:
    """Pause an endpoint, or have it catch up: what was kept back, or failed since it last took one, goes out now."""
    row.state, row.updated_at = state, now
    if state == "active":
        await session.execute(_CATCH_UP, {"id": row.id, "since": row.failing_since})
        row.failing_since = row.warned_at = row.disabled_reason = None
        database.wake(session, CHANNEL)
    audit.record(session, f"webhook.{state}", kind="webhook", of=row.id, by=by, now=now)


_CATCH_UP = text(
    "UPDATE delivery SET state = 'pending', due_at = now(), finished_at = NULL WHERE endpoint_id = :id AND"
    " (state = 'pending' OR state IN ('failed', 'dropped') AND finished_at >= CAST(:since AS timestamptz))"
)
# What failed in a stretch of failures before the last success stays failed: nobody expects it any more.


def _origin(url: str) -> str:
    """Answer what of an address may be put on record: path and query are often the receiver's secret."""
    return str(URL(url).origin())


async def _demand_reachable(world: World, url: str) -> None:
    try:
        await world.outbound.check(url)
    except (outbound.Refused, outbound.Failed) as error:
        raise Invalid.at("/url", str(error), "address-refused") from error


def _shown(row: WebhookEndpoint, owner: str | None) -> Endpoint:
    return Endpoint.model_validate(
        row.model_dump(exclude={"owner"}) | {"etag": etags.etag(row), "owner": {"id": row.owner, "name": owner or ""}}
    )


async def _endpoint(session: AsyncSession, endpoint_id: str, whose: str | None) -> WebhookEndpoint:
    row = await session.get(WebhookEndpoint, endpoint_id)
    if row is None or whose not in (None, row.owner):
        raise NotFound(f"There is no webhook endpoint {endpoint_id} that you may see.")
    return row


async def _name(session: AsyncSession, person: str) -> str:
    known = await session.get(KnownName, person)
    return known.name if known else ""


def demand_types(patterns: Iterable[str], facts: Iterable[type[Fact]], *, pointer: str) -> None:
    """Refuse patterns that no event can ever match. Raises `Invalid` at `pointer`."""
    unknown = unknown_patterns(list(patterns), facts)
    if unknown:
        named = ", ".join(f'"{one}"' for one in unknown)
        sentence = f"{named} is no type of event here. event-types lists them; grant.* and * are patterns."
        raise Invalid.at(pointer, sentence, "unknown-event-type")


router = APIRouter(tags=["events"], route_class=IdempotentRoute)


@router.post("/webhooks", status_code=201, response_model=NewEndpoint)
async def create_webhook(
    request: Request, wanted: EndpointIn, session: Session, by: Subscriber,
    world: Here, now: Now,
) -> Response:  # fmt: skip
    """Have another system told. The answer holds the signing secret, once."""
    demand_types(wanted.event_types, request.app.state.service.facts, pointer="/event_types")
    made = await register(session, wanted, by=by, world=world, now=now)
    return etags.answer(request, made, status=201, location=f"{request.url.path}/{made.id}")


@router.get("/webhooks", responses=ENDPOINTS.responses)
async def list_webhooks(
    request: Request, ask: Annotated[Ask, ENDPOINTS.ask], by: Subscriber, whose: Whose, owner: str | None = None
) -> Response:  # fmt: skip
    """List your endpoints; with `<service>.webhooks` everybody's. `owner` may be `me`."""
    found = select(WebhookEndpoint, col(KnownName.name)).outerjoin(
        KnownName, col(KnownName.id) == col(WebhookEndpoint.owner)
    )
    for one in (whose, owner):
        if one:
            found = found.where(col(WebhookEndpoint.owner) == by.named(one))
    return await ENDPOINTS.answer(request, ask, found, lambda r: _shown(r[0], r[1]), filename="webhooks")


@router.get("/webhooks/{endpoint_id}", response_model=Endpoint)
async def get_webhook(request: Request, endpoint_id: str, session: Session, whose: Whose) -> Response:
    """Read one endpoint."""
    row = await _endpoint(session, endpoint_id, whose)
    return etags.answer(request, _shown(row, await _name(session, row.owner)))


@router.patch("/webhooks/{endpoint_id}", response_model=Endpoint)
async def change_webhook(
    request: Request, endpoint_id: str, wanted: EndpointChange, session: Session, if_match: IfMatch,
    by: Subscriber, whose: Whose, world: Here, now: Now,
) -> Response:  # fmt: skip
    """Change an endpoint's address, event types or description (RFC 7396)."""
    row = await _endpoint(session, endpoint_id, whose)
    etags.demand(row, if_match)
    demand_types(wanted.event_types, request.app.state.service.facts, pointer="/event_types")
    await change(session, row, wanted, by=by, world=world, now=now)
    await session.flush()
    return etags.answer(request, _shown(row, await _name(session, row.owner)))


@router.delete("/webhooks/{endpoint_id}", status_code=204)
async def delete_webhook(
    endpoint_id: str, session: Session, if_match: IfMatch, by: Subscriber, whose: Whose, now: Now
) -> None:
    """Remove an endpoint with its deliveries."""
    row = await _endpoint(session, endpoint_id, whose)
    etags.demand(row, if_match)
    await session.delete(row)
    audit.record(session, "webhook.removed", kind="webhook", of=row.id, by=by, now=now, origin=_origin(row.url))


@router.post("/webhooks/{endpoint_id}/pause", response_model=Endpoint)
async def pause_webhook(
    request: Request, endpoint_id: str, session: Session, by: Subscriber, whose: Whose, now: Now
) -> Response:
    """Pause an endpoint: what happens is kept back for it."""
    row = await _endpoint(session, endpoint_id, whose)
    await set_state(session, row, "paused", by=by, now=now)
    await session.flush()
    return etags.answer(request, _shown(row, await _name(session, row.owner)))


@router.post("/webhooks/{endpoint_id}/resume", response_model=Endpoint)
async def resume_webhook(
    request: Request, endpoint_id: str, session: Session, by: Subscriber, whose: Whose, now: Now
) -> Response:
    """Resume an endpoint: what was kept back, or failed, is then sent."""
    row = await _endpoint(session, endpoint_id, whose)
    await set_state(session, row, "active", by=by, now=now)
    await session.flush()
    return etags.answer(request, _shown(row, await _name(session, row.owner)))
