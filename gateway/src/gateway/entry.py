"""The gate itself: one ASGI app before FastAPI, which costs more than forwarding does.

Guard → route → who calls → forward, top to bottom; what the gateway answers by itself goes on to its own app.
"""

import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import guard, headers, refusals
from gateway.authentication import Authentication
from gateway.callers import Entry
from gateway.forwarding import Aborted, Exchange, forward
from gateway.metrics import Metrics
from gateway.openapi import Documents
from gateway.routing import PublicPaths, Route, Routes
from gateway.settings import Config
from gateway.upstream import Upstream, UpstreamAway, UpstreamBroken, UpstreamSlow
from lodge_kit import context, logs
from lodge_kit.access_log import AccessLog
from lodge_kit.context import Cause
from lodge_kit.problems import BadRequest, InternalError, NotFound, Problem

TARGET = "lodge.target"
"""Where the server leaves the request line's target in the scope."""
_UPSTREAM = (UpstreamAway, UpstreamBroken, UpstreamSlow)
_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'"
)
# Our own pages load nothing from elsewhere; the browser sees to it.
_PAGE_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
)
_log = logs.logger("gateway.entry")


@dataclass(frozen=True, slots=True)
class Running:
    """What exists only while the gateway runs, within its loop."""

    authentication: Authentication
    upstream: Upstream
    documents: Documents
    admin_port: int


_LEFT = {"left": True}
"""The caller did not wait for the end."""


class Gate:
    """The ASGI app."""

    def __init__(self, own: ASGIApp, config: Config, routes: Routes, metrics: Metrics, log: AccessLog) -> None:
        self._own = own
        self._routes = routes
        self._public = PublicPaths(config.public)
        self._longest = config.limits.target
        self._trusted = config.trusted_hops
        self._metrics = metrics
        self._log = log
        self.running: Running | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._own(scope, receive, send)
            return
        started = time.perf_counter()
        received = headers.read(scope["headers"])
        cause = context.cause(received.text(b"x-request-id"), received.text(b"traceparent"))
        exchange = Exchange(scope, receive, send, received, cause.request_id.encode())
        with context.entered(cause):
            try:
                await self._answer(exchange, cause)
            except Aborted as aborted:
                self._count(exchange, aborted.__cause__)
                _log.warning("an answer was cut off", reason=str(aborted), service=exchange.service)
            except Problem as problem:
                await self._refuse(exchange, problem)
            except Exception:  # noqa: BLE001 - the last resort: one request fails, not the gate
                _log.exception("the gateway failed")
                await self._refuse(exchange, InternalError("Something went wrong on our side."))
            finally:
                self._record(exchange, cause, time.perf_counter() - started)

    async def _answer(self, exchange: Exchange, cause: Cause) -> None:
        scope = exchange.scope
        raw_path: bytes = scope["raw_path"]
        objection = guard.objection(
            method=scope["method"],
            version=scope["http_version"],
            raw_path=raw_path,
            query=scope["query_string"],
            received=exchange.received,
            target=scope.get(TARGET),
            longest=self._longest,
        )
        if objection is not None:
            raise BadRequest(objection)
        route = self._routes.find(raw_path)
        if route is None:
            raise NotFound("There is nothing at this path. See /docs for what there is.")
        exchange.route, exchange.service, exchange.errors = route.prefix.decode(), route.service, route.errors
        running = self.running
        if running is None:
            raise UpstreamAway("the gateway")
        if raw_path in self._public:
            caller = running.authentication.anonymous()
        else:
            caller = await running.authentication.caller(exchange.received.taken.get(b"authorization"))
            exchange.caller, exchange.client = caller.caller.id, caller.caller.client_id
        if route.own:
            await self._own(scope, exchange.receive, _echoing(exchange))
        else:
            await self._forward(exchange, running, route, caller, cause)

    async def _forward(self, exchange: Exchange, running: Running, route: Route, caller: Entry, cause: Cause) -> None:
        scope = exchange.scope
        client = scope.get("client")
        hop = headers.hop(exchange.received, client[0] if client else "unknown", scope["scheme"], self._trusted)
        exchange.address = hop.address
        ours = hop.headers()
        ours.append((b"authorization", caller.bearer(route.service)))
        ours.append((b"x-request-id", exchange.request_id))
        ours.append((b"traceparent", cause.traceparent.encode()))
        permissions = caller.permissions(route.service)

        async def still_allowed() -> bool:
            """Ask again for a long answer: a caller who lost rights must come back with those that are left."""
            if caller.caller.id == "anonymous":
                return True
            try:
                found = await running.authentication.caller(exchange.received.taken.get(b"authorization"))
            except Problem:
                return False
            return found.permissions(route.service) == permissions

        await forward(
            exchange, running.upstream, service=route.service, url=route.url, headers=ours, still_allowed=still_allowed
        )

    async def _refuse(self, exchange: Exchange, problem: Problem) -> None:
        self._count(exchange, problem)
        if exchange.status:
            return  # begun: the server closes the connection, which is all that can be said
        path = exchange.scope["raw_path"].decode("ascii", "replace")
        answer = refusals.answer(problem, instance=path, shape=exchange.errors)
        await answer(exchange.scope, exchange.receive, _echoing(exchange))

    def _count(self, exchange: Exchange, error: BaseException | None) -> None:
        if isinstance(error, _UPSTREAM):
            self._metrics.upstream_error(exchange.service, error.code)

    def _record(self, exchange: Exchange, cause: Cause, seconds: float) -> None:
        scope = exchange.scope
        status = exchange.status or 499  # the caller left before an answer; nginx's number for it
        self._metrics.record(exchange.route, scope["method"], status, seconds)
        client = scope.get("client")
        facts = {
            "method": scope["method"],
            "path": scope["raw_path"].decode("ascii", "replace"),
            "status": status,
            "ms": round(seconds * 1000, 2),
            "bytes": exchange.bytes_sent,
            "service": exchange.service,
            "caller": exchange.caller,
            "client": exchange.client,
            "address": exchange.address or (client[0] if client else ""),
        }
        self._log.record(cause, facts | _LEFT if exchange.left else facts)


def _echoing(exchange: Exchange) -> Send:
    """Wrap `send` for answers of our own: the request id goes back, status and size are taken down."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            ours = (*_PAGE_HEADERS, (b"x-request-id", exchange.request_id))
            message["headers"] = [*message.get("headers", []), *ours]
        else:
            exchange.bytes_sent += len(message.get("body", b""))
        await exchange.send(message)

    return send
