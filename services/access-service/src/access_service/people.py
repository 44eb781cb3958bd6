"""People: added, changed, gone, back again; and who is told in their place."""

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import events, freshness, org_units, past
from access_service.decisions import ADMINISTRATOR
from access_service.tables import Grant, Person, Role, ServiceAccount, System
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, NotFound, Problem


class NameTaken(Problem):
    """Another person has this user name or external id."""

    status, code = HTTPStatus.CONFLICT, "name-taken"


class LastAdministrator(Problem):
    """Nobody would be left who could let anybody in again."""

    status, code = HTTPStatus.CONFLICT, "last-administrator"


async def get(session: AsyncSession, person_id: str) -> Person:
    """Read a person. Raises `NotFound`."""
    person = await session.get(Person, person_id)
    if person is None:
        raise NotFound(f"There is no person {person_id}.")
    return person


async def create(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str, now: datetime) -> Person:
    """Add a person; `facts` are columns of `Person`. Raises `NameTaken`, `Invalid`."""
    _demand_order(facts)
    await _demand_sound(session, facts, of=None)
    person = Person(id=ids.new("per"), created_at=now, updated_at=now, **facts)
    session.add(person)
    await session.flush()
    fact = events.PersonCreated(external_id=person.external_id)
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.created", kind="person", of=person.id, by=by, now=now, user_name=person.user_name)
    return person


async def change(session: AsyncSession, person: Person, facts: Mapping[str, Any], *, by: Caller, now: datetime) -> None:
    """Change what `facts` names; whoever cached the person's rights asks anew."""
    _demand_order(facts, joined_on=person.joined_on, left_on=person.left_on)
    await _demand_sound(session, facts, of=person.id)
    for name, value in facts.items():
        setattr(person, name, value)
    person.updated_at = now
    await session.flush()
    fact = events.PersonChanged(external_id=person.external_id, changed=sorted(facts))
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.changed", kind="person", of=person.id, by=by, now=now, changed=sorted(facts))
    await freshness.forget(session, person.id)


async def deactivate(session: AsyncSession, person: Person, *, by: Caller, now: datetime) -> None:
    """Let a person go: denied everywhere from this commit on; what was granted is kept for the record."""
    if person.status == "inactive":
        raise Conflict("This person is inactive already.")
    if [one.id for one in await administrators(session, now=now)] == [person.id]:
        raise LastAdministrator("This is the only active administrator. Give another person that role first.")
    await past.leave_standing(session, person, person.status, now=now)
    person.status, person.updated_at = "inactive", now
    await session.flush()
    fact = events.PersonLeft(external_id=person.external_id)
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.left", kind="person", of=person.id, by=by, now=now)
    await freshness.forget(session, person.id)


async def reactivate(session: AsyncSession, person: Person, *, by: Caller, now: datetime) -> None:
    """Take a person back."""
    if person.status == "active":
        raise Conflict("This person is active already.")
    await past.leave_standing(session, person, person.status, now=now)
    person.status, person.updated_at = "active", now
    await session.flush()
    fact = events.PersonReturned(external_id=person.external_id)
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.returned", kind="person", of=person.id, by=by, now=now)
    await freshness.forget(session, person.id)


def _demand_order(facts: Mapping[str, Any], *, joined_on: date | None = None, left_on: date | None = None) -> None:
    """Refuse a day of leaving before that of joining; `joined_on` and `left_on` are what is known so far."""
    joined, left = facts.get("joined_on", joined_on), facts.get("left_on", left_on)
    named = [name for name in ("left_on", "joined_on") if name in facts]
    if named and joined and left and left < joined:
        sentence = f"Nobody leaves before joining: left_on would be {left}, joined_on {joined}."
        raise Invalid.at(f"/{named[0]}", sentence, "left-before-joining")


async def _demand_sound(session: AsyncSession, facts: Mapping[str, Any], *, of: str | None) -> None:
    await org_units.demand(session, facts.get("org_unit"))
    for name in ("manager", "deputy"):
        other = facts.get(name)
        if other is not None and (other == of or await session.get(Person, other) is None):
            raise Invalid.at(f"/{name}", f"There is no other person {other}.", "unknown-person")
    same = []
    if facts.get("user_name"):
        same.append(func.lower(col(Person.user_name)) == facts["user_name"].lower())
    if facts.get("external_id"):
        same.append(col(Person.external_id) == facts["external_id"])
    if same:
        taken = select(col(Person.id)).where(or_(*same), col(Person.id) != (of or ""))
        if (await session.execute(taken.limit(1))).scalar():
            raise NameTaken("Another person has this user_name or external_id. Look for that one and change it.")


async def told_for(session: AsyncSession, person_id: str, *, now: datetime) -> list[Person]:
    """Answer who is told when this one is meant: the person; who has left, the deputy; else the administrators.

    A service account is meant as whoever answers for it.
    """
    seen: set[str] = set()
    here: str | None = person_id
    if person_id.startswith("svc_"):
        account = await session.get(ServiceAccount, person_id)
        here = account.owner if account else None
    while here is not None and here not in seen:
        seen.add(here)
        person = await session.get(Person, here)
        if person is not None and person.status == "active":
            return [person]
        here = person.deputy if person else None
    return await administrators(session, now=now)


async def administrators(session: AsyncSession, *, now: datetime) -> list[Person]:
    """Answer the active people who hold Lodge's role `administrator` themselves."""
    found = (
        select(Person)
        .join(Grant, col(Grant.subject) == col(Person.id))
        .join(Role, col(Role.id) == col(Grant.role_id))
        .join(System, col(System.id) == col(Role.system_id))
        .where(col(System.key) == "lodge", col(Role.name) == ADMINISTRATOR, col(Person.status) == "active")
        .where(col(Grant.valid_from) <= now, or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > now))
        .order_by(col(Person.id))
        .distinct()
    )
    return list((await session.execute(found)).scalars())
