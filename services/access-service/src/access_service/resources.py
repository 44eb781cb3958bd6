"""The things in a system that decisions are asked about, as the system registers them: type, id, properties.

`org_unit` and `environment` among the properties say where it is, and scopes of grants are held against them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import freshness, rights
from access_service.tables import OrgUnit, Resource, System
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Forbidden, Invalid, InvalidValue, NotFound

MOST_AT_ONCE = 1_000
MOST_PROPERTIES = 100

Key = tuple[str, str]
"""A resource's type and the system's own id of it."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of many that were registered at once."""

    created: int
    changed: int
    unchanged: int
    removed: int


def may_write(system: System, by: Caller) -> bool:
    """Say whether the caller registers resources of this system: who writes the catalogue, or its owner."""
    return by.scope(rights.CATALOGUE_WRITE) == "*" or system.owner == by.id


def demand_writer(system: System, by: Caller) -> None:
    """Refuse others than those who may register. Raises `Forbidden`."""
    if not may_write(system, by):
        raise Forbidden(
            f"This needs the permission {rights.CATALOGUE_WRITE.name}, or to own the system. Ask its owner to"
            " register the resource."
        )


async def find(session: AsyncSession, system: System, key: Key) -> Resource | None:
    """Look a resource up."""
    found = await _known(session, system, [key])
    return found.get(key)


async def get(session: AsyncSession, system: System, key: Key) -> Resource:
    """Read a resource. Raises `NotFound`."""
    found = await find(session, system, key)
    if found is None:
        raise NotFound(f"{system.key} has no {key[0]} {key[1]} registered.")
    return found


async def put(
    session: AsyncSession, system: System, key: Key, properties: Mapping[str, Any], *, by: Caller, now: datetime
) -> Resource:
    """Register a resource, or give it these properties in place of what it had. Raises `Invalid`."""
    await _demand_sound(session, {"/properties": properties})
    found = await find(session, system, key)
    row = found or _new(system, key, now=now)
    row.properties, row.updated_at = dict(properties), now
    session.add(row)
    await session.flush()
    deed = "resource.changed" if found else "resource.registered"
    audit.record(session, deed, kind="resource", of=row.id, by=by, now=now, type=key[0], name=key[1])
    await freshness.forget(session, system.id)
    return row


async def remove(session: AsyncSession, system: System, resource: Resource, *, by: Caller, now: datetime) -> None:
    """Take a resource off the register."""
    await session.delete(resource)
    audit.record(
        session, "resource.removed", kind="resource", of=resource.id, by=by, now=now, type=resource.type,
        name=resource.name,
    )  # fmt: skip
    await freshness.forget(session, system.id)


async def register(
    session: AsyncSession, system: System, wanted: Sequence[tuple[Key, Mapping[str, Any]]], gone: Sequence[Key], *,
    by: Caller, now: datetime,
) -> Registered:  # fmt: skip
    """Register many and take others off, all or none; what is not named stays. Raises `Invalid`, pointing at each."""
    _demand_once([key for key, _ in wanted], gone)
    await _demand_sound(
        session, {f"/resources/{place}/properties": properties for place, (_, properties) in enumerate(wanted)}
    )
    known = await _known(session, system, [key for key, _ in wanted])
    created = changed = 0
    for key, properties in wanted:
        row = known.get(key)
        if row is None:
            row = _new(system, key, now=now)
            created += 1
        elif row.properties == properties:
            continue
        else:
            changed += 1
        row.properties, row.updated_at = dict(properties), now
        session.add(row)
    await session.flush()
    off = delete(Resource).where(col(Resource.system_id) == system.id, _named(gone)).returning(col(Resource.id))
    removed = len((await session.execute(off)).all()) if gone else 0
    counts = Registered(created, changed, len(wanted) - created - changed, removed)
    if created or changed or removed:
        audit.record(
            session, "resources.registered", kind="system", of=system.id, by=by, now=now, created=created,
            changed=changed, removed=removed,
        )  # fmt: skip
        await freshness.forget(session, system.id)
    return counts


def _new(system: System, key: Key, *, now: datetime) -> Resource:
    return Resource(
        id=ids.new("rsc"), system_id=system.id, type=key[0], name=key[1], properties={}, created_at=now, updated_at=now
    )


async def _known(session: AsyncSession, system: System, keys: Sequence[Key]) -> dict[Key, Resource]:
    # Locked, in one order: two who register the same must not wait for each other.
    found = select(Resource).where(col(Resource.system_id) == system.id, _named(keys))
    rows = await session.execute(found.order_by(col(Resource.type), col(Resource.name)).with_for_update())
    return {(row.type, row.name): row for row in rows.scalars()}


def _named(keys: Sequence[Key]) -> Any:
    return tuple_(col(Resource.type), col(Resource.name)).in_(keys)


def _demand_once(wanted: Sequence[Key], gone: Sequence[Key]) -> None:
    seen: set[Key] = set()
    for name, keys in (("resources", wanted), ("removed", gone)):
        for place, key in enumerate(keys):
            if key in seen:
                raise Invalid.at(f"/{name}/{place}", f"{key[0]} {key[1]} is named twice.", "twice")
            seen.add(key)


async def _demand_sound(session: AsyncSession, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse places that are none: a scope that is held against them would never cover them."""
    named = {properties["org_unit"] for properties in found.values() if isinstance(properties.get("org_unit"), str)}
    known = set((await session.execute(select(col(OrgUnit.id)).where(col(OrgUnit.id).in_(named)))).scalars())
    errors = []
    for pointer, properties in found.items():
        if "org_unit" in properties and properties["org_unit"] not in known:
            errors.append(_wrong(f"{pointer}/org_unit", "unknown-org-unit", "Name an org unit by its id."))
        if "environment" in properties and not isinstance(properties["environment"], str):
            errors.append(_wrong(f"{pointer}/environment", "text", "An environment is a text, as in live or test."))
    if errors:
        raise Invalid("Some resources are nowhere. Each is explained under errors.", errors=errors[:100])


def _wrong(pointer: str, code: str, detail: str) -> InvalidValue:
    return InvalidValue(pointer=pointer, code=code, detail=detail)
