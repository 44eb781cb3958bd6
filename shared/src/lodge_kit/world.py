"""What verbs and handlers get their world from: one value, made once by `create_app` or the worker."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

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

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["World"]:
        """Open what must be opened, and close everything at the end."""
        try:
            async with self.outbound, self.queue.open_async():
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
) -> World:
    """Build the world of one service from its settings; nothing is connected yet.

    `directory` makes the service's own view of people; without it access-service is asked through the gateway.
    """
    database = Database(settings.database_url.get_secret_value(), name=name)
    queue = jobs.queue(database.dsn)
    queue.add_tasks_from(tasks, namespace=name)
    key = settings.service_key.get_secret_value() if settings.service_key else None
    return World(
        settings=settings,
        clock=clock,
        database=database,
        outbound=Outbound(settings.outbound_allow),
        sealer=Sealer(settings.sealing_keys.get_secret_value()),
        directory=directory(database, clock) if directory else GatewayDirectory(settings.gateway_url, key),
        queue=queue,
    )


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


Here = Annotated[World, Depends(_world)]
"""The world of the app that serves this request."""

Now = Annotated[datetime, Depends(_now)]
"""The instant of this request, aware, in UTC."""
