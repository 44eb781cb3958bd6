"""What verbs and handlers get their world from: one value, made once by `create_app` or the worker."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import procrastinate
from fastapi import Depends, Request

from lodge_kit import jobs
from lodge_kit.clock import Clock
from lodge_kit.database import Database
from lodge_kit.directory import Directory, GatewayDirectory
from lodge_kit.outbound import Outbound
from lodge_kit.sealing import Sealer
from lodge_kit.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class World:
    """The things that a service has one of."""

    settings: ServiceSettings
    clock: Clock
    database: Database
    outbound: Outbound
    sealer: Sealer
    directory: Directory
    queue: procrastinate.App
    own: AbstractAsyncContextManager[Any]
    """What this service alone has, opened and closed with the world."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["World"]:
        """Open what must be opened, and close everything at the end."""
        try:
            async with self.outbound, self.queue.open_async(), self.own:
                yield self
        finally:
            await self.database.close()


def make(
    settings: ServiceSettings,
    *,
    name: str,
    clock: Clock,
    tasks: procrastinate.Blueprint,
    directory: Callable[[Database, Clock], Directory] | None = None,
    own: Callable[[Database, Clock], AbstractAsyncContextManager[Any]] | None = None,
) -> World:
    """Build the world of one service from its settings; nothing is connected yet.

    `directory` makes the service's own view of people; without it access-service is asked through the gateway.
    `own` makes what the service alone has.
    """
    database = Database(settings.database_url.get_secret_value(), name=name)
    queue = jobs.queue(database.dsn, tasks, namespace=name)
    key = settings.service_key.get_secret_value() if settings.service_key else None
    made = World(
        settings=settings,
        clock=clock,
        database=database,
        outbound=Outbound(settings.outbound_allow),
        sealer=Sealer(settings.sealing_keys.get_secret_value()),
        directory=directory(database, clock) if directory else GatewayDirectory(settings.gateway_url, key),
        queue=queue,
        own=own(database, clock) if own else nullcontext(),
    )
    queue.worker_defaults["additional_context"] = {"world": made}
    return made


def of_job(job: procrastinate.JobContext) -> World:
    """Answer the world of the worker that runs this job (a task with `pass_context=True` is given the context)."""
    found: World = job.additional_context["world"]
    return found


async def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


async def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


Here = Annotated[World, Depends(_world)]
"""The world of the app that serves this request."""

Now = Annotated[datetime, Depends(_now)]
"""The instant of this request, aware, in UTC."""


async def _today(here: Here, now: Now) -> date:
    return now.astimezone(here.settings.time_zone).date()


Today = Annotated[date, Depends(_today)]
"""Which day it is at that instant where the institution is."""
