"""Support functions: what the support of a product takes."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service.responsibilities.starter import STARTERS
from access_service.tables import SupportFunction
from lodge_kit import audit, ids
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, NotFound, Problem


class FunctionExists(Problem):
    """Another support function has this key."""

    status, code = HTTPStatus.CONFLICT, "support-function-exists"


async def get(session: AsyncSession, function_id: str) -> SupportFunction:
    """Read a support function. Raises `NotFound`."""
    found = await session.get(SupportFunction, function_id)
    if found is None:
        raise NotFound(f"There is no support function {function_id}.")
    return found


async def create(
    session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str, now: datetime
) -> SupportFunction:
    """Add one; `facts` are columns of `SupportFunction`. Without a position it stands last. Raises `FunctionExists`."""
    taken = select(col(SupportFunction.id)).where(col(SupportFunction.key) == facts["key"])
    if (await session.execute(taken)).first():
        raise FunctionExists(f"There is a support function with the key {facts['key']} already. Choose another key.")
    position = facts.get("position")
    if position is None:
        last = (await session.execute(select(func.max(col(SupportFunction.position))))).scalar()
        position = (last or 0) + 10
    row = SupportFunction(id=ids.new("fun"), created_at=now, updated_at=now, **{**facts, "position": position})
    session.add(row)
    audit.record(session, "support-function.added", kind="support-function", of=row.id, by=by, now=now, key=row.key)
    await session.flush()
    return row


async def change(
    session: AsyncSession, row: SupportFunction, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change what `facts` names."""
    for name, value in facts.items():
        setattr(row, name, value)
    row.updated_at = now
    audit.record(
        session, "support-function.changed", kind="support-function", of=row.id, by=by, now=now, changed=sorted(facts)
    )
    await session.flush()


async def retire(session: AsyncSession, row: SupportFunction, *, by: Caller, now: datetime) -> None:
    """Take it out of the matrix: nobody needs to answer for it any more."""
    if row.state == "retired":
        raise Conflict("This support function is retired already.")
    row.state, row.updated_at = "retired", now
    audit.record(session, "support-function.retired", kind="support-function", of=row.id, by=by, now=now)
    await session.flush()


async def start(session: AsyncSession, *, by: str, now: datetime) -> None:
    """Put the starter set there where there is no support function at all."""
    if (await session.execute(select(col(SupportFunction.id)).limit(1))).first():
        return
    for number, one in enumerate(STARTERS, start=1):
        facts = one._asdict() | {"skills": list(one.skills), "position": number * 10}
        await create(session, facts, by=by, now=now)
