"""Data sources: registered with the name of a secret, proved to be unable to write before anything runs on them."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from enquiry_service import sources
from enquiry_service.settings import Settings
from enquiry_service.sources import Finding, Target
from enquiry_service.sources.addresses import require_allowed
from enquiry_service.sources.credentials import read
from enquiry_service.tables import DataSource
from lodge_kit import audit, directory, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import NotFound, Problem


class SourceNotProven(Problem):
    """The last check of the source found that its role may write, or there was none."""

    status, code = HTTPStatus.CONFLICT, "source-not-proven"


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
    for name, value in facts.items():
        setattr(source, name, value)
    require_allowed(source.host, source.port, allowed=settings.source_hosts)
    read(settings.source_secrets, source.secret_name)
    source.checked_at, source.check_findings, source.updated_at = None, [], now
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


async def check(
    session: AsyncSession, source: DataSource, *, settings: Settings, by: Caller, now: datetime
) -> list[Finding]:
    """Prove that the role cannot write; what is found is kept with the source."""
    place = target(source, settings)
    adapter = sources.adapter(source.adapter)
    try:
        findings = await asyncio.to_thread(adapter.check, place)
    except sources.SourceError as error:
        findings = [Finding(code="unreachable", detail=str(error), blocking=True)]
    source.check_findings = [one.model_dump() for one in findings]
    source.checked_at, source.updated_at = now, now
    audit.record(
        session, "source.checked", kind="source", of=source.id, by=by, now=now, findings=[one.code for one in findings]
    )
    return findings


def demand_proven(source: DataSource) -> None:
    """Refuse to run anything on a source whose role was not proved to be unable to write."""
    if source.checked_at is None:
        raise SourceNotProven("This source was not checked since it was changed. POST to its /check first.")
    blocking = [one["detail"] for one in source.check_findings if one["blocking"]]
    if blocking:
        raise SourceNotProven(f"This source may not be used: {' '.join(blocking)} Mend that and check it again.")
