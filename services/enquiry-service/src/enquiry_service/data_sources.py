"""Data sources: registered with the name of a secret, proved to be unable to write before anything runs on them."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from enquiry_service import sources
from enquiry_service.settings import Settings
from enquiry_service.settings import of as settings_of
from enquiry_service.sources.addresses import require_allowed
from enquiry_service.sources.credentials import read
from enquiry_service.sources.files import require_inside
from enquiry_service.sources.targets import Target
from enquiry_service.tables import DataSource
from lodge_kit import audit, directory, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem, Unavailable
from lodge_kit.world import World

_PROVED = frozenset({"host", "port", "database", "username", "secret_name", "ssl_mode", "allowed_schemas"})
"""What a check speaks of: the same for another of these is another proof."""
_OF_SERVERS = frozenset({"host", "port", "username", "secret_name"})

_TARGET: TypeAdapter[Target] = TypeAdapter(Target)


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
    """Register a source on one of the operator's hosts, or a file in the operator's folder; it is not dialled yet.

    A password is named, never given. Raises `Invalid`.
    """
    source = DataSource(id=ids.new("src"), owner=by.id, created_at=now, updated_at=now, **facts)
    target(source, settings)
    await directory.remember_caller(session, by, now=now)
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
    of_servers = sorted(_OF_SERVERS.intersection(facts))
    if source.host is None and of_servers:
        raise Invalid.at(f"/{of_servers[0]}", f"This source is a file, which has no {of_servers[0]}.", "of-a-server")
    moved = any(getattr(source, name) != value for name, value in facts.items() if name in _PROVED)
    for name, value in facts.items():
        setattr(source, name, value)
    source.updated_at = now
    if moved:
        target(source, settings)
        source.checked_at, source.check_findings = None, []
    audit.record(session, "source.changed", kind="source", of=source.id, by=by, now=now, changed=sorted(facts))


def target(source: DataSource, settings: Settings) -> Target:
    """Answer where a source is and who we are there, the secret read anew. Raises `Invalid`."""
    where: dict[str, Any] = {"adapter": source.adapter, "schemas": tuple(source.allowed_schemas)}
    if source.host is None or source.port is None or source.secret_name is None:
        where["path"] = str(require_inside(settings.source_files, source.database))
    else:
        require_allowed(source.host, source.port, allowed=settings.source_hosts)
        where |= {name: getattr(source, name) for name in ("host", "port", "database", "username", "ssl_mode")}
        where["password"] = read(settings.source_secrets, source.secret_name)
    return _TARGET.validate_python(where)


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
