"""Forgetting a person for good: what says who it was is gone; what was granted and done stays on record, by id."""

from datetime import datetime
from http import HTTPStatus

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import events, people
from access_service.tables import ApiKey, Appointment, Grant, PastGrant, Person, PersonEmail
from lodge_kit import audit
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, NotFound, Problem
from lodge_kit.tables import Notice

NAME = "Erased person"
"""What is shown in the place of the name, wherever a record leads to the person."""


class StillHere(Problem):
    """Somebody who is active, or may do something, is no one to be forgotten."""

    status, code = HTTPStatus.CONFLICT, "still-here"


async def get(session: AsyncSession, person_id: str) -> Person:
    """Read a person, held until the end of the transaction; also one whom the directory deleted. Raises `NotFound`."""
    found: Person | None = await session.get(Person, person_id, with_for_update=True)
    if found is None:
        raise NotFound(f"There is no person {person_id}.")
    return found


async def erase(session: AsyncSession, person: Person, *, by: Caller, now: datetime) -> None:
    """Erase what is known of a person, from the directory, the grants' reasons and the audit. Nothing brings it back.

    The person is deleted first, where the directory has not done so. Raises `StillHere`, and `Conflict` the second
    time.
    """
    if person.erased_at is not None:
        raise Conflict("This person was erased already.")
    await _demand_gone(session, person, now=now)
    if person.deleted_at is None:
        await people.delete(session, person, by=by, now=now)
    person.user_name, person.name = f"erased-{person.id}", NAME
    person.external_id = person.email = person.title = person.employee_number = None
    person.given_name = person.family_name = person.formatted_name = None
    person.manager = person.deputy = None
    person.erased_at = person.updated_at = now
    await session.flush()
    await _forget_beside(session, person.id)
    await audit.erase(session, person.id, kind="person", by=by, now=now)
    await publish(session, events.PersonErased(), of=person.id, version=person.version, actor=by, now=now)


async def _demand_gone(session: AsyncSession, person: Person, *, now: datetime) -> None:
    if person.status == "active":
        raise StillHere(f"This person is active. First POST /access/v1/people/{person.id}/deactivate.")
    holds = select(col(Grant.id)).where(col(Grant.subject) == person.id)
    holds = holds.where(or_(col(Grant.valid_to).is_(None), col(Grant.valid_to) > now))
    found = (await session.execute(holds.order_by(col(Grant.id)).limit(1))).scalar()
    if found is not None:
        raise StillHere(
            f"This person holds grants, {found} for one. First end them: GET /access/v1/grants?subject={person.id}."
        )


async def _forget_beside(session: AsyncSession, person_id: str) -> None:
    """Forget what other rows say of the person in words that somebody chose."""
    theirs = select(col(Grant.id)).where(col(Grant.subject) == person_id)
    for statement in (
        delete(PersonEmail).where(col(PersonEmail.person_id) == person_id),
        delete(Notice).where(col(Notice.recipient) == person_id),  # with the addresses that they were sent to
        update(Appointment).where(col(Appointment.person_id) == person_id).values(title=None),
        update(ApiKey).where(col(ApiKey.owner) == person_id).values(label=""),
        update(Grant).where(col(Grant.subject) == person_id).values(reason=""),
        update(Grant).where(col(Grant.subject) == person_id, col(Grant.end_reason).is_not(None)).values(end_reason=""),
        update(PastGrant)
        .where(col(PastGrant.grant_id).in_(theirs), col(PastGrant.end_reason).is_not(None))
        .values(end_reason=""),
    ):
        await session.execute(statement.execution_options(synchronize_session=False))
