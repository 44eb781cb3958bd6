"""What the other services must know of people: what they are called, and who is told in their place.

access-service holds it. Each service keeps the names that it has seen (`{id, name}` references need no call), and
asks through the gateway, with its own account's key, for what it does not know.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

import aiohttp
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit.identity import Caller
from lodge_kit.problems import Invalid, Unavailable
from lodge_kit.tables import KnownName


class Reference(BaseModel):
    """Somebody or something, by id and by the name that people know."""

    id: str
    name: str


def reference(one: str | None, name: str | None) -> Reference | None:
    """Refer to something by its id and the name that is known of it; None where there is nothing to refer to."""
    return Reference(id=one, name=name or "") if one else None


class Recipient(BaseModel):
    """Somebody who is to be told: the person meant, or who stands in for one who has left."""

    id: str
    name: str
    email: str | None = None
    notices: Literal["each", "daily", "none"] = Field("each", description="How this person wants mail.")


class DirectoryAway(Unavailable):
    """access-service cannot be asked now."""

    code = "directory-away"


class Directory(Protocol):
    """What a service asks about people."""

    async def names(self, wanted: Sequence[str]) -> list[Reference]:
        """Answer those of `wanted` that exist."""
        ...

    async def recipients(self, person: str) -> list[Recipient]:
        """Answer who is told when `person` is meant: that person, else the deputy, else the administrators."""
        ...


class GatewayDirectory:
    """Asks access-service through the gateway, with the key of this service's own account."""

    def __init__(self, gateway_url: str, key: str | None) -> None:
        self._url = gateway_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def _get(self, path: str, **params: str) -> object:
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session,
                session.get(self._url + path, params=params) as answer,
            ):
                if answer.status == 200:  # noqa: PLR2004 - OK
                    return await answer.json()
                raise DirectoryAway(
                    f"access-service answered {answer.status} when asked about people. Try again later."
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DirectoryAway("access-service cannot be asked about people now. Try again in a moment.") from error

    async def names(self, wanted: Sequence[str]) -> list[Reference]:
        """Answer those of `wanted` that exist."""
        found = _Names.model_validate(await self._get("/access/v1/names", id=",".join(wanted)))
        return found.items

    async def recipients(self, person: str) -> list[Recipient]:
        """Answer who is told when `person` is meant."""
        return _Recipients.model_validate(await self._get(f"/access/v1/recipients/{person}")).items


class _Names(BaseModel):
    items: list[Reference]


class _Recipients(BaseModel):
    items: list[Recipient]


async def remember(session: AsyncSession, known: Iterable[Reference], *, now: datetime) -> None:
    """Keep names for `{id, name}` references; a newer name replaces an older one."""
    rows = [{"id": one.id, "name": one.name, "seen_at": now} for one in known]
    if rows:
        new = insert(KnownName).values(rows)
        changed = {"name": new.excluded.name, "seen_at": new.excluded.seen_at}
        await session.execute(
            new.on_conflict_do_update(
                index_elements=["id"], set_=changed, where=col(KnownName.name) != new.excluded.name
            )
        )


async def remember_caller(session: AsyncSession, by: Caller, *, now: datetime) -> None:
    """Keep the caller's own name, which the gateway's token carries."""
    await remember(session, [Reference(id=by.id, name=by.name)], now=now)


async def demand_known(
    session: AsyncSession, directory: Directory, wanted: Iterable[tuple[str, str | None]], *, now: datetime
) -> None:
    """Refuse with 422 what is nobody. `wanted` are (pointer, id) pairs; what is not known yet is asked for once."""
    asked = [(pointer, person) for pointer, person in wanted if person is not None]
    here = await session.execute(
        select(col(KnownName.id)).where(col(KnownName.id).in_([person for _, person in asked]))
    )
    known = set(here.scalars())
    missing = sorted({person for _, person in asked} - known)
    if missing:
        found = await directory.names(missing)
        await remember(session, found, now=now)
        known |= {one.id for one in found}
    for pointer, person in asked:
        if person not in known:
            code = "unknown-person" if person.startswith(("per_", "svc_")) else "unknown-id"
            raise Invalid.at(pointer, f"access-service knows no {person}.", code)
