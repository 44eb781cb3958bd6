"""Systems: a supplier's each, and the one that Lodge itself is."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service.decisions import LODGE
from access_service.tables import Person, System
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Invalid, NotFound, Problem


class LodgesOwn(Problem):
    """Lodge's permissions are what its services say they are: nobody edits them here."""

    status, code = HTTPStatus.CONFLICT, "lodges-own"


async def get_system(session: AsyncSession, system_id: str) -> System:
    """Read a system. Raises `NotFound`."""
    system = await session.get(System, system_id)
    if system is None:
        raise NotFound(f"There is no system {system_id}.")
    return system


async def hold_system(session: AsyncSession, system_id: str) -> System:
    """Read a system whose catalogue is about to change. Raises `NotFound`.

    Locked until the transaction ends: one change of a catalogue at a time, so that what was compared is what is
    changed, and two changes that are each without a circle make none together. Grants go on meanwhile.
    """
    found = select(System).where(col(System.id) == system_id).with_for_update(key_share=True)
    system = (await session.execute(found.execution_options(populate_existing=True))).scalar_one_or_none()
    if system is None:
        raise NotFound(f"There is no system {system_id}.")
    return system


async def add_system(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str, now: datetime) -> System:
    """Add a system; `facts` are columns of `System`."""
    await demand_person(session, facts.get("owner"))
    system = System(id=ids.new("sys"), created_at=now, updated_at=now, **facts)
    session.add(system)
    audit.record(session, "system.added", kind="system", of=system.id, by=by, now=now, key=system.key)
    await session.flush()
    return system


async def change_system(
    session: AsyncSession, system: System, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change a system's name, description or owner."""
    await demand_person(session, facts.get("owner"))
    for name, value in facts.items():
        setattr(system, name, value)
    system.updated_at = now
    audit.record(
        session, "system.changed", kind="system", of=system.id, by=by, now=now, personal=["description"], about=by.id,
        **facts,
    )  # fmt: skip


def demand_not_lodge(system: System) -> None:
    """Refuse to have Lodge's own permissions edited. Raises `LodgesOwn`."""
    if system.key == LODGE:
        raise LodgesOwn(
            "Lodge's own permissions are what its services have, and are not edited here. Make roles of them instead."
        )


async def demand_person(session: AsyncSession, person: str | None) -> None:
    """Refuse with 422 an owner who is nobody."""
    if person is not None and await session.get(Person, person) is None:
        raise Invalid.at("/owner", f"There is no person {person}.", "unknown-person")
