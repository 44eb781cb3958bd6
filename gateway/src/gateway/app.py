"""The only wiring: settings in, ASGI app out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from gateway import openapi
from gateway.access import AccessService
from gateway.authentication import Authentication
from gateway.callers import Callers
from gateway.changes import Readiness, find, follow, sweep
from gateway.entry import Gate, Running
from gateway.issuers import Issuers, fetcher
from gateway.metrics import AdminServer, Metrics
from gateway.pages import pages
from gateway.routing import PublicPaths, Routes
from gateway.settings import Config, GatewaySettings
from gateway.signing import Signer, read_keys
from gateway.upstream import AiohttpUpstream
from lodge_kit.access_log import AccessLog
from lodge_kit.clock import Clock, system_clock
from lodge_kit.outbound import Outbound
from lodge_kit.problems import Unavailable


def create_app(
    settings: GatewaySettings, *, clock: Clock = system_clock, monotonic: Callable[[], float] = time.monotonic
) -> Gate:
    """Make the gateway. `clock` is for what tokens say, `monotonic` (seconds) for how long things are remembered."""
    config = settings.read_config()
    services = settings.services(config)
    routes, public = Routes(config.routes, services), PublicPaths(config.public)
    signer = Signer(read_keys(settings.signing_key.get_secret_value()), clock)
    readiness, metrics, log = (
        Readiness(),
        Metrics(),
        AccessLog("gateway", form=settings.log_format, logger="gateway.entry"),
    )

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            gate.running = await _start(stack, settings, config, signer, readiness, metrics, log, clock, monotonic)
            yield
            gate.running = None

    async def document(own: dict[str, Any]) -> dict[str, Any]:
        if gate.running is None:
            raise Unavailable("The gateway is stopping.")
        found, stale = await gate.running.documents.read()
        whole = openapi.merged(own, found, routes=routes, public=public)
        return whole | {"x-stale": stale} if stale else whole

    own = pages(
        version=version("lodge-gateway"),
        lifespan=lifespan,
        document=document,
        missing=readiness.missing,
        keys=signer.published,
    )
    gate = Gate(own, config, routes, metrics, log)
    return gate


async def _start(
    stack: AsyncExitStack,
    settings: GatewaySettings,
    config: Config,
    signer: Signer,
    readiness: Readiness,
    metrics: Metrics,
    log: AccessLog,
    clock: Clock,
    monotonic: Callable[[], float],
) -> Running:
    """Start what needs a loop; `stack` ends it, last first."""
    services = settings.services(config)
    stack.callback(log.flush)
    admin = AdminServer(metrics)
    stack.push_async_callback(admin.close)
    await admin.open(settings.port + 4 if settings.admin_port is None else settings.admin_port)
    access = AccessService(services["access"], signer)
    stack.push_async_callback(access.close)
    callers = Callers(access, signer, clock, monotonic, most=config.limits.callers)
    stack.push_async_callback(callers.close)
    metrics.watch_cache(callers.counts)
    outbound = await stack.enter_async_context(Outbound(settings.outbound_allow))
    issuers = Issuers(config.issuers, fetcher(outbound), clock, monotonic)
    upstream = AiohttpUpstream(connect=config.limits.connect, read=config.limits.read)
    stack.push_async_callback(upstream.close)
    documents = openapi.Documents({name: services[name] for name in _routed(config)}, monotonic)
    stack.push_async_callback(documents.close)
    for work in (find(access, readiness), follow(access, callers, metrics), sweep(callers)):
        stack.push_async_callback(_ended, asyncio.create_task(work))
    return Running(Authentication(callers, issuers, clock, monotonic), upstream, documents, admin.port)


def _routed(config: Config) -> list[str]:
    return list(dict.fromkeys(route.service for route in config.routes))


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})
