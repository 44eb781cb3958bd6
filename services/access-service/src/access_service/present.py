"""Who is there to be referred to: whom the directory deleted is kept for the record, and found by nobody."""

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service.tables import Person
from lodge_kit.problems import Invalid

PEOPLE: ColumnElement[bool] = col(Person.deleted_at).is_(None)
"""What every list of people is narrowed by."""


async def person(session: AsyncSession, person_id: str) -> Person | None:
    """Read a person who is there, active or not."""
    found = await session.get(Person, person_id)
    return found if found is not None and found.deleted_at is None else None


async def demand_person(session: AsyncSession, person_id: str | None, *, pointer: str, other_than: str = "") -> None:
    """Refuse with 422 a reference to nobody, or to the one person that it may not be."""
    if person_id is not None and (person_id == other_than or await person(session, person_id) is None):
        raise Invalid.at(pointer, f"There is no {'other ' * bool(other_than)}person {person_id}.", "unknown-person")
