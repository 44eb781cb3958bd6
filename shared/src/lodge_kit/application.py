"""How a service's app is put together: the same edge for all three, and their own routes between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from fastapi import APIRouter, Depends, FastAPI, Response
from sqlalchemy import text
from starlette.types import ASGIApp, Receive, Scope, Send

from lodge_kit import events, notices, problems, webhooks
from lodge_kit.audit import routes as audit
from lodge_kit.edge import Account, Edge, handle_errors, known_parameters
from lodge_kit.identity import Keys, Permission, PublishedKeys, Verifier, caller
from lodge_kit.metrics import CONTENT_TYPE
from lodge_kit.world import World

LARGEST_BODY = 2_000_000
"""Bytes of a JSON body; routes that take files say so themselves."""
_PEER_WAIT = aiohttp.ClientTimeout(total=3)

_PROBLEM_SCHEMA = {"schema": {"$ref": "#/components/schemas/Problem"}}
_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"description": phrase, "content": {problems.MEDIA_TYPE: _PROBLEM_SCHEMA}}
    for status, phrase in {
        400: "Malformed JSON, an unknown query parameter, or one that came twice.",
        401: "No credential, or one that does not verify.",
        403: "The right is missing; the detail names the permission.",
        404: "Nothing there that you may see.",
        409: "The state of the thing does not allow it.",
        412: "The etag is stale.",
        415: "The body is not JSON by its Content-Type.",
        422: "Values that are wrong, each with its pointer.",
        428: "If-Match is missing.",
        503: "Something that this depends on is away; Retry-After says when to ask again.",
    }.items()
}


RawHeaders = Sequence[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case."""
PromptAnswer = Callable[[RawHeaders, bytes], tuple[str, bytes] | None]
"""Given a request's headers and its whole body, answers the request's id and the JSON of a 200, or None."""


class Front(Protocol):
    """What lies before the routes of a service (pure ASGI): it accounts itself for what it answers."""

    @property
    def prompt(self) -> Mapping[bytes, PromptAnswer]:
        """What answers a POST to a target at once, without a wait; where it has no answer, the request is served."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""


@dataclass(frozen=True)
class Service:
    """What makes one service different from the others at its edge."""

    name: str
    """access, enquiry, release: the audience of its tokens and the first segment of its paths."""
    title: str
    description: str
    permissions: Sequence[Permission]
    facts: Sequence[type[events.Fact]]
    routers: Sequence[APIRouter]
    internal: Sequence[APIRouter] = field(default=())
    """Routers under /internal/v1, which the gateway never routes to."""
    rooted: Sequence[APIRouter] = field(default=())
    """Routers whose whole paths a standard says, as /.well-known/authzen-configuration."""
    front: "Callable[[App, ASGIApp], Front] | None" = None
    """Given the app and its routes, answers what lies before them: for what no framework answers fast enough."""


class App(FastAPI):
    """FastAPI, and what lies before it."""

    front: Front | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (self.front or super().__call__)(scope, receive, send)


def assemble(service: Service, world: World, *, keys: Keys | None = None) -> App:
    """Make the app. `keys` verify the gateway's tokens; where none are given, the gateway is asked for them."""

    @asynccontextmanager
    async def opened(_app: FastAPI) -> AsyncIterator[None]:
        async with world.opened():
            yield
        account.lines.flush()

    app = App(
        title=service.title,
        description=service.description,
        version="1",
        lifespan=opened,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would name this service's own address, or whatever Host says
        generate_unique_id_function=lambda route: f"{service.name}_{route.name}",
    )
    app.state.closing = asyncio.Event()  # set when the server is told to stop: endless answers end then
    app.state.service = service
    app.state.world = world
    app.state.clock = world.clock
    app.state.database = world.database
    app.state.verifier = Verifier(
        keys or PublishedKeys(_gateway_keys(world.settings.gateway_url)),
        audience=service.name,
        resolve=_permissions_from(world.settings.access_url),
    )
    known = Depends(known_parameters)
    account = app.state.account = Account(f"{service.name}-serve", form=world.settings.log_format)
    for router in (*service.routers, *webhooks.ROUTERS, notices.router, audit.router):
        # The limit stands here and not at the app: there it lies around the Edge, and answers in plain text.
        # Who calls is asked first of all, also where a route forgets to: public ones have the anonymous caller.
        app.include_router(
            router,
            prefix=f"/{service.name}/v1",
            responses=_DOCUMENTED,
            max_body_size=LARGEST_BODY,
            dependencies=[Depends(caller), known],
        )
    for router in service.rooted:
        app.include_router(
            router,
            responses=_DOCUMENTED,
            max_body_size=LARGEST_BODY,
            dependencies=[Depends(caller), known],
        )
    for router in service.internal:
        app.include_router(
            router, prefix="/internal/v1", include_in_schema=False, max_body_size=LARGEST_BODY, dependencies=[known]
        )
    app.include_router(_operations(service, world, account), include_in_schema=False, dependencies=[known])
    events.describe(app, service.facts, service=service.name)
    handle_errors(app)
    app.add_middleware(Edge, account=account)
    if service.front is not None:
        app.front = service.front(app, super(App, app).__call__)
    _document(app)
    return app


