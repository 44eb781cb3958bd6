"""Enquiries: filed, assigned, talked about, answered, closed, opened again; each step on record for good."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import clocks, events, fields, kinds, rights
from enquiry_service.enquiry_log import happened, publish_of, tell
from enquiry_service.tables import Enquiry, Message, Run
from lodge_kit import directory, ids, notices
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound
from lodge_kit.world import World

Visibility = Literal["public", "internal"]

_OF_A_REQUESTER = ("answered", "withdrawn")
"""As what a requester may close her own enquiry: the other outcomes are decisions of those who answer."""


def may_see(by: Caller, enquiry: Enquiry) -> bool:
    """Say whether the caller may read an enquiry: the requester, and who reads those of its org unit."""
    return enquiry.requester == by.id or by.may(rights.READ, enquiry.org_unit or "")


def may_see_internal(by: Caller, enquiry: Enquiry) -> bool:
    """Say whether the caller may read what the team says among itself. The requester as such may not."""
    return by.may(rights.READ, enquiry.org_unit or "")


async def get(session: AsyncSession, enquiry_id: str, *, by: Caller) -> Enquiry:
    """Read an enquiry. Raises `NotFound`, for one that the caller may not see too."""
    enquiry = await session.get(Enquiry, enquiry_id)
    if enquiry is None or not may_see(by, enquiry):
        raise NotFound(f"There is no enquiry {enquiry_id} that you may see.")
    return enquiry


async def file(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller, world: World, now: datetime) -> Enquiry:
    """File an enquiry for oneself; for another person only by those who answer enquiries."""
    requester = facts.get("requester") or by.id
    if requester != by.id:
        by.demand(rights.ANSWER, facts.get("org_unit") or "")
    wanted = [("/requester", requester if requester != by.id else None), ("/org_unit", facts.get("org_unit"))]
    await directory.demand_known(session, world.directory, wanted, now=now)
    received = facts.get("received_on") or clocks.today(world, now)
    clocks.demand_day(received, "/received_on", world=world, now=now)
    kind = await kinds.demand(session, facts["kind"], "/kind", now=now, is_new=True)
    held = {"fields_version": await kinds.demand_fields(session, kind, facts["fields"]), "team": kind.default_team}
    await directory.remember_caller(session, by, now=now)
    enquiry = Enquiry(
        id=ids.new("enq"),
        created_at=now,
        updated_at=now,
        **(dict(facts) | held | {"requester": requester, "received_on": received}),
    )
    session.add(enquiry)
    await session.flush()
    await happened(session, enquiry, "received", by=by, now=now, received_on=received.isoformat())
    due_on = await clocks.refresh(session, enquiry, by=by, world=world, now=now)
    fact = events.EnquiryReceived(kind=enquiry.kind, requester=requester, due_on=due_on)
    await publish_of(session, enquiry, fact, by=by, now=now)
    return enquiry


async def change(
    session: AsyncSession, enquiry: Enquiry, facts: Mapping[str, Any], *, by: Caller, world: World, now: datetime
) -> None:
    """Change what `facts` names. `fields` is a merge patch; what comes of it is held against the kind as it is now."""
    by.demand(rights.ANSWER, enquiry.org_unit or "")
    if "org_unit" in facts:
        by.demand(rights.ANSWER, facts["org_unit"] or "")
        await directory.demand_known(session, world.directory, [("/org_unit", facts["org_unit"])], now=now)
    told: dict[str, Any] = {"changed": sorted(facts)}
    if "received_on" in facts:
        await clocks.demand_receivable(session, enquiry, facts["received_on"], world=world, now=now)
        told["received_on"] = facts["received_on"].isoformat()
    if to := {name: facts[name] for name in ("priority", "kind") if name in facts}:
        told["to"] = to
    if facts.keys() & {"kind", "fields"}:
        await _hold(session, enquiry, facts, now=now)
    for name, value in facts.items():
        if name != "fields":
            setattr(enquiry, name, value)
    await happened(session, enquiry, "changed", by=by, now=now, **told)
    await clocks.refresh(session, enquiry, by=by, world=world, now=now)


async def _hold(session: AsyncSession, enquiry: Enquiry, facts: Mapping[str, Any], *, now: datetime) -> None:
    """Hold an enquiry's fields against its kind, which may be another one from now on."""
    key = facts.get("kind", enquiry.kind)
    if key != enquiry.kind:
        _demand_open(enquiry)
    kind = await kinds.demand(session, key, "/kind", now=now, is_new=key != enquiry.kind)
    values = fields.merged(enquiry.fields, facts.get("fields", {}))
    enquiry.fields_version = await kinds.demand_fields(session, kind, values)
    enquiry.fields = values


async def assign(
    session: AsyncSession, enquiry: Enquiry, assignee: str | None, *, by: Caller, world: World, now: datetime
) -> None:
    """Give an enquiry to somebody, who is told; null takes it from everybody."""
    by.demand(rights.ANSWER, enquiry.org_unit or "")
    _demand_open(enquiry)
    await directory.demand_known(session, world.directory, [("/assignee", assignee)], now=now)
    enquiry.assignee = assignee
    enquiry.status = "open" if enquiry.status == "new" and assignee else enquiry.status
    await notices.settle(session, events.EnquiryAssigned.type, [enquiry.id], now=now)
    await happened(session, enquiry, "assigned", by=by, now=now, assignee=assignee)
    event = await publish_of(session, enquiry, events.EnquiryAssigned(assignee=assignee), by=by, now=now)
    await tell(session, assignee, event, "An enquiry was assigned to you.", enquiry, by=by, now=now)


