"""A document taken in: what its comparison with the catalogue has found, done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import past
from access_service.catalogue import exchange, permissions, roles
from access_service.catalogue.comparison import Comparison, Difference
from access_service.catalogue.document import RoleEntry
from access_service.catalogue.exchange import Catalogue
from access_service.tables import Person, Role
from lodge_kit import audit
from lodge_kit.identity import Caller

_WRITTEN_AT_ONCE = 200
_LINKS = {"permissions": past.CONTAINS, "inherits": past.INHERITS}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the names in a document stand for."""

    permissions: dict[str, str]
    """Ids."""
    roles: dict[str, str]
    owners: Mapping[str, Person]

    def inside(self, field: str, names: Sequence[str]) -> list[str]:
        """Answer the ids of what a role contains, or inherits from."""
        ids = self.permissions if field == "permissions" else self.roles
        return [ids[name] for name in names]

    def columns(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the columns of a role for its fields in a document, its links aside."""
        columns = {name: value for name, value in facts.items() if name not in _LINKS}
        if columns.get("owner"):
            columns["owner"] = self.owners[columns["owner"]].id
        return columns


async def apply(session: AsyncSession, catalogue: Catalogue, found: Comparison, *, by: Caller, now: datetime) -> None:
    """Do what the comparison says. The catalogue was read while its system was held, so that it is still so."""
    known = _Known(
        {name: one.id for name, one in catalogue.permissions.items()},
        {name: one.id for name, one in catalogue.roles.items()},
        await exchange.people(session, (one.entry.owner for one in found.roles if isinstance(one.entry, RoleEntry))),
    )
    every = (*found.permissions, *found.roles)
    added = sum(one.what == "added" for one in every)
    await _add(session, catalogue, found, known, by=by, now=now)
    await _change(session, catalogue, found, known, by=by, now=now)
    audit.record(
        session, "catalogue.imported", kind="system", of=catalogue.system.id, by=by, now=now, added=added,
        changed=len(every) - added,
    )  # fmt: skip


async def _add(
    session: AsyncSession, catalogue: Catalogue, found: Comparison, known: _Known, *, by: Caller, now: datetime
) -> None:
    system = catalogue.system
    for number, one in enumerate(one for one in found.permissions if one.what == "added"):
        made = permissions.make(session, system, one.entry.model_dump(), by=by, now=now)
        known.permissions[made.name] = made.id
        await _write_some(session, number)
    fresh = [one.entry for one in found.roles if one.what == "added" and isinstance(one.entry, RoleEntry)]
    for number, entry in enumerate(fresh):
        role = roles.make(session, system, known.columns(entry.model_dump()), by=by, now=now)
        known.roles[role.name] = role.id
        await _write_some(session, number)
    await session.flush()
    for field, link in _LINKS.items():
        rows = [
            {link.outer: known.roles[entry.name], link.inner: one, link.since: now}
            for entry in fresh
            for one in known.inside(field, getattr(entry, field))
        ]
        if rows:
            await session.execute(insert(link.table), rows)


async def _write_some(session: AsyncSession, number: int) -> None:
    """Write what was made so far, now and then: all at once would let nobody else have a turn for seconds."""
    if number % _WRITTEN_AT_ONCE == _WRITTEN_AT_ONCE - 1:
        await session.flush()


async def _change(
    session: AsyncSession, catalogue: Catalogue, found: Comparison, known: _Known, *, by: Caller, now: datetime
) -> None:
    for one in found.permissions:
        if one.what != "added":
            facts = {name: new for name, (_, new) in one.fields.items()}
            await permissions.change_permission(session, catalogue.permissions[one.entry.name], facts, by=by, now=now)
    for one in found.roles:
        if one.what != "added":
            await _change_role(session, catalogue.roles[one.entry.name], one, known, by=by, now=now)


async def _change_role(
    session: AsyncSession, role: Role, found: Difference, known: _Known, *, by: Caller, now: datetime
) -> None:
    new = {name: value for name, (_, value) in found.fields.items()}
    if "state" in new:
        await roles.stand(session, role, new["state"], now=now)
    for name, value in known.columns(new).items():
        setattr(role, name, value)
    for field, link in _LINKS.items():
        if field in new:
            await past.relink(session, link, role.id, known.inside(field, new[field]), now=now)
    await roles.tell_changed(session, role, sorted(new), by=by, now=now)
