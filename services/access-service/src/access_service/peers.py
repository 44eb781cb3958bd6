"""The worker's round to the other services: which permissions they have, so that roles can be made of them."""

import asyncio

import aiohttp
from pydantic import BaseModel

from access_service import bootstrap, rights
from access_service.settings import Settings
from lodge_kit import logs
from lodge_kit.audit import routes as audit
from lodge_kit.identity import Permission
from lodge_kit.webhooks import endpoints
from lodge_kit.world import World

log = logs.logger(__name__)

EVERY = 60
UNTIL_FOUND = 1
_WAIT = aiohttp.ClientTimeout(total=5)


class _Known(BaseModel):
    name: str
    description: str
    roles: list[str] = []


class _Catalogue(BaseModel):
    items: list[_Known]


async def learn_permissions(world: World) -> None:
    """Ask every service for its permissions each minute; sooner as long as one has never answered."""
    assert isinstance(world.settings, Settings)  # noqa: S101 - this service's own world
    unanswered = {"enquiry": world.settings.enquiry_url, "release": world.settings.release_url}
    peers = dict(unanswered)
    async with world.database.transaction() as session:
        own = (*rights.ALL, *endpoints.rights("access"), audit.reading("access"))
        await bootstrap.take_over(session, own, now=world.clock())
    while True:
        for name, url in peers.items():
            found = await _permissions(name, url)
            if found is not None:
                unanswered.pop(name, None)
                async with world.database.transaction() as session:
                    added = await bootstrap.take_over(session, found, now=world.clock())
                if added:
                    log.info("permissions of a service were added", service=name, added=added)
        await asyncio.sleep(UNTIL_FOUND if unanswered else EVERY)


async def _permissions(name: str, url: str) -> list[Permission] | None:
    try:
        async with (
            aiohttp.ClientSession(timeout=_WAIT) as session,
            session.get(f"{url}/internal/v1/permissions") as answer,
        ):
            answer.raise_for_status()
            found = _Catalogue.model_validate(await answer.json())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        log.info("a service does not tell its permissions yet", service=name, reason=type(error).__name__)
        return None
    # A service names permissions of its own only: it cannot put words into another's mouth.
    return [
        Permission(one.name, one.description, tuple(one.roles))
        for one in found.items
        if one.name.startswith(f"{name}.")
    ]
