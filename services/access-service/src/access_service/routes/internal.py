"""/internal/v1: what the gateway and the services ask access-service. The gateway routes nothing to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, Self

import psycopg
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import StreamingResponse

from access_service import callers, freshness
from access_service.callers import Resolved
from lodge_kit.database import CONNECT_WAIT, Session
from lodge_kit.identity import AnyCaller, Caller, Verifier
from lodge_kit.problems import Forbidden, NotAuthenticated
from lodge_kit.world import Here, Now, World

router = APIRouter()

PING = 1.0
"""Seconds between signs of life on the stream of changes."""


async def _gateway(found: AnyCaller) -> Caller:
    if found.id != "gateway":
        raise Forbidden("Only the gateway asks this.")
    return found


Gateway = Annotated[Caller, Depends(_gateway)]


class Credential(BaseModel):
    """What a caller showed: the SHA-256 of a key, or whom an OpenID provider vouches for."""

    model_config = ConfigDict(extra="forbid")

    key_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    issuer: str | None = None
    external_id: str | None = Field(default=None, min_length=1)
    client_id: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.key_sha256 is None) == (self.external_id is None):
            raise ValueError("send either key_sha256 or external_id")
        return self


class CallerOut(BaseModel):
    """The caller with all rights in Lodge."""

    id: str
    name: str
    client_id: str | None
    actor: str | None = None
    permissions: dict[str, dict[str, Literal["*"] | list[str]]]

    @classmethod
    def of(cls, found: Resolved) -> "CallerOut":
        """Write scopes as lists."""
        permissions = {
            service: {name: "*" if scope == "*" else sorted(scope) for name, scope in held.items()}
            for service, held in found.permissions.items()
        }
        return cls(id=found.id, name=found.name, client_id=found.client_id, permissions=permissions)


@router.post("/callers/resolve")
async def resolve_caller(shown: Credential, session: Session, _by: Gateway, now: Now) -> CallerOut:
    """Say whose credential it is and what that one may do."""
    if shown.key_sha256:
        return CallerOut.of(await callers.by_key(session, bytes.fromhex(shown.key_sha256), now=now))
    assert shown.external_id is not None  # noqa: S101 - one of both is there
    found = await callers.by_external_id(session, shown.external_id, client_id=shown.client_id, now=now)
    return CallerOut.of(found)


@router.get("/callers/permissions")
async def permissions_of_token(request: Request, session: Session, now: Now) -> dict[str, Any]:
    """Say what the subject of a token of the gateway may do in the service that the token is for.

    A token whose permissions would be too long says `permissions_ref` in their place; the service asks here with
    that very token, so nobody learns more than the token would have said.
    """
    token = request.headers.get("authorization")
    for audience in ("enquiry", "release", "access"):
        verifier: Verifier = request.app.state.verifier.for_audience(audience)
        try:
            found = await verifier.caller(token)
        except NotAuthenticated:
            continue
        held = await callers.by_id(session, found.id, client_id=found.client_id, now=now)
        return {"permissions": CallerOut.of(held).permissions.get(audience, {})}
    raise NotAuthenticated("This needs a token of the gateway.", error="invalid_token")


@router.get("/changes")
async def stream_changes(request: Request, here: Here, _by: Gateway) -> StreamingResponse:
    """Tell the gateway, line by line, whose rights it must ask for anew."""
    return StreamingResponse(_changes(here, request.app.state.closing), media_type="application/x-ndjson")


async def _changes(world: World, closing: asyncio.Event) -> AsyncIterator[str]:
    direct = world.settings.listen_url.get_secret_value() if world.settings.listen_url else world.database.dsn
    async with await psycopg.AsyncConnection.connect(
        direct, autocommit=True, connect_timeout=CONNECT_WAIT
    ) as connection:
        await connection.execute(f"LISTEN {freshness.CHANNEL}")
        yield _line(ping=True)
        while not closing.is_set():
            dropped = [notice.payload async for notice in connection.notifies(timeout=PING, stop_after=1)]
            if not dropped:
                yield _line(ping=True)
            elif freshness.EVERYBODY in dropped:
                yield _line(drop=freshness.EVERYBODY)
            else:
                yield _line(drop=dropped)


def _line(**facts: Any) -> str:
    return json.dumps(facts) + "\n"
