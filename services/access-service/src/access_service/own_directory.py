"""The directory as access-service itself asks it: from its own rows."""

from collections.abc import Sequence

from sqlalchemy import select, union_all
from sqlmodel import col

from access_service import people
from access_service.tables import Person, ServiceAccount
from lodge_kit.clock import Clock
from lodge_kit.database import Database
from lodge_kit.directory import Recipient, Reference


class OwnDirectory:
    """Names and recipients without a call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def names(self, wanted: Sequence[str]) -> list[Reference]:
        """Answer those of `wanted` that exist."""
        async with self._database.transaction() as session:
            kinds = (Person, ServiceAccount)
            found = union_all(*(select(col(kind.id), col(kind.name)).where(col(kind.id).in_(wanted)) for kind in kinds))
            rows = await session.execute(found)
            return [Reference(id=row.id, name=row.name) for row in rows]

    async def recipients(self, person: str) -> list[Recipient]:
        """Answer who is told when `person` is meant."""
        async with self._database.transaction() as session:
            told = await people.told_for(session, person, now=self._clock())
            return [Recipient.model_validate(one.model_dump()) for one in told]
