"""The e-mail addresses of a person: all that are known, and among them the one that Lodge writes to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import past
from access_service.tables import PersonEmail


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the directory tells it (RFC 7643, section 4.1.2)."""

    value: str
    display: str | None = None
    type: str | None = None
    primary: bool | None = None


def main(addresses: Sequence[Address]) -> Address | None:
    """Answer the one to write to: the primary one, or else the first."""
    return next((one for one in addresses if one.primary), addresses[0] if addresses else None)


def readdressed(addresses: Sequence[Address], value: str | None) -> list[Address]:
    """Put `value` in the place of the address that is written to; None takes all away."""
    if value is None:
        return []
    changing = main(addresses)
    if changing is None:
        return [Address(value, type="work", primary=True)]
    return [replace(one, value=value) if one is changing else one for one in addresses]


def apart(facts: Mapping[str, Any], known: Sequence[Address] = ()) -> tuple[dict[str, Any], list[Address] | None]:
    """Part what is told of a person into columns of `Person` and addresses; None where nothing is told of these.

    Told are `emails`, all of them in order, or `email`, the one to write to.
    """
    columns = dict(facts)
    if "emails" in columns:
        addresses: list[Address] = columns.pop("emails")
        chosen = main(addresses)
        return columns | {"email": chosen.value if chosen else None}, addresses
    if "email" in columns:
        return columns, readdressed(known, columns["email"])
    return columns, None


async def of(session: AsyncSession, people: Iterable[str]) -> dict[str, list[Address]]:
    """Answer the addresses of these people, each person's in order; who has none is left out."""
    found = select(PersonEmail).where(past.among(col(PersonEmail.person_id), people))
    addresses: dict[str, list[Address]] = {}
    for row in (await session.execute(found.order_by(col(PersonEmail.position)))).scalars():
        addresses.setdefault(row.person_id, []).append(Address(row.value, row.display, row.type, row.primary))
    return addresses


async def add(session: AsyncSession, person_id: str, addresses: Sequence[Address]) -> None:
    """Add the addresses of somebody who has none."""
    if addresses:
        rows = [{"person_id": person_id, "position": at, **asdict(one)} for at, one in enumerate(addresses)]
        await session.execute(insert(PersonEmail), rows)


async def keep(session: AsyncSession, person_id: str, addresses: Sequence[Address]) -> None:
    """Make these all that is known of a person."""
    await session.execute(delete(PersonEmail).where(col(PersonEmail.person_id) == person_id))
    await add(session, person_id, addresses)
