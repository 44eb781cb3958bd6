"""Roles given and ended: what held, when, by whom; nothing is ever deleted."""

from datetime import datetime
from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import events, freshness, giving, org_units, past
from access_service.tables import Grant, Group, GroupMember, Person, Role, ServiceAccount
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Forbidden, Invalid, NotFound, Problem

_KINDS: dict[str, type[Person | Group | ServiceAccount]] = {"per": Person, "grp": Group, "svc": ServiceAccount}


class GrantOverlaps(Problem):
    """The same role is given to the same subject for the same scope at the same time already."""

    status, code = HTTPStatus.CONFLICT, "grant-overlaps"


async def get(session: AsyncSession, grant_id: str) -> Grant:
    """Read a grant. Raises `NotFound`."""
    grant = await session.get(Grant, grant_id)
    if grant is None:
        raise NotFound(f"There is no grant {grant_id}.")
    return grant


async def give(
    session: AsyncSession, role: Role, subject: str, *, org_unit: str | None, valid_from: datetime | None,
    valid_to: datetime | None, reason: str, by: Caller, now: datetime,
) -> Grant:  # fmt: skip
    """Give `role` to a person, a group or a service account, within what the giver may give and never to oneself.

    Raises `Invalid`, `Forbidden`, `GrantOverlaps`, `Conflict` (the role is not in use).
    """
    begins = valid_from or now
    await _demand_subject(session, subject)
    await org_units.demand_open(session, org_unit)
    await _demand_not_oneself(session, by, subject)
    giving.demand_within_scope(by, org_unit)
    await giving.demand_held(session, role, by, org_unit, now=now)
    if role.state != "active":
        raise Conflict(f"Role {role.id} is {role.state}. Only an active role can be given.")
    if valid_to is not None and valid_to <= begins:
        raise Invalid.at("/valid_to", "The end must be after the beginning.", "order")
    grant = Grant(
        id=ids.new("grt"), subject=subject, role_id=role.id, org_unit=org_unit, valid_from=begins, valid_to=valid_to,
        reason=reason, granted_by=by.id, created_at=now, updated_at=now,
    )  # fmt: skip
    await _insert(session, grant)
    fact = events.GrantCreated(
        holder=subject, role=role.id, org_unit=org_unit, valid_from=grant.valid_from, valid_to=valid_to
    )
    await publish(session, fact, of=grant.id, version=grant.version, actor=by, now=now)
    audit.record(session, "grant.created", kind="grant", of=grant.id, by=by, now=now, role=role.id, subject=subject)
    await _rights_changed(session, subject)
    return grant


async def end(
    session: AsyncSession, grant: Grant, *, at: datetime | None, reason: str, by: Caller, now: datetime
) -> None:
    """End a grant now or at a later instant. Raises `Conflict` when it has ended, `Invalid` for a past end."""
    ends = at or now
    await _demand_not_oneself(session, by, grant.subject)
    giving.demand_within_scope(by, grant.org_unit)
    if grant.valid_to is not None and grant.valid_to <= now:
        raise Conflict("This grant has ended already.")
    if grant.valid_to is not None and ends > grant.valid_to:
        raise Invalid.at("/at", "This grant ends before that already. Give the role anew to prolong it.", "order")
    if ends < now:
        raise Invalid.at("/at", "A grant cannot be ended in the past: what was done under it was done.", "past")
    past.supersede(session, grant, now=now)
    # One that was to begin later never held: its end is its beginning.
    grant.valid_to = max(ends, grant.valid_from)
    grant.ended_by, grant.ended_at, grant.end_reason, grant.updated_at = by.id, now, reason, now
    await session.flush()
    fact = events.GrantEnded(holder=grant.subject, role=grant.role_id, valid_to=grant.valid_to)
    await publish(session, fact, of=grant.id, version=grant.version, actor=by, now=now)
    audit.record(session, "grant.ended", kind="grant", of=grant.id, by=by, now=now, reason=reason)
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


async def _demand_subject(session: AsyncSession, subject: str) -> None:
    kind = _KINDS.get(subject[:3])
    found = await session.get(kind, subject) if kind else None
    if found is None or getattr(found, "deleted_at", None) is not None:
        raise Invalid.at("/subject", f"There is no person, group or service account {subject}.", "unknown-subject")


async def _demand_not_oneself(session: AsyncSession, by: Caller, subject: str) -> None:
    if subject == by.id or await session.get(GroupMember, (subject, by.id)) is not None:
        raise Forbidden("Nobody gives or ends a role of one's own. Ask another who may.")


async def _rights_changed(session: AsyncSession, subject: str) -> None:
    if subject.startswith("grp_"):
        members = select(col(GroupMember.person_id)).where(col(GroupMember.group_id) == subject)
        await freshness.forget(session, list((await session.execute(members)).scalars()))
    else:
        await freshness.forget(session, subject)
