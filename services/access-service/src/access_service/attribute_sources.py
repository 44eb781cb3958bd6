"""Which source alone may say which attribute of people, so that the directory cannot overwrite what HR knows.

An attribute without a source is anybody's who may change people. A service account speaks for its `source`; a person
who changes something by hand speaks for `lodge`; what Lodge does by itself is bound by no source.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service.tables import AttributeSource, ServiceAccount
from lodge_kit import audit
from lodge_kit.identity import Caller
from lodge_kit.problems import InvalidValue, NotFound, Problem

LODGE = "lodge"
"""The source that a person is who writes by hand."""
APPOINTMENTS = "appointments"
STATUS = "status"
"""Who may take a person back. Letting one go is open to all who may change people: it only ever takes away."""

_KNOWN = "attribute sources"

SOURCE = r"^[a-z][a-z0-9-]{0,62}$"
"""What a source may be called."""

ATTRIBUTES = (
    "user_name", "external_id", "name", "given_name", "family_name", "email", "title", "employee_number",
    "org_unit", "manager", "deputy", "joined_on", "left_on", STATUS, APPOINTMENTS,
)  # fmt: skip


class OtherSource(Problem):
    """Some of what was sent comes from another source than the caller."""

    status, code = HTTPStatus.CONFLICT, "other-source"


async def sources(session: AsyncSession) -> dict[str, str]:
    """Answer the attributes that have a source, each with it. Read once a transaction, which may bring a thousand."""
    if _KNOWN not in session.info:
        rows = await session.execute(select(col(AttributeSource.attribute), col(AttributeSource.source)))
        session.info[_KNOWN] = {row.attribute: row.source for row in rows}
    known: dict[str, str] = session.info[_KNOWN]
    return known


async def others(session: AsyncSession, by: Caller | str, attributes: Iterable[str]) -> dict[str, str]:
    """Answer those of `attributes` that this caller may not say, each with the source that may."""
    wanted = set(attributes)
    if isinstance(by, str) or not wanted:
        return {}
    named = {name: source for name, source in (await sources(session)).items() if name in wanted}
    speaks_for = await _source_of(session, by) if named else None
    return {name: source for name, source in sorted(named.items()) if source != speaks_for}


async def demand(session: AsyncSession, by: Caller | str, pointers: Mapping[str, str]) -> None:
    """Refuse with 409 what comes from another source; `pointers` maps each attribute to where it was said."""
    foreign = await others(session, by, pointers)
    if not foreign:
        return
    said = {name: f"{name} comes from {source}" for name, source in foreign.items()}
    raise OtherSource(
        f"{'; '.join(said.values())}. Leave it out, or change it there.",
        errors=[InvalidValue(pointer=pointers[name], code=OtherSource.code, detail=f"{said[name]}.") for name in said],
    )


async def _source_of(session: AsyncSession, by: Caller) -> str | None:
    if by.id.startswith("per_"):
        return LODGE
    account = await session.get(ServiceAccount, by.id)
    return account.source if account else None


async def assign(session: AsyncSession, attribute: str, source: str, *, by: Caller, now: datetime) -> AttributeSource:
    """Make `source` the only one that may say `attribute`; what is known of people already stays."""
    row = await session.get(AttributeSource, attribute) or AttributeSource(attribute=attribute, source=source)
    row.source = source
    session.add(row)
    audit.record(session, "attribute-source.assigned", kind="attribute", of=attribute, by=by, now=now, source=source)
    await session.flush()
    session.info.pop(_KNOWN, None)
    return row


async def release(session: AsyncSession, attribute: str, *, by: Caller, now: datetime) -> None:
    """Have everybody who may change people say `attribute` again. Raises `NotFound` where it has no source."""
    row = await session.get(AttributeSource, attribute)
    if row is None:
        raise NotFound(f"The attribute {attribute} has no source.")
    audit.record(session, "attribute-source.released", kind="attribute", of=attribute, by=by, now=now)
    await session.delete(row)
    await session.flush()
    session.info.pop(_KNOWN, None)
