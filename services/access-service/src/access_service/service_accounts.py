"""Programs that call Lodge, and who answers for each: added, changed, out of use and back."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import events, freshness, past, present, rights
from access_service.tables import ServiceAccount
from lodge_kit import audit, ids, notices
from lodge_kit.events import publish
from lodge_kit.identity import EVERYWHERE, Caller
from lodge_kit.problems import Conflict, NotFound, Problem


class AccountNameTaken(Problem):
    """Another service account has this name."""

    status, code = HTTPStatus.CONFLICT, "name-taken"


async def get(session: AsyncSession, account_id: str) -> ServiceAccount:
    """Read a service account. Raises `NotFound`."""
    found = await session.get(ServiceAccount, account_id)
    if found is None:
        raise NotFound(f"There is no service account {account_id}.")
    return found


async def add(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str, now: datetime) -> ServiceAccount:
    """Add a service account; what it may do is granted like anybody's. `facts` are columns of `ServiceAccount`."""
    taken = select(col(ServiceAccount.id)).where(col(ServiceAccount.name) == facts["name"])
    if (await session.execute(taken)).first():
        raise AccountNameTaken("Another service account has this name. Use that one, or another name.")
    await _demand_sound(session, facts, by=by)
    row = ServiceAccount(id=ids.new("svc"), created_at=now, updated_at=now, **facts)
    session.add(row)
    audit.record(session, "service-account.added", kind="service-account", of=row.id, by=by, now=now, name=row.name)
    await session.flush()
    return row


async def change(
    session: AsyncSession, row: ServiceAccount, facts: Mapping[str, Any], *, by: Caller, now: datetime
) -> None:
    """Change who answers for it, what it is for, or which source it speaks for."""
    await _demand_sound(session, {name: value for name, value in facts.items() if getattr(row, name) != value}, by=by)
    for name, value in facts.items():
        setattr(row, name, value)
    row.updated_at = now
    audit.record(
        session, "service-account.changed", kind="service-account", of=row.id, by=by, now=now,
        personal=["description"], about=by.id, **facts,
    )  # fmt: skip
    if facts.get("owner"):
        await notices.settle(session, events.ServiceAccountOrphaned.type, [row.id], now=now)
    await session.flush()


async def deactivate(session: AsyncSession, row: ServiceAccount, *, by: Caller, now: datetime) -> None:
    """Take it out of use: denied everywhere from this commit on, with every key. Raises `Conflict`."""
    if row.status == "inactive":
        raise Conflict("This service account is inactive already.")
    await _stand(session, row, "inactive", "service-account.deactivated", by=by, now=now)
    fact = events.ServiceAccountDeactivated(name=row.name)
    await publish(session, fact, of=row.id, version=row.version, actor=by, now=now)
    await notices.settle(session, events.ServiceAccountOrphaned.type, [row.id], now=now)


async def reactivate(session: AsyncSession, row: ServiceAccount, *, by: Caller, now: datetime) -> None:
    """Put it into use again; keys that were not revoked and have not expired work again. Raises `Conflict`."""
    if row.status == "active":
        raise Conflict("This service account is active already.")
    await _stand(session, row, "active", "service-account.reactivated", by=by, now=now)
    fact = events.ServiceAccountReactivated(name=row.name)
    await publish(session, fact, of=row.id, version=row.version, actor=by, now=now)


async def tell_orphaned(session: AsyncSession, person_id: str, *, by: Caller | str, now: datetime) -> None:
    """Tell whoever stands in for a person who has left of each service account that nobody answers for now."""
    owned = select(ServiceAccount).where(col(ServiceAccount.owner) == person_id, col(ServiceAccount.status) == "active")
    for row in (await session.execute(owned.order_by(col(ServiceAccount.id)))).scalars().all():
        fact = events.ServiceAccountOrphaned(name=row.name, owner=person_id)
        event = await publish(session, fact, of=row.id, version=row.version, actor=by, now=now)
        title = f"Whoever answered for the service account {row.name} has left. Name another, or take it out of use."
        await notices.tell(session, person_id, event, title=title, path=f"/service-accounts/{row.id}", now=now)


async def _stand(
    session: AsyncSession, row: ServiceAccount, status: str, deed: str, *, by: Caller, now: datetime
) -> None:
    await past.leave_standing(session, row, row.status, now=now)
    row.status, row.updated_at = status, now
    await session.flush()
    audit.record(session, deed, kind="service-account", of=row.id, by=by, now=now)
    await freshness.forget(session, row.id)


async def _demand_sound(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str) -> None:
    if facts.get("source") is not None and isinstance(by, Caller):
        by.demand(rights.SOURCES, EVERYWHERE)
    await present.demand_person(session, facts.get("owner"), pointer="/owner")
