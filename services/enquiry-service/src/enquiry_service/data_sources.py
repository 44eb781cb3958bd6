"""Data sources: registered with the name of a secret, proved to be unable to write before anything runs on them."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from enquiry_service import sources
from enquiry_service.settings import Settings
from enquiry_service.settings import of as settings_of
from enquiry_service.sources import Target
from enquiry_service.sources.addresses import require_allowed
from enquiry_service.sources.credentials import read
from enquiry_service.tables import DataSource
from lodge_kit import audit, directory, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, NotFound, Problem, Unavailable
from lodge_kit.world import World

_PROVED = frozenset({"host", "port", "database", "username", "secret_name", "ssl_mode", "allowed_schemas"})
"""What a check speaks of: the same for another of these is another proof."""


class SourceNotProven(Problem):
    """The last check of the source found that its role may write, or there was none."""

    status, code = HTTPStatus.CONFLICT, "source-not-proven"


class SourceAway(Unavailable):
    """The source's server cannot be asked now."""

    code = "source-away"


async def get(session: AsyncSession, source_id: str) -> DataSource:
    """Read a data source. Raises `NotFound`."""
    source = await session.get(DataSource, source_id)
    if source is None:
        raise NotFound(f"There is no data source {source_id}.")
    return source


async def register(
    session: AsyncSession, facts: Mapping[str, Any], *, settings: Settings, by: Caller, now: datetime
) -> DataSource:
    """Register a source on one of the operator's hosts; its password is named, never given. It is not dialled yet."""
    require_allowed(facts["host"], facts["port"], allowed=settings.source_hosts)
    read(settings.source_secrets, facts["secret_name"])
    await directory.remember_caller(session, by, now=now)
    source = DataSource(id=ids.new("src"), owner=by.id, created_at=now, updated_at=now, **facts)
    session.add(source)
    audit.record(session, "source.registered", kind="source", of=source.id, by=by, now=now, name=source.name)
    await session.flush()
    return source


async def change(
    session: AsyncSession,
    source: DataSource,
    facts: Mapping[str, Any],
    *,
    settings: Settings,
    by: Caller,
    now: datetime,
) -> None:
    """Change a source. Another place or role makes the last check worthless: nothing runs until the next one."""
    moved = any(getattr(source, name) != value for name, value in facts.items() if name in _PROVED)
    for name, value in facts.items():
        setattr(source, name, value)
    source.updated_at = now
    if moved:
        require_allowed(source.host, source.port, allowed=settings.source_hosts)
        read(settings.source_secrets, source.secret_name)
        source.checked_at, source.check_findings = None, []
    audit.record(session, "source.changed", kind="source", of=source.id, by=by, now=now, changed=sorted(facts))


def target(source: DataSource, settings: Settings) -> Target:
    """Answer where a source is and who we are there, the secret read anew. Raises `Invalid`."""
    require_allowed(source.host, source.port, allowed=settings.source_hosts)
    return Target.model_validate(
        {
            "adapter": source.adapter,
            "host": source.host,
            "port": source.port,
            "database": source.database,
            "username": source.username,
            "password": read(settings.source_secrets, source.secret_name),
            "ssl_mode": source.ssl_mode,
            "schemas": tuple(source.allowed_schemas),
        }
    )


async def check(session: AsyncSession, source_id: str, *, world: World, by: Caller, now: datetime) -> DataSource:
    """Prove that the role cannot write; what is found is kept with the source.

    The server may take its time: nothing of our database is held meanwhile, `session` is first used afterwards.
    """
    settings = settings_of(world)
    async with world.database.transaction() as reading:
        seen = await get(reading, source_id)
    place = target(seen, settings)
    findings = await asyncio.to_thread(sources.adapter(seen.adapter).check, place)
    source = await get(session, source_id)
    if target(source, settings) != place:
        raise Conflict("The source was changed while it was checked. Check it again.")
    source.check_findings = [one.model_dump() for one in findings]
    source.checked_at, source.updated_at = now, now
    codes = [one.code for one in findings]
    audit.record(session, "source.checked", kind="source", of=source.id, by=by, now=now, findings=codes)
    return source


def demand_proven(source: DataSource) -> None:
    """Refuse to run anything on a source whose role was not proved to be unable to write."""
    if source.checked_at is None:
        raise SourceNotProven("This source was not checked since it was changed. POST to its /check first.")
    blocking = [one["detail"] for one in source.check_findings if one["blocking"]]
    if blocking:
        raise SourceNotProven(f"This source may not be used: {' '.join(blocking)} Mend that and check it again.")
