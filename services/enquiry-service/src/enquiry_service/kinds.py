"""The kinds of enquiries: said by the institution, changed without touching what was filed by earlier fields."""

import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import fields
from enquiry_service.clock import profiles
from enquiry_service.clock.profiles import Profile
from enquiry_service.starters import STARTERS
from enquiry_service.tables import EnquiryKind, KindFields
from lodge_kit import audit, directory
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem
from lodge_kit.world import World

SYSTEM = "lodge"
"""Who is on record for what was there from the start."""
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended("kinds of enquiries", 0)))


class KindTaken(Problem):
    """There is a kind with this key; archived ones keep theirs."""

    status, code = HTTPStatus.CONFLICT, "kind-taken"


class HasClock(Protocol):
    """Anything that says which clock a kind has: a row, or a starter."""

    @property
    def clock(self) -> str:
        """The name of a profile."""
        ...

    @property
    def targets(self) -> Mapping[str, int] | None:
        """Working days by priority."""
        ...


def profile(kind: HasClock, priority: str) -> Profile:
    """Answer which rules the clock of an enquiry keeps."""
    of_law = next((one for one in profiles.OF_LAW.values() if one.name == kind.clock), None)
    return of_law or profiles.internal((kind.targets or {})[priority])


async def start(session: AsyncSession, *, now: datetime) -> None:
    """Put the starters there where there is no kind at all: whoever asks first does it."""
    if (await session.execute(select(col(EnquiryKind.key)).limit(1))).first():
        return
    await session.execute(_LOCK)
    if (await session.execute(select(col(EnquiryKind.key)).limit(1))).first():
        return
    for one in STARTERS:
        facts = one._asdict()
        await _add(session, facts, by=SYSTEM, now=now)


async def find(session: AsyncSession, key: str, *, now: datetime) -> EnquiryKind | None:
    """Read a kind; None where there is none."""
    found: EnquiryKind | None = await session.get(EnquiryKind, key)
    if found is None:
        await start(session, now=now)
        found = await session.get(EnquiryKind, key)
    return found


async def get(session: AsyncSession, key: str, *, now: datetime) -> EnquiryKind:
    """Read a kind. Raises `NotFound`."""
    found = await find(session, key, now=now)
    if found is None:
        raise NotFound(f"There is no kind of enquiry {key}.")
    return found


async def demand(session: AsyncSession, key: str, pointer: str, *, now: datetime, is_new: bool = False) -> EnquiryKind:
    """Read a kind that a caller names. Raises `Invalid`; with `is_new` for an archived one too."""
    found = await find(session, key, now=now)
    if found is None:
        raise Invalid.at(pointer, f"There is no kind of enquiry {key}: /enquiry/v1/kinds lists them.", "unknown-kind")
    if is_new and found.archived_at is not None:
        raise Invalid.at(pointer, f"The kind {key} is archived: nothing new is filed as one.", "archived-kind")
    return found


async def schema(session: AsyncSession, key: str, number: int) -> KindFields:
    """Read one state of a kind's fields. Raises `NotFound`."""
    found = await session.get(KindFields, (key, number))
    if found is None:
        raise NotFound(f"The kind {key} has no fields of number {number}.")
    return found


async def demand_fields(session: AsyncSession, kind: EnquiryKind, value: Mapping[str, Any]) -> int:
    """Hold values against the fields of a kind as they are now; answers their number. Raises `Invalid`."""
    fields.demand((await schema(session, kind.key, kind.fields_version)).fields, value)
    return kind.fields_version


async def create(
    session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, world: World, now: datetime
) -> EnquiryKind:
    """Add a kind. Raises `UnusableFields`, `KindTaken`, `Invalid` for a team that nobody knows."""
    await start(session, now=now)
    fields.check(facts["fields"])
    if await session.get(EnquiryKind, facts["key"]):
        raise KindTaken(f"There is a kind {facts['key']} already. Change that one, or choose another key.")
    await directory.remember_caller(session, by, now=now)
    wanted = [("/default_team", facts["default_team"])]
    await directory.demand_known(session, world.directory, wanted, now=now)
    return await _add(session, facts, by=by, now=now)


async def _add(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str, now: datetime) -> EnquiryKind:
    named = {name: value for name, value in facts.items() if name != "fields"}
    kind = EnquiryKind(fields_version=1, created_at=now, updated_at=now, **named)
    session.add(kind)
    await session.flush()
    _put_fields(session, kind, facts["fields"], by=by, now=now)
    audit.record(session, "kind.created", kind="kind", of=kind.key, by=by, now=now, name=kind.name, clock=kind.clock)
    await session.flush()
    return kind


async def change(
    session: AsyncSession, kind: EnquiryKind, facts: Mapping[str, Any], *, by: Caller, world: World, now: datetime
) -> bool:
    """Change a kind; other fields get another number. Says whether clocks are to be read anew.

    Raises `UnusableFields`; `Invalid` where the clock has no targets, or targets that it does not use.
    """
    named = {name: value for name, value in facts.items() if name != "fields"}
    await directory.demand_known(session, world.directory, [("/default_team", named.get("default_team"))], now=now)
    before = (kind.clock, kind.targets)
    for name, value in named.items():
        setattr(kind, name, value)
    if (kind.clock == "internal") is (kind.targets is None):
        raise Invalid.at("/targets", "The institution's own clock has targets, those of law have none.", "targets")
    if "fields" in facts and await _is_other(session, kind, facts["fields"]):
        fields.check(facts["fields"])
        kind.fields_version += 1
        await directory.remember_caller(session, by, now=now)
        _put_fields(session, kind, facts["fields"], by=by, now=now)
    kind.updated_at = now
    audit.record(session, "kind.changed", kind="kind", of=kind.key, by=by, now=now, changed=sorted(facts))
    await session.flush()
    return (kind.clock, kind.targets) != before


async def archive(session: AsyncSession, kind: EnquiryKind, *, by: Caller, now: datetime) -> None:
    """Have nothing new filed as one; what was filed stays."""
    if kind.archived_at is not None:
        raise Conflict("This kind is archived already.")
    kind.archived_at, kind.updated_at = now, now
    audit.record(session, "kind.archived", kind="kind", of=kind.key, by=by, now=now)


async def restore(session: AsyncSession, kind: EnquiryKind, *, by: Caller, now: datetime) -> None:
    """Take a kind out of the archive."""
    if kind.archived_at is None:
        raise Conflict("This kind is not archived.")
    kind.archived_at, kind.updated_at = None, now
    audit.record(session, "kind.restored", kind="kind", of=kind.key, by=by, now=now)


async def _is_other(session: AsyncSession, kind: EnquiryKind, written: dict[str, Any]) -> bool:
    """Say whether fields are other ones than those of now; in another order they are."""
    return json.dumps(written) != json.dumps((await schema(session, kind.key, kind.fields_version)).fields)


def _put_fields(
    session: AsyncSession, kind: EnquiryKind, schema: dict[str, Any], *, by: Caller | str, now: datetime
) -> None:
    author = by if isinstance(by, str) else by.id
    session.add(KindFields(kind=kind.key, number=kind.fields_version, fields=schema, author=author, created_at=now))