def _operations(service: Service, world: World, account: Account) -> APIRouter:
    """Make what a service itself leaves open: its health, its numbers, the catalogue of its permissions."""
    router = APIRouter()
    rights = (*service.permissions, *webhooks.endpoints.rights(service.name), audit.reading(service.name))

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> dict[str, str]:
        async with world.database.autocommit.connect() as connection:
            await connection.execute(text("SELECT 1"))
        return {"status": "ready"}

    @router.get("/metrics")
    async def numbers() -> Response:
        return Response(account.text(), media_type=CONTENT_TYPE)

    @router.get("/internal/v1/permissions")
    async def permissions() -> dict[str, list[dict[str, Any]]]:
        return {"items": [{"name": p.name, "description": p.description, "roles": p.roles} for p in rights]}

    return router


def _gateway_keys(gateway_url: str) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    async def fetch() -> Mapping[str, Any]:
        return await _asked_of_peer("GET", f"{gateway_url}/.well-known/jwks.json")

    return fetch


def _permissions_from(access_url: str) -> Callable[[str], Awaitable[Mapping[str, Any]]]:
    async def resolve(token: str) -> Mapping[str, Any]:
        found = await _asked_of_peer("GET", f"{access_url}/internal/v1/callers/permissions", bearer=token)
        permissions: Mapping[str, Any] = found["permissions"]
        return permissions

    return resolve


async def _asked_of_peer(method: str, url: str, *, bearer: str | None = None) -> Mapping[str, Any]:
    """Ask a part of Lodge itself. Its address is a setting and never a caller's, so the outbound guard is not due."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        async with (
            aiohttp.ClientSession(timeout=_PEER_WAIT, headers=headers) as session,
            session.request(method, url) as answer,
        ):
            answer.raise_for_status()
            found: Mapping[str, Any] = await answer.json()
            return found
    except (aiohttp.ClientError, TimeoutError) as error:
        raise problems.Unavailable("Another part of Lodge does not answer. Try again in a moment.") from error


def _document(app: FastAPI) -> None:
    """Have the OpenAPI document name the problem's shape and the two credentials, once."""
    plain = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            written = plain()
            schemas = written.setdefault("components", {}).setdefault("schemas", {})
            shape = problems.ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= shape.pop("$defs", {}) | {"Problem": shape}
            written["components"]["securitySchemes"] = {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key of Lodge (lodge_…), or a token of your institution's OpenID provider.",
                }
            }
            written["security"] = [{"bearer": []}]
        found: dict[str, Any] = app.openapi_schema or {}
        return found

    app.openapi = document  # type: ignore[method-assign]  # FastAPI documents this way of extending the document
