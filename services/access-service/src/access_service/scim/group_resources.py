"""Groups as SCIM has them: what is shown of a row and of its members, and whom a caller names as members."""

from collections.abc import Iterable, Sequence
from typing import Any

from scim2_models import InvalidValueException, Meta
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import past
from access_service.scim import columns
from access_service.scim.resources import GROUP, Group, MemberList
from access_service.tables import Group as GroupRow
from access_service.tables import GroupMember, Person

_MEMBERS = ("members", f"{GROUP}:members".lower())


async def read(
    session: AsyncSession, ids: Sequence[str], *, with_members: bool, locked: bool = False
) -> list[tuple[GroupRow, Group]]:
    """Read these groups, each as a row and as a resource, in the order asked for; what is not there is left out.

    `locked`: until the transaction ends nobody else changes them.
    """
    if not ids:
        return []
    statement = columns.groups(GroupRow).where(past.among(col(GroupRow.id), ids))
    if locked:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    rows = {row.id: row for row in (await session.execute(statement)).scalars()}
    groups = [(rows[one], _shown(rows[one])) for one in ids if one in rows]
    if with_members:
        members = await _members(session, list(rows))
        for row, group in groups:
            group.list_members(MemberList(members.get(row.id, [])))
    return groups


async def count(session: AsyncSession, group_id: str) -> int:
    """Say how many people are in a group."""
    found = select(func.count()).select_from(GroupMember).where(col(GroupMember.group_id) == group_id)
    return (await session.execute(found)).scalar_one()


async def _members(session: AsyncSession, group_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    statement = (
        select(col(GroupMember.group_id), col(GroupMember.person_id), col(Person.name))
        .join(Person, col(Person.id) == col(GroupMember.person_id))
        .where(past.among(col(GroupMember.group_id), group_ids))
        .order_by(col(GroupMember.added_at), col(GroupMember.person_id))
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for group, person, name in await session.execute(statement):
        found.setdefault(group, []).append((person, name))
    return found


def _shown(row: GroupRow) -> Group:
    meta = Meta(
        resource_type="Group", created=row.created_at, last_modified=row.updated_at, version=f'W/"{row.version}"'
    )
    return Group(id=row.id, external_id=row.external_id, display_name=row.name, meta=meta)


def told(group: Group) -> dict[str, Any]:
    """Answer what a group tells: columns of `Group`. Members are apart."""
    return {"name": group.display_name, "external_id": group.external_id or None}


def meant(group: Group) -> list[str] | None:
    """Answer whom a group that a caller sent has as its members, each once; None where nothing is said of them.

    Raises `InvalidValueException`.
    """
    if group.listed is not None:
        return [person for person, _ in group.listed.people]
    if group.members is None:
        return [] if "members" in group.model_fields_set else None
    return _each_once((one.value, one.ref, one.type) for one in group.members)


def is_members(key: str) -> bool:
    """Say whether a key of a payload names the members."""
    return key.lower() in _MEMBERS


def named(value: Any) -> list[str]:
    """Answer whom a payload's members name: one or several, each an object. Raises `InvalidValueException`."""
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return _each_once(_read(one) for one in entries)


def _read(entry: Any) -> tuple[str | None, str | None, str | None]:
    """Read value, $ref and type of an entry; whatever the case of their names (RFC 7643, section 2.1)."""
    told = {str(key).lower(): item for key, item in entry.items()} if isinstance(entry, dict) else {}
    value, ref, kind = (told.get(name) for name in ("value", "$ref", "type"))
    if not told or not all(one is None or isinstance(one, str) for one in (value, ref, kind)):
        raise InvalidValueException(detail="A member is an object that has the id of a User as its value.")
    return value, ref, kind


def _each_once(members: Iterable[tuple[str | None, str | None, str | None]]) -> list[str]:
    found: dict[str, None] = {}
    for value, ref, kind in members:
        person = value or (ref.rstrip("/").rpartition("/")[2] if ref else None)
        if not person or "\0" in person:
            raise InvalidValueException(detail="A member is named by value, the id of a User.")
        if (kind or "User").lower() != "user" or person.startswith("grp_"):
            raise InvalidValueException(detail=f"{person} is no User: groups of Lodge hold people only.")
        found[person] = None
    return list(found)
