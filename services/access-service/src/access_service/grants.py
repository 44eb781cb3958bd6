"""Roles given and ended: what held, when, by whom; nothing is ever deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import or_, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import events, freshness, org_units, past
from access_service.givers import demand_giver, demand_held, demand_not_ones_own, demand_origin
from access_service.tables import Grant, Group, GroupMember, Person, Role, ServiceAccount
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:pair, 0))")
_KINDS: dict[str, type[Person | Group | ServiceAccount]] = {"per": Person, "grp": Group, "svc": ServiceAccount}


class GrantOverlaps(Problem):
    """The same role is given to the same subject for the same scope at the same time already."""

    status, code = HTTPStatus.CONFLICT, "grant-overlaps"


@dataclass(frozen=True, slots=True)
class Giving:
    """What is to be given: to whom, where, from when to when (None: from now, without end), what for, and why."""

    subject: str
    org_unit: str | None = None
    environment: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    origin: str = "request"
    anchor: tuple[str, str] | None = None
    """The type and the id of what closes it."""
    reason: str = ""


async def get(session: AsyncSession, grant_id: str) -> Grant:
    """Read a grant. Raises `NotFound`."""
    grant = await session.get(Grant, grant_id)
    if grant is None:
        raise NotFound(f"There is no grant {grant_id}.")
    return grant


async def give(
    session: AsyncSession, role: Role, giving: Giving, *, emergency: timedelta, by: Caller, now: datetime
) -> Grant:
    """Give `role`, within what the giver may give; in an emergency for `emergency` at most.

    Raises `Invalid`, `Forbidden`, `GrantOverlaps`, `Conflict` (the role is not in use).
    """
    # Two who give the same at once would each wait for the other at the constraint. One of them waits here.
    await session.execute(_ONE_AT_A_TIME, {"pair": f"grant {giving.subject} {role.id}"})
    # Shared with other givers, so that it is not retired meanwhile.
    await session.refresh(role, with_for_update={"read": True})
    await _demand_subject(session, giving.subject)
    await org_units.demand_open(session, giving.org_unit)
    await demand_giver(session, by, role, giving.subject, giving.org_unit)
    await demand_not_ones_own(session, by, role, giving.subject)
    demand_origin(by, giving.origin, giving.org_unit)
    await demand_held(session, by, role, giving.org_unit, now=now)
    if role.state != "active":
        raise Conflict(f"Role {role.id} is {role.state}. Only an active role can be given.")
    begins = giving.valid_from or now
    _demand_period(giving, begins, emergency=emergency, now=now)
    kind, anchor = giving.anchor or (None, None)
    grant = Grant(
        id=ids.new("grt"), subject=giving.subject, role_id=role.id, org_unit=giving.org_unit,
        environment=giving.environment, valid_from=begins, valid_to=giving.valid_to, origin=giving.origin,
        anchor_type=kind, anchor_id=anchor, reason=giving.reason, granted_by=by.id, created_at=now, updated_at=now,
    )  # fmt: skip
    await _insert(session, grant)
    await _tell_given(session, grant, by=by, now=now)
    return grant


async def end(
    session: AsyncSession, grant_id: str, *, at: datetime | None, reason: str, by: Caller, now: datetime
) -> Grant:
    """End a grant now or at a later instant. Raises `NotFound`, `Forbidden`, `Conflict`, `Invalid` for a past end."""
    # Locked: of two who end it at the same moment, the second finds it ended.
    found = select(Grant, Role).join(Role, col(Role.id) == col(Grant.role_id)).where(col(Grant.id) == grant_id)
    locked = found.with_for_update(of=Grant).execution_options(populate_existing=True)
    row = (await session.execute(locked)).one_or_none()
    if row is None:
        raise NotFound(f"There is no grant {grant_id}.")
    grant, role = row
    await demand_giver(session, by, role, grant.subject, grant.org_unit)
    ends = at or now
    _demand_endable(grant, ends, now=now)
    await _end(session, grant, ends, reason=reason, by=by, now=now)
    return grant


async def end_anchored(
    session: AsyncSession, anchor_type: str, anchor_id: str, *, by: Caller | str, reason: str, now: datetime
) -> list[Grant]:
    """End every grant that was given for this: it has closed. Answers those that it ended.

    Those that were to begin later never hold. Nobody's rights are asked: it is the anchor that ends them.
    """
    # In the order of their ids, so that two who end the same ones wait for each other and not in a circle.
    found = select(Grant).where(col(Grant.anchor_id) == anchor_id, col(Grant.anchor_type) == anchor_type)
    found = found.where(or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > now)).order_by(col(Grant.id))
    locked = found.with_for_update().execution_options(populate_existing=True)
    live = [one for one in (await session.execute(locked)).scalars() if not _has_ended(one, now)]
    for grant in live:
        await _end(session, grant, now, reason=reason, by=by, now=now)
    return live


async def _end(
    session: AsyncSession, grant: Grant, ends: datetime, *, reason: str, by: Caller | str, now: datetime
) -> None:
    past.supersede(session, grant, now=now)
    # One that was to begin later never held: its end is its beginning.
    grant.valid_to = max(ends, grant.valid_from)
    grant.ended_by, grant.ended_at, grant.end_reason = by if isinstance(by, str) else by.id, now, reason
    grant.updated_at = now
    await session.flush()
    fact = events.GrantEnded(holder=grant.subject, role=grant.role_id, valid_to=grant.valid_to)
    await publish(session, fact, of=grant.id, version=grant.version, actor=by, now=now)
    audit.record(
        session, "grant.ended", kind="grant", of=grant.id, by=by, now=now, personal=["reason"], about=grant.subject,
        reason=reason,
    )  # fmt: skip
    await _rights_changed(session, grant.subject)


async def _insert(session: AsyncSession, grant: Grant) -> None:
    try:
        async with session.begin_nested():
            session.add(grant)
    except IntegrityError as error:
        if "ex_role_grant_overlap" in str(error.orig):
            raise GrantOverlaps(
                "This role is given to this subject for this scope at that time already. End that grant first, or give"
                " this one for another time."
            ) from error
        raise


async def _tell_given(session: AsyncSession, grant: Grant, *, by: Caller, now: datetime) -> None:
    facts: Mapping[str, Any] = {
        "role": grant.role_id, "org_unit": grant.org_unit, "environment": grant.environment, "origin": grant.origin,
        "anchor": grant.anchor_id, "valid_from": grant.valid_from, "valid_to": grant.valid_to,
    }  # fmt: skip
    fact = events.GrantCreated(holder=grant.subject, **facts)
    await publish(session, fact, of=grant.id, version=grant.version, actor=by, now=now)
    audit.record(
        session, "grant.created", kind="grant", of=grant.id, by=by, now=now, personal=[], subject=grant.subject,
        **facts,
    )  # fmt: skip
    await _rights_changed(session, grant.subject)


async def _demand_subject(session: AsyncSession, subject: str) -> None:
    kind = _KINDS.get(subject[:3])
    found = await session.get(kind, subject) if kind else None
    if found is None or getattr(found, "deleted_at", None) is not None:
        raise Invalid.at("/subject", f"There is no person, group or service account {subject}.", "unknown-subject")


def _demand_period(giving: Giving, begins: datetime, *, emergency: timedelta, now: datetime) -> None:
    ends = giving.valid_to
    if ends is not None and ends <= begins:
        raise Invalid.at("/valid_to", "The end must be after the beginning.", "order")
    if ends is not None and ends <= now and giving.origin != "import":
        raise Invalid.at(
            "/valid_to",
            "This lies in the past, where nothing is given any more. Only an import tells of it.",
            "past",
        )
    if giving.origin != "emergency":
        return
    if ends is None or ends - begins > emergency:
        raise Invalid.at(
            "/valid_to",
            f"In an emergency a role is held for {emergency.days} days at most: say until when.",
            "emergency",
        )
    if not giving.reason.strip():
        raise Invalid.at("/reason", "Say what the emergency is.", "emergency")


def _demand_endable(grant: Grant, ends: datetime, *, now: datetime) -> None:
    if _has_ended(grant, now):
        raise Conflict("This grant has ended already.")
    if grant.valid_to is not None and ends > grant.valid_to:
        raise Invalid.at("/at", "This grant ends before that already. Give the role anew to prolong it.", "order")
    if ends == grant.valid_to:
        raise Conflict("This grant ends then already.")
    if ends < now:
        raise Invalid.at("/at", "A grant cannot be ended in the past: what was done under it was done.", "past")


def _has_ended(grant: Grant, now: datetime) -> bool:
    """Say whether it holds no more, nor will: one that was ended before it began never does.

    Two who end it at the same moment may each have read the clock before the other: the end on record counts.
    """
    if grant.valid_to is None:
        return False
    return grant.valid_to <= max(now, grant.ended_at or now) or grant.valid_to == grant.valid_from


async def _rights_changed(session: AsyncSession, subject: str) -> None:
    if subject.startswith("grp_"):
        members = select(col(GroupMember.person_id)).where(col(GroupMember.group_id) == subject)
        await freshness.forget(session, list((await session.execute(members)).scalars()))
    else:
        await freshness.forget(session, subject)
