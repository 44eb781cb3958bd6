"""Responsibilities given, changed and ended."""

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import events
from access_service.tables import Group, Person, Post, Responsibility, SupportFunction
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem

_HOLDERS: dict[str, type[Person | Post | Group]] = {"per": Person, "pst": Post, "grp": Group}
_REFUSED = {
    "ex_responsibility_accountable": (
        "Another is accountable for this function of this product on some of these days, and there is one at a time."
        " End that responsibility first, or begin this one later."
    ),
    "ex_responsibility_overlap": "This holder has this letter here on some of these days already.",
}


class ResponsibilityOverlaps(Problem):
    """Two would be accountable at a time, or one would have the same letter twice."""

    status, code = HTTPStatus.CONFLICT, "responsibility-overlaps"


async def get(session: AsyncSession, responsibility_id: str) -> Responsibility:
    """Read a responsibility. Raises `NotFound`."""
    found = await session.get(Responsibility, responsibility_id)
    if found is None:
        raise NotFound(f"There is no responsibility {responsibility_id}.")
    return found


async def assign(
    session: AsyncSession, function: SupportFunction, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> Responsibility:
    """Have somebody answer for `function` of a product; `facts` are columns of `Responsibility`.

    Raises `Invalid` (a team accountable, an unknown holder or deputy, days turned round), `ResponsibilityOverlaps`,
    `Conflict` (the function is retired).
    """
    if function.state == "retired":
        raise Conflict("This support function is retired: nobody needs to answer for it.")
    if facts["letter"] == "A" and facts["holder"].startswith("grp_"):
        raise Invalid.at("/holder", "A team cannot be accountable: name a person or a post.", "team-accountable")
    await _demand_holder(session, facts["holder"])
    await _demand_deputy(session, facts.get("deputy"), holder=facts["holder"])
    _demand_order(facts["starts_on"], facts.get("ends_on"))
    row = Responsibility(id=ids.new("rsp"), function_id=function.id, created_at=now, updated_at=now, **facts)
    session.add(row)
    await _flush(session)
    fact = events.ResponsibilityAssigned(
        function=row.function_id, product=row.product, letter=row.letter, holder=row.holder, starts_on=row.starts_on,
        ends_on=row.ends_on,
    )  # fmt: skip
    await publish(session, fact, of=row.id, version=row.version, actor=by, now=now)
    audit.record(
        session, "responsibility.assigned", kind="responsibility", of=row.id, by=by, now=now, letter=row.letter,
        holder=row.holder, product=row.product, function=row.function_id,
    )  # fmt: skip
    return row


async def change(
    session: AsyncSession, row: Responsibility, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change the deputy or the last day. Who answers, for what and as what stays: end it and assign another."""
    if "deputy" in facts:
        await _demand_deputy(session, facts["deputy"], holder=row.holder)
    if "ends_on" in facts:
        _demand_order(row.starts_on, facts["ends_on"])
    for name, value in facts.items():
        setattr(row, name, value)
    row.updated_at = now
    await _flush(session)
    fact = events.ResponsibilityChanged(function=row.function_id, product=row.product, changed=sorted(facts))
    await publish(session, fact, of=row.id, version=row.version, actor=by, now=now)
    audit.record(
        session, "responsibility.changed", kind="responsibility", of=row.id, by=by, now=now, personal=[], **facts
    )


async def end(session: AsyncSession, row: Responsibility, *, last_day: date, by: Caller, now: datetime) -> None:
    """End it with `last_day`. Raises `Conflict` when it ends by then anyhow, `Invalid` for a day before its first."""
    if row.ends_on is not None and row.ends_on <= last_day:
        raise Conflict(f"This responsibility ends on {row.ends_on} already.")
    if last_day < row.starts_on:
        raise Invalid.at("/on", f"It begins on {row.starts_on} only. DELETE it if it is not to begin at all.", "order")
    await change(session, row, {"ends_on": last_day}, by=by, now=now)


async def withdraw(session: AsyncSession, row: Responsibility, *, today: date, by: Caller, now: datetime) -> None:
    """Take back a responsibility that has not begun. Raises `Conflict` for one that has: it is part of the record."""
    if row.starts_on <= today:
        raise Conflict("This responsibility has begun. End it instead: POST …/end.")
    audit.record(session, "responsibility.withdrawn", kind="responsibility", of=row.id, by=by, now=now)
    await session.delete(row)
    await session.flush()


async def _flush(session: AsyncSession) -> None:
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError as error:
        for constraint, sentence in _REFUSED.items():
            if constraint in str(error.orig):
                raise ResponsibilityOverlaps(sentence) from error
        raise


async def _demand_holder(session: AsyncSession, holder: str) -> None:
    kind = _HOLDERS.get(holder[:3])
    found = await session.get(kind, holder) if kind else None
    if found is None or (isinstance(found, Person) and found.status != "active"):
        raise Invalid.at("/holder", f"There is no active person, no post and no group {holder}.", "unknown-holder")


async def _demand_deputy(session: AsyncSession, deputy: str | None, *, holder: str) -> None:
    if deputy is None:
        return
    person = await session.get(Person, deputy)
    if person is None or person.status != "active":
        raise Invalid.at("/deputy", f"There is no active person {deputy}.", "unknown-person")
    post = await session.get(Post, holder) if holder.startswith("pst_") else None
    if deputy in (holder, post.holder if post else None):
        raise Invalid.at("/deputy", "Nobody is one's own deputy. Name another person.", "own-deputy")


def _demand_order(starts_on: date, ends_on: date | None) -> None:
    if ends_on is not None and ends_on < starts_on:
        raise Invalid.at("/ends_on", "The last day must not be before the first.", "order")
