"""A system's catalogue taken out as a document, and compared with one that is to be taken in."""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import past
from access_service.catalogue.comparison import Comparison, compare
from access_service.catalogue.document import CatalogueDocument, Document, Faults, PermissionEntry, RoleEntry, Told
from access_service.catalogue.systems import demand_not_lodge
from access_service.tables import Permission, Person, Role, System
from lodge_kit import ids


@dataclass(slots=True)
class Catalogue:
    """A system's catalogue: its rows, and the document that says the same."""

    system: System
    version: int
    """Another one after each change: the catalogue's ETag."""
    document: CatalogueDocument
    permissions: dict[str, Permission]
    """By their names, as are the roles."""
    roles: dict[str, Role]


async def read(session: AsyncSession, system: System) -> Catalogue:
    """Read a system's catalogue."""
    of_system = select(Permission).where(col(Permission.system_id) == system.id).order_by(col(Permission.name))
    permissions = {one.name: one for one in (await session.execute(of_system)).scalars()}
    owned = select(Role, Person).outerjoin(Person, col(Person.id) == col(Role.owner))
    owned = owned.where(col(Role.system_id) == system.id).order_by(col(Role.name))
    roles = (await session.execute(owned)).all()
    contained = await _linked(session, system, past.CONTAINS, Permission)
    inherited = await _linked(session, system, past.INHERITS, Role)
    document = CatalogueDocument(
        permissions=[_permission_entry(one) for one in permissions.values()],
        roles=[
            _role_entry(role, owner, contained.get(role.id, []), inherited.get(role.id, [])) for role, owner in roles
        ],
    )
    version = _version([*permissions.values(), *(role for role, _ in roles)])
    return Catalogue(system, version, document, permissions, {role.name: role for role, _ in roles})


async def differences(
    session: AsyncSession, catalogue: Catalogue, told: Document, *, retire_missing: bool
) -> Comparison:
    """Compare a document with the catalogue. Raises `Invalid`, each fault where it stands; `LodgesOwn`."""
    demand_not_lodge(catalogue.system)
    known = replace(told, roles=await _with_owners(session, told.roles))
    # In a thread: of twenty thousand entries this takes a second, and decisions go on meanwhile.
    return await asyncio.to_thread(compare, catalogue.document, known, retire_missing=retire_missing)


async def people(session: AsyncSession, texts: Iterable[str | None]) -> dict[str, Person]:
    """Answer whom these name: by id, or by the user name of one whom the directory has not deleted."""
    wanted = {text for text in texts if text is not None}
    lower = {text.lower() for text in wanted}
    named = func.lower(col(Person.user_name)).in_(lower) & col(Person.deleted_at).is_(None)
    found = list((await session.execute(select(Person).where(or_(col(Person.id).in_(wanted), named)))).scalars())
    by_id = {one.id: one for one in found}
    by_name = {one.user_name.lower(): one for one in found if one.deleted_at is None}
    known = {text: by_id.get(text) or by_name.get(text.lower()) for text in wanted}
    return {text: person for text, person in known.items() if person is not None}


async def _with_owners(
    session: AsyncSession, told: Sequence[Told[RoleEntry]] | None
) -> Sequence[Told[RoleEntry]] | None:
    """Write each owner as the catalogue writes him, so that the same one is the same text. Raises `Invalid`."""
    if told is None:
        return None
    known = await people(session, (one.entry.owner for one in told))
    faults = Faults()
    rewritten = []
    for one in told:
        owner = one.entry.owner
        if owner is None:
            rewritten.append(one)
        elif owner in known:
            entry = one.entry.model_copy(update={"owner": _written(known[owner])})
            rewritten.append(replace(one, entry=entry))
        else:
            faults.note(one.place, "owner", code="unknown-person", detail=f"there is no person {owner!r}")
    faults.demand_none()
    return rewritten


def _written(person: Person) -> str:
    """Name a person as a document does: by user name, or by id where that could mean another."""
    is_clear = person.deleted_at is None and not re.fullmatch(ids.PATTERN, person.user_name)
    return person.user_name if is_clear else person.id


def _permission_entry(row: Permission) -> PermissionEntry:
    # Not validated: what is here was taken in once, and is told as it is.
    told = row.model_dump(include=set(PermissionEntry.model_fields))
    return PermissionEntry.model_construct(**told | {"supplier_code": row.supplier_code or None})


def _role_entry(row: Role, owner: Person | None, contained: list[str], inherited: list[str]) -> RoleEntry:
    told = row.model_dump(include=set(RoleEntry.model_fields) - {"owner"})
    links = {"permissions": sorted(contained), "inherits": sorted(inherited)}
    return RoleEntry.model_construct(**told | links, owner=_written(owner) if owner else None)


async def _linked(
    session: AsyncSession, system: System, link: past.Link, kind: type[Permission | Role]
) -> dict[str, list[str]]:
    """Answer the names of what each role contains, or inherits from, by the role's id."""
    rows = select(link.column(link.outer), col(kind.name)).join(kind, col(kind.id) == link.column(link.inner))
    found: dict[str, list[str]] = {}
    for role, name in await session.execute(rows.where(col(kind.system_id) == system.id)):
        found.setdefault(role, []).append(name)
    return found


def _version(rows: Sequence[Permission | Role]) -> int:
    """Make one number of all rows' versions: 64 bits of their SHA-256."""
    told = "".join(sorted(f"{one.id} {one.version}\n" for one in rows))
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8])
