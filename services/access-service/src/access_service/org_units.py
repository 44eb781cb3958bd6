"""The tree of org units: what a scope is measured by."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from access_service import freshness, past, rules
from access_service.tables import Appointment, Grant, OrgUnit, PastStanding, Person, Post
from lodge_kit import audit, ids
from lodge_kit.audit import recording
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem
from lodge_kit.tables import AuditEvent

DELETED = "org-unit.deleted"
"""The deed that is on record, with its last name, of a unit that there is no more."""
DEEPEST = 32
"""Levels of the tree: it is answered as one document, and what reads that is not to run out of stack."""


class OrgUnitInUse(Problem):
    """Somebody or something is placed in the unit."""

    status, code = HTTPStatus.CONFLICT, "org-unit-in-use"


async def get(session: AsyncSession, unit_id: str) -> OrgUnit:
    """Read a unit, closed or not. Raises `NotFound`."""
    unit = await session.get(OrgUnit, unit_id)
    if unit is None:
        raise NotFound(f"There is no org unit {unit_id}.")
    return unit


async def parents(session: AsyncSession) -> dict[str, str | None]:
    """Answer the whole tree: each unit with the one above it."""
    rows = await session.execute(select(col(OrgUnit.id), col(OrgUnit.parent)))
    return {row.id: row.parent for row in rows}


def at_or_below(unit: str) -> Select[str]:
    """Answer the ids of `unit` and of all below it: what a filter by org unit means."""
    here = select(col(OrgUnit.id)).where(col(OrgUnit.id) == unit).cte("at_or_below", recursive=True)
    child = aliased(OrgUnit)
    return select(here.union(select(col(child.id)).join(here, col(child.parent) == here.c.id)).c.id)


async def path(session: AsyncSession, unit: OrgUnit) -> list[OrgUnit]:
    """Answer the units from the root down to this one, itself last."""
    way = rules.above(unit.id, await parents(session))
    rows = (await session.execute(select(OrgUnit).where(col(OrgUnit.id).in_(way)))).scalars()
    return sorted(rows, key=lambda one: way.index(one.id))


async def demand(session: AsyncSession, unit: str | None, *, pointer: str = "/org_unit") -> None:
    """Refuse with 422 a unit that does not exist."""
    if unit is not None and await session.get(OrgUnit, unit) is None:
        raise Invalid.at(pointer, f"There is no org unit {unit}.", "unknown-org-unit")


async def demand_open(session: AsyncSession, unit: str | None, *, pointer: str = "/org_unit") -> None:
    """Refuse with 422 to place anything in a unit that does not exist or is closed."""
    await demand(session, unit, pointer=pointer)
    if unit is None:
        return
    # Locked against closing until this transaction is through.
    found = await session.get_one(OrgUnit, unit, with_for_update={"read": True})
    if found.state == "closed":
        raise Invalid.at(pointer, f"The org unit {found.name} is closed.", "closed-org-unit")


async def create(
    session: AsyncSession, *, name: str, code: str | None, parent: str | None, by: Caller, now: datetime
) -> OrgUnit:
    """Add a unit below `parent`, or at the top. What is held for `parent` holds there too, so everybody asks anew."""
    await _lock(session)
    await demand_open(session, parent, pointer="/parent")
    if parent is not None and len(rules.above(parent, await parents(session))) >= DEEPEST:
        raise _too_deep()
    unit = OrgUnit(id=ids.new("org"), name=name, code=code, parent=parent, created_at=now, updated_at=now)
    session.add(unit)
    audit.record(session, "org-unit.created", kind="org-unit", of=unit.id, by=by, now=now, name=name, parent=parent)
    await session.flush()
    await freshness.forget(session, freshness.EVERYBODY)
    return unit


async def change(session: AsyncSession, unit: OrgUnit, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> None:
    """Rename or move a unit. Moving one changes what scopes cover, so everybody asks anew."""
    if facts.get("parent", unit.parent) != unit.parent:
        await _demand_place(session, unit, facts["parent"])
        await past.leave_standing(session, unit, unit.parent or "", now=now)
        await freshness.forget(session, freshness.EVERYBODY)
    for name, value in facts.items():
        setattr(unit, name, value)
    unit.updated_at = now
    audit.record(session, "org-unit.changed", kind="org-unit", of=unit.id, by=by, now=now, personal=[], **facts)
    await session.flush()


async def close(session: AsyncSession, unit: OrgUnit, *, by: Caller, today: date, now: datetime) -> None:
    """Have nobody and nothing placed in a unit any more; it stays for the record. Raises `OrgUnitInUse`, `Conflict`."""
    # Locked: whoever is placing something in it is waited for.
    await session.refresh(unit, with_for_update=True)
    if unit.state == "closed":
        raise Conflict("This org unit is closed already.")
    await _demand_empty(session, unit, today=today, now=now)
    unit.state, unit.updated_at = "closed", now
    audit.record(session, "org-unit.closed", kind="org-unit", of=unit.id, by=by, now=now)
    await session.flush()


async def reopen(session: AsyncSession, unit: OrgUnit, *, by: Caller, now: datetime) -> None:
    """Take a closed unit back into use. Raises `Conflict`."""
    if unit.state == "active":
        raise Conflict("This org unit is not closed.")
    await demand_open(session, unit.parent, pointer="/parent")
    unit.state, unit.updated_at = "active", now
    audit.record(session, "org-unit.reopened", kind="org-unit", of=unit.id, by=by, now=now)
    await session.flush()


async def delete(session: AsyncSession, unit: OrgUnit, *, by: Caller, now: datetime) -> None:
    """Delete a unit that was made by mistake. Raises `OrgUnitInUse` where anything is or was placed in it."""
    audit.record(session, DELETED, kind="org-unit", of=unit.id, by=by, now=now, name=unit.name)
    in_use = OrgUnitInUse(
        "Something is or was placed in this org unit, and the record of it stays. Close the unit instead: POST"
        f" /access/v1/org-units/{unit.id}/close."
    )
    await _lock(session)
    # No foreign key guards those that stood below it: what they stood below then is a state like others'.
    if (await session.execute(select(exists().where(col(PastStanding.state) == unit.id)))).scalar():
        raise in_use
    try:
        async with session.begin_nested():
            await session.delete(unit)
            await session.flush()
    except IntegrityError as error:
        raise in_use from error
    await freshness.forget(session, freshness.EVERYBODY)


async def last_names(session: AsyncSession, units: Collection[str]) -> dict[str, str]:
    """Answer what units were called that are deleted: the audit has it."""
    found = select(col(AuditEvent.subject_id), col(AuditEvent.facts))
    found = found.where(col(AuditEvent.subject_id).in_(units), col(AuditEvent.action) == DELETED)
    rows = (await session.execute(found)).all()
    return {row.subject_id: str(recording.read(row.facts).get("name", "")) for row in rows}


async def _demand_place(session: AsyncSession, unit: OrgUnit, parent: str | None) -> None:
    await _lock(session)
    await demand_open(session, parent, pointer="/parent")
    tree = await parents(session)
    if rules.subtree_in_circle(unit.id, parent, tree):
        raise Invalid.at("/parent", "A unit cannot be placed below itself.", "circle")
    if (len(rules.above(parent, tree)) if parent else 0) + rules.depth_below(unit.id, tree) > DEEPEST:
        raise _too_deep()


async def _demand_empty(session: AsyncSession, unit: OrgUnit, *, today: date, now: datetime) -> None:
    there: dict[str, ColumnElement[bool]] = {
        "units below it": exists().where(col(OrgUnit.parent) == unit.id, col(OrgUnit.state) == "active"),
        "people in it": exists().where(col(Person.org_unit) == unit.id, col(Person.status) == "active"),
        "appointments to it": exists().where(
            col(Appointment.org_unit) == unit.id,
            or_(col(Appointment.ends_on).is_(None), col(Appointment.ends_on) >= today),
        ),
        "grants for it": exists().where(
            col(Grant.org_unit) == unit.id, or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > now)
        ),
        "posts in it": exists().where(col(Post.org_unit) == unit.id),
    }  # fmt: skip
    found = (await session.execute(select(*(one.label(name) for name, one in there.items())))).one()
    rest = [name for name, is_there in found._mapping.items() if is_there]  # noqa: SLF001 - documented, without a rival
    if rest:
        raise OrgUnitInUse(f"There are {', '.join(rest)}. Move or end these first.")


async def _lock(session: AsyncSession) -> None:
    # Locked: two moves that are each without a circle may make one together.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lodge org units', 0))"))


def _too_deep() -> Invalid:
    return Invalid.at("/parent", f"The tree of org units has at most {DEEPEST} levels.", "too-deep")
