"""People: added, changed, gone, back again; and who is told in their place."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import (
    appointments,
    attribute_sources,
    email_addresses,
    events,
    freshness,
    givers,
    org_units,
    past,
    present,
    service_accounts,
)
from access_service.decisions import ADMINISTRATOR
from access_service.tables import Grant, Person, Role, ServiceAccount, System
from lodge_kit import audit, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Invalid, InvalidValue, NotFound, Problem


class NameTaken(Problem):
    """Another person has this user name or external id."""

    status, code = HTTPStatus.CONFLICT, "name-taken"


class FollowsAppointment(Problem):
    """What an appointment says is changed there."""

    status, code = HTTPStatus.CONFLICT, "follows-appointment"


class LastAdministrator(Problem):
    """Nobody would be left who could let anybody in again."""

    status, code = HTTPStatus.CONFLICT, "last-administrator"


_NAMES = ("user_name", "name")
_PLACE = frozenset(("org_unit", "manager"))


async def get(session: AsyncSession, person_id: str) -> Person:
    """Read a person. Raises `NotFound`, also for one whom the directory deleted."""
    person = await present.person(session, person_id)
    if person is None:
        raise NotFound(f"There is no person {person_id}.")
    return person


async def create(session: AsyncSession, facts: Mapping[str, Any], *, by: Caller | str, now: datetime) -> Person:
    """Add a person; `facts` are columns of `Person`, and `emails` in the place of `email` where all are told.

    A person must be called something, so whoever may add one says the names, whatever their source. Raises
    `NameTaken`, `Invalid`, `OtherSource`.
    """
    columns, addresses = email_addresses.apart(facts)
    _demand_order(columns)
    said = [name for name, value in columns.items() if value is not None and name not in _NAMES]
    await _demand_source(session, by, said)
    await _demand_sound(session, columns, of=None)
    person = Person(id=ids.new("per"), created_at=now, updated_at=now, **columns)
    session.add(person)
    await session.flush()
    await email_addresses.add(session, person.id, addresses or ())
    fact = events.PersonCreated(external_id=person.external_id)
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(
        session, "person.created", kind="person", of=person.id, by=by, now=now, personal=["user_name"],
        user_name=person.user_name,
    )  # fmt: skip
    return person


async def change(
    session: AsyncSession, person: Person, facts: Mapping[str, Any], *, by: Caller, now: datetime,
    is_directory: bool = False,
) -> None:  # fmt: skip
    """Change what `facts` names, as `create` takes it; whoever cached the person's rights asks anew.

    What is said anew and is no change may be said by anybody, since many send all that they know. Raises what
    `create` raises, `FollowsAppointment`, and `Forbidden` where `by` may not say who logs in as this person.
    """
    known = await email_addresses.of(session, [person.id]) if "email" in facts else {}
    columns, addresses = email_addresses.apart(facts, known.get(person.id, ()))
    new = [name for name, value in columns.items() if getattr(person, name) != value]
    _demand_order(facts, joined_on=person.joined_on, left_on=person.left_on)
    await _demand_source(session, by, new)
    await _demand_not_appointed(session, person, new)
    if "external_id" in new:
        await givers.demand_may_identify(session, person.id, by=by, now=now, is_directory=is_directory)
    await _demand_sound(session, {name: columns[name] for name in new}, of=person.id)
    was = person.org_unit
    for name, value in columns.items():
        setattr(person, name, value)
    person.updated_at = now
    await session.flush()
    if addresses is not None:
        await email_addresses.keep(session, person.id, addresses)
    fact = events.PersonChanged(external_id=person.external_id, changed=sorted(columns))
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.changed", kind="person", of=person.id, by=by, now=now, changed=sorted(columns))
    if not _PLACE.isdisjoint(new):
        await appointments.told_moved(session, person, was, by=by, now=now)
    await freshness.forget(session, person.id)


async def deactivate(session: AsyncSession, person: Person, *, by: Caller | str, now: datetime) -> None:
    """Let a person go: denied everywhere from this commit on; what was granted is kept for the record.

    Raises `Conflict`, `LastAdministrator`. Whatever the source of the status, all who may change people may do this.
    """
    if person.status == "inactive":
        raise Conflict("This person is inactive already.")
    await _demand_another_administrator(session, person, now=now)
    await past.leave_standing(session, person, person.status, now=now)
    person.status, person.updated_at = "inactive", now
    await session.flush()
    fact = events.PersonLeft(external_id=person.external_id)
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.left", kind="person", of=person.id, by=by, now=now)
    await service_accounts.tell_orphaned(session, person.id, by=by, now=now)
    await freshness.forget(session, person.id)


async def reactivate(session: AsyncSession, person: Person, *, by: Caller | str, today: date, now: datetime) -> None:
    """Take a person back. Raises `Conflict` when active or when the last day is over, `OtherSource`."""
    if person.status == "active":
        raise Conflict("This person is active already.")
    await _demand_source(session, by, [attribute_sources.STATUS])
    if person.left_on is not None and person.left_on < today:
        raise Conflict(f"The last day of this person was {person.left_on}. Change or clear left_on first.")
    await past.leave_standing(session, person, person.status, now=now)
    person.status, person.updated_at = "active", now
    await session.flush()
    fact = events.PersonReturned(external_id=person.external_id)
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.returned", kind="person", of=person.id, by=by, now=now)
    await appointments.turn_of_day(session, only=person.id, by=by, today=today, now=now)
    await freshness.forget(session, person.id)


async def _demand_another_administrator(session: AsyncSession, person: Person, *, now: datetime) -> None:
    if person.id not in {one.id for one in await administrators(session, now=now)}:
        return
    # Locked: the last two administrators may let each other go at the same moment.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lodge administrators', 0))"))
    if [one.id for one in await administrators(session, now=now)] == [person.id]:
        raise LastAdministrator("This is the only active administrator. Give another person that role first.")


def _demand_order(facts: Mapping[str, Any], *, joined_on: date | None = None, left_on: date | None = None) -> None:
    """Refuse a day of leaving before that of joining; `joined_on` and `left_on` are what is known so far."""
    joined, left = facts.get("joined_on", joined_on), facts.get("left_on", left_on)
    named = [name for name in ("left_on", "joined_on") if name in facts]
    if named and joined and left and left < joined:
        sentence = f"Nobody leaves before joining: left_on would be {left}, joined_on {joined}."
        raise Invalid.at(f"/{named[0]}", sentence, "left-before-joining")


async def _demand_source(session: AsyncSession, by: Caller | str, said: Iterable[str]) -> None:
    await attribute_sources.demand(session, by, {name: f"/{name}" for name in said})


async def _demand_not_appointed(session: AsyncSession, person: Person, new: Iterable[str]) -> None:
    place = sorted(_PLACE.intersection(new))
    if place and await appointments.is_appointed(session, person.id):
        sentence = f"{' and '.join(place)} of this person follow from the primary appointment of the day"
        raise FollowsAppointment(
            f"{sentence}. Change that, or add another: /access/v1/people/{person.id}/appointments.",
            errors=[
                InvalidValue(pointer=f"/{name}", code=FollowsAppointment.code, detail=f"{sentence}.") for name in place
            ],
        )


async def delete(session: AsyncSession, person: Person, *, by: Caller, now: datetime) -> None:
    """Forget a person as the directory does: found by nobody, in no group, the names free for another.

    The row, what was granted and what was done stay on record. Raises `LastAdministrator`.
    """
    if person.status == "active":
        await deactivate(session, person, by=by, now=now)
    for group in await past.unlink_everywhere(session, past.MEMBER, person.id, now=now):
        audit.record(session, "group.member-removed", kind="group", of=group, by=by, now=now, people=[person.id])
    person.deleted_at = person.updated_at = now
    await session.flush()
    fact = events.PersonDeleted(external_id=person.external_id)
    await publish(session, fact, of=person.id, version=person.version, actor=by, now=now)
    audit.record(session, "person.deleted", kind="person", of=person.id, by=by, now=now)
    await freshness.forget(session, person.id)


async def _demand_sound(session: AsyncSession, facts: Mapping[str, Any], *, of: str | None) -> None:
    await org_units.demand_open(session, facts.get("org_unit"))
    for name in ("manager", "deputy"):
        await present.demand_person(session, facts.get(name), pointer=f"/{name}", other_than=of or "")
    same = []
    if facts.get("user_name"):
        same.append(func.lower(col(Person.user_name)) == facts["user_name"].lower())
    if facts.get("external_id"):
        same.append(col(Person.external_id) == facts["external_id"])
    if same:
        taken = select(col(Person.id)).where(or_(*same), col(Person.id) != (of or ""), present.PEOPLE)
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