async def say(
    session: AsyncSession, enquiry: Enquiry, body: str, visibility: Visibility, *, by: Caller, now: datetime
) -> Message:
    """Add a message: the requester a public one, those who answer also internal ones, which never become public."""
    if visibility == "internal" or enquiry.requester != by.id:
        by.demand(rights.ANSWER, enquiry.org_unit or "")
    if enquiry.status == "closed":
        raise Conflict("This enquiry is closed. Reopen it first.")
    await directory.remember_caller(session, by, now=now)
    message = Message(
        id=ids.new("msg"), enquiry_id=enquiry.id, visibility=visibility, author=by.id, body=body, created_at=now
    )
    session.add(message)
    await happened(session, enquiry, f"message-{visibility}", by=by, now=now, message=message.id)
    return message


async def answer(
    session: AsyncSession, enquiry: Enquiry, body: str, runs: Sequence[str], *, by: Caller, world: World, now: datetime
) -> None:
    """Answer an enquiry: a public message, and the runs whose files the requester may now fetch."""
    by.demand(rights.ANSWER, enquiry.org_unit or "")
    _demand_open(enquiry)
    await _release(session, enquiry, runs, now=now)
    await say(session, enquiry, body, "public", by=by, now=now)
    await _settle(session, enquiry, now=now)
    kept = await clocks.ending(session, enquiry, world=world, now=now)
    enquiry.status, enquiry.answered_at = "answered", now
    await happened(session, enquiry, "answered", by=by, now=now, kept=kept, runs=list(runs))
    await clocks.refresh(session, enquiry, by=by, world=world, now=now)
    fact = events.EnquiryAnswered(kind=enquiry.kind, requester=enquiry.requester, runs=list(runs))
    event = await publish_of(session, enquiry, fact, by=by, now=now)
    await tell(session, enquiry.requester, event, "Your enquiry was answered.", enquiry, by=by, now=now)


async def close(
    session: AsyncSession, enquiry: Enquiry, *, outcome: str, reason: str, by: Caller, world: World, now: datetime
) -> None:
    """Close an enquiry: those who answer any, the requester her own as answered or withdrawn; she is told."""
    if enquiry.requester != by.id or outcome not in _OF_A_REQUESTER:
        by.demand(rights.ANSWER, enquiry.org_unit or "")
    if enquiry.status == "closed":
        raise Conflict("This enquiry is closed already.")
    kept = await clocks.ending(session, enquiry, world=world, now=now)
    enquiry.status, enquiry.outcome, enquiry.reason = "closed", outcome, reason
    await _settle(session, enquiry, now=now)
    await happened(session, enquiry, "closed", by=by, now=now, kept=kept, outcome=outcome, reason=reason)
    await clocks.refresh(session, enquiry, by=by, world=world, now=now)
    event = await publish_of(session, enquiry, events.EnquiryClosed(outcome=outcome), by=by, now=now)
    await tell(session, enquiry.requester, event, "Your enquiry was closed.", enquiry, by=by, now=now)


async def reopen(
    session: AsyncSession, enquiry: Enquiry, *, reason: str, by: Caller, world: World, now: datetime
) -> None:
    """Open an answered or closed enquiry again: the requester her own, those who answer any."""
    if enquiry.requester != by.id:
        by.demand(rights.ANSWER, enquiry.org_unit or "")
    if enquiry.status in clocks.OPEN:
        raise Conflict("This enquiry is open.")
    enquiry.status, enquiry.outcome, enquiry.reason, enquiry.answered_at = "open", None, None, None
    await happened(session, enquiry, "reopened", by=by, now=now, reason=reason)
    await clocks.refresh(session, enquiry, by=by, world=world, now=now)
    enquiry.status = "waiting" if enquiry.clock_state == "paused" else "open"
    event = await publish_of(session, enquiry, events.EnquiryReopened(), by=by, now=now)
    await tell(session, enquiry.assignee, event, "An enquiry of yours was opened again.", enquiry, by=by, now=now)


def _demand_open(enquiry: Enquiry) -> None:
    if enquiry.status not in clocks.OPEN:
        raise Conflict(f"This enquiry is {enquiry.status}. Reopen it first.")


async def _release(session: AsyncSession, enquiry: Enquiry, runs: Sequence[str], *, now: datetime) -> None:
    """Let the requester fetch the files of these runs, which must be finished and for this enquiry."""
    # Locked: a run that ends or whose file is destroyed just now must not be changed on both sides.
    named = select(Run).where(
        col(Run.id).in_(runs), col(Run.enquiry_id) == enquiry.id, col(Run.status).in_(("done", "truncated"))
    )
    found = {run.id: run for run in (await session.execute(named.with_for_update())).scalars()}
    missing = [run for run in runs if run not in found]
    if missing:
        raise Invalid.at("/runs", f"{', '.join(missing)} is no finished run for this enquiry.", "unknown-run")
    for run in found.values():
        run.released_at, run.updated_at = now, now


async def _settle(session: AsyncSession, enquiry: Enquiry, *, now: datetime) -> None:
    """Take an enquiry that is dealt with off its assignee's list."""
    for fact in (events.EnquiryAssigned, events.EnquiryReopened, events.EnquiryDueSoon, events.EnquiryOverdue):
        await notices.settle(session, fact.type, [enquiry.id], now=now)
