"""/scim/v2: one ASGI app within the service's own, since every answer here, failures too, is in SCIM's schema.

Every request has one transaction, committed before the answer leaves. The rules of Lodge's own API, 428 and the
refusal of unknown parameters among them, do not reach here.
"""

import hashlib
from urllib.parse import parse_qsl

from fastapi import FastAPI
from scim2_models import InvalidSyntaxException, PayloadTooLargeException
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.routing import Operation
from starlette.datastructures import Headers
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from access_service.scim.handling import Handler
from access_service.scim.protocol import Protocol
from access_service.scim.provider import LARGEST_BODY
from access_service.scim.storage import Storage
from access_service.settings import Settings
from lodge_kit.identity import ANONYMOUS, Caller, Verifier
from lodge_kit.problems import NotAuthenticated
from lodge_kit.world import World

PREFIX = "/scim/v2"
_READING = frozenset(("GET", "HEAD"))


class Endpoint:
    """Reads a request, serves it in one transaction, and writes the answer."""

    path = PREFIX

    def __init__(self, world: World, verifier: Verifier) -> None:
        """Take the world; addresses in answers begin with its settings' public URL, whatever a caller's Host says."""
        assert isinstance(world.settings, Settings)  # noqa: S101 - this service's own world
        self._world = world
        self._verifier = verifier
        self._base_url = world.settings.public_url.rstrip("/") + PREFIX
        secret = hashlib.sha256(b"scim cursors " + world.settings.sealing_keys.get_secret_value().encode())
        self.protocol = Protocol(secret.hexdigest())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        scope["route"] = self  # what the request is counted under
        request = ScimRequest(scope["method"], self._base_url, scope["path"].removeprefix(PREFIX) or "/")
        try:
            caller = await self._caller(scope)
            await self._read(request, scope, receive)
            request.subject = caller
            response = await self._serve(request)
        except Exception as error:  # noqa: BLE001 - the last resort: SCIM's own schema for whatever it is
            response = self.protocol.error_response(error)
        response.headers.setdefault("Cache-Control", "no-cache")
        await ASGIApplication.send_response(response, send)

    async def _caller(self, scope: Scope) -> Caller:
        caller = await self._verifier.caller(Headers(scope=scope).get("authorization"))
        scope.setdefault("state", {})["caller"] = caller
        return caller

    async def _read(self, request: ScimRequest, scope: Scope, receive: Receive) -> None:
        try:
            request.query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        except ValueError as error:
            raise InvalidSyntaxException(detail="The query is no UTF-8.") from error
        request.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        limit = self.protocol.max_body_size(request) or 0
        pieces, size, more = [], 0, True
        while more and size <= limit:
            message = await receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            more = message.get("more_body", False)
        if size > LARGEST_BODY:
            raise PayloadTooLargeException(detail=f"A body may have {LARGEST_BODY} bytes.")
        request.body = b"".join(pieces)

    async def _serve(self, request: ScimRequest) -> ScimResponse:
        target = self.protocol.match(request)
        caller: Caller = request.subject
        if caller.id == ANONYMOUS and target.operation is not Operation.service_provider_config:
            raise NotAuthenticated("This needs a credential: send an API key or a token of your institution.")
        async with self._world.database.transaction() as session:
            writing = request.method not in _READING and target.operation is not Operation.search_with_body
            now = self._world.clock()
            today = now.astimezone(self._world.settings.time_zone).date()
            storage = Storage(session, caller, now, today, writing)
            return await Handler(self.protocol, storage).handle(request)


def mount(app: FastAPI, world: World, verifier: Verifier) -> None:
    """Have the app answer at /scim/v2 and below."""
    endpoint = Endpoint(world, verifier)
    app.router.routes.extend([Route(PREFIX, endpoint), Mount(PREFIX, endpoint)])
