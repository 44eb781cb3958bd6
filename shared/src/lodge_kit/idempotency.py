"""The same POST twice has one effect: `Idempotency-Key`, kept in the business transaction (IETF draft).

The key belongs to the caller and the route. While the first call is under way a second one is told 409; with
another body it is 422; after it, the first answer is given again for a day. An answer that was an error is not
kept: it changed nothing. Fields that are shown once are not kept either: a replay has null there, and says so.
"""

import hashlib
import json
import re
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic.config import JsonDict
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col
from starlette.responses import StreamingResponse

from lodge_kit import database
from lodge_kit.identity import ANONYMOUS, Verifier
from lodge_kit.problems import BadRequest, Conflict, ContentTooLarge, Problem
from lodge_kit.tables import IdempotencyKey

KEPT = timedelta(hours=24)
LARGEST_BODY = 1_000_000
SHOWN_ONCE: JsonDict = {"x-shown-once": True}
"""Put into a field's `json_schema_extra`: the field holds a secret that is never kept."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("location", "etag", "content-type")


class KeyReused(Problem):
    """The key came with another body than the first time."""

    status, code = HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused"


class IdempotentRoute(APIRoute):
    """A route whose POST honours `Idempotency-Key`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler: look the key up first, keep the answer before the transaction commits."""
        handle = super().get_route_handler()
        once = [
            name
            for name, field in getattr(self.response_model, "model_fields", {}).items()
            if field.json_schema_extra == SHOWN_ONCE
        ]

        async def handler(request: Request) -> Response:
            key = request.headers.get("idempotency-key")
            if key is None or request.method != "POST":
                return await handle(request)
            record = await _record(request, key)
            if record is None:
                return await handle(request)
            kept = await _kept(request, record)
            if kept is not None:
                return kept
            response = await handle(request)
            if response.status_code < 400:  # noqa: PLR2004 - anything from 400 on is an error
                await _keep(request, record, response, once)
            return response

        return handler


async def _record(request: Request, key: str) -> IdempotencyKey | None:
    if not _KEY.fullmatch(key):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters; a UUID is a good one.")
    verifier: Verifier = request.app.state.verifier
    caller = await verifier.caller(request.headers.get("authorization"))
    if caller.id == ANONYMOUS:
        return None  # nobody in particular: one stranger must not be given another's answer
    body = await request.body()
    if len(body) > LARGEST_BODY:
        raise ContentTooLarge("A body sent with Idempotency-Key may have 1 MB. Send larger ones without the key.")
    now: datetime = request.app.state.clock()
    return IdempotencyKey(
        caller=caller.id,  # not the client: a portal is the client of many people
        route=f"{request.method} {request.url.path}",
        key=key,
        fingerprint=hashlib.sha256(body).digest(),
        status=0,
        headers={},
        body=b"",
        omitted=[],
        created_at=now,
    )


async def _kept(request: Request, record: IdempotencyKey) -> Response | None:
    session = await database.begin(request)
    name = f"{record.caller} {record.route} {record.key}"
    had = await session.execute(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0))))
    if not had.scalar_one():
        raise Conflict("A call with this Idempotency-Key is under way. Wait a moment and ask again with the same key.")
    found = await session.get(IdempotencyKey, (record.caller, record.route, record.key))
    if found is None:
        return None
    if found.created_at < record.created_at - KEPT:
        await session.delete(found)
        await session.flush()
        return None
    if found.fingerprint != record.fingerprint:
        raise KeyReused("This Idempotency-Key was used with another body. Use a new key for a new request.")
    said = "?1" + "".join(f';omitted="{name}"' for name in found.omitted)
    return Response(found.body, status_code=found.status, headers=found.headers | {"Idempotency-Replayed": said})


async def _keep(request: Request, record: IdempotencyKey, response: Response, once: list[str]) -> None:
    if isinstance(response, StreamingResponse) or not isinstance(response.body, bytes):
        return
    record.status = response.status_code
    record.headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    record.body, record.omitted = response.body, once
    if once:
        record.body = json.dumps(json.loads(response.body) | dict.fromkeys(once)).encode()
    session = await database.begin(request)
    session.add(record)


async def forget(session: AsyncSession, *, now: datetime) -> None:
    """Remove keys older than a day."""
    await session.execute(delete(IdempotencyKey).where(col(IdempotencyKey.created_at) < now - KEPT))
