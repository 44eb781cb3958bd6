"""The law of the audit: what nobody touched verifies, whoever was forgotten; what somebody touched does not."""

from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from lodge_kit import audit
from lodge_kit.audit import AuditFinding, Head, chain
from lodge_kit.tables import AuditEvent
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

KEY = b"outside the database"
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PEOPLE = ("per_1", "per_2", "per_3")


class Deed(NamedTuple):
    """What is put on record; with `about` it says something of a person."""

    facts: dict[str, Any]
    about: str | None
    at: datetime


DEEDS = st.lists(
    st.builds(
        Deed,
        st.dictionaries(st.sampled_from(["name", "reason", "n"]), st.one_of(WORDS, st.integers(), st.none())),
        st.sampled_from([None, *PEOPLE]),
        st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    ),
    min_size=1,
    max_size=9,
)


class Tampering(NamedTuple):
    """What somebody does to the row at `:seq`, and whether it takes an earlier head to see it."""

    statements: str
    needs_head: bool = False
    remade: bool = False
    """Whether all is sealed again afterwards, with the right key."""


_CLOSED = "UPDATE audit_event SET seq = -seq WHERE seq > :seq; UPDATE audit_event SET seq = -seq - 1 WHERE seq < 0;"
_OPENED = "UPDATE audit_event SET seq = -seq WHERE seq >= :seq; UPDATE audit_event SET seq = -seq + 1 WHERE seq < 0;"
_FORGED = (
    "INSERT INTO audit_event SELECT 'aud_forged', :seq, at, actor, client_id, action, subject_type, subject_id, facts,"
    " request_id, seal FROM audit_event ORDER BY seq LIMIT 1;"
)
_DELETED = "DELETE FROM audit_event WHERE seq = :seq;"
_CUT = "DELETE FROM audit_event WHERE seq >= :seq;"
_COUNTED = "UPDATE counter SET value = (SELECT count(*) FROM audit_event) WHERE name = 'audit';"
_CHANGES = [
    Tampering(f"UPDATE audit_event SET {change} WHERE seq = :seq")  # noqa: S608 - cases
    for change in (
        "id = id || 'x'", "at = at + interval '1 microsecond'", "actor = actor || 'x'",
        "client_id = coalesce(client_id, '') || 'x'", "action = 'slip.lost'", "subject_type = 'x'",
        "subject_id = subject_id || 'x'", "facts = facts || ' '", "request_id = 'x'", "seal = sha256(seal)",
        "seal = NULL", "seq = seq + 1000", "seq = -seq",
    )
]  # fmt: skip
_TAMPERINGS = st.sampled_from([
    *_CHANGES,
    Tampering(_DELETED),
    Tampering(_CUT),
    Tampering(f"{_DELETED} {_CLOSED} {_COUNTED}", needs_head=True),
    Tampering(f"{_CUT} {_COUNTED}", needs_head=True),
    Tampering(f"{_OPENED} {_FORGED} {_COUNTED}"),
    Tampering("UPDATE audit_event SET seq = NULL, seal = NULL WHERE seq = :seq"),
    Tampering("UPDATE audit_event SET actor = 'per_9' WHERE seq = :seq", needs_head=True, remade=True),
    Tampering(f"{_DELETED} {_CLOSED} {_COUNTED}", needs_head=True, remade=True),
    Tampering(f"{_OPENED} {_FORGED} {_COUNTED}", needs_head=True, remade=True),
])  # fmt: skip


async def record(desk: Any, deeds: list[Deed], *, anew: bool = True) -> Head:
    """Put these deeds on record and seal them, as the first where it begins `anew`; answers the head."""
    async with desk.world.database.transaction() as session:
        if anew:
            await session.execute(text("DELETE FROM audit_event"))
            await session.execute(text("DELETE FROM audit_personal"))
            await session.execute(text("UPDATE counter SET value = 0"))
        for deed in deeds:
            audit.record(
                session, "slip.filed", kind="slip", of="slp_1", by="per_1", now=deed.at,
                personal=["name", "reason"] if deed.about else [], about=deed.about, **deed.facts,
            )  # fmt: skip
        await audit.seal(session, KEY)
        return await audit.head(session)


async def tamper(desk: Any, what: Tampering, seq: int) -> None:
    async with desk.world.database.transaction() as session:
        for statement in what.statements.split(";"):
            if statement.strip():
                await session.execute(text(statement), {"seq": seq} if ":seq" in statement else {})
        if what.remade:
            await remake(session)


told = attrgetter("id", "at", "actor", "client_id", "action", "subject_type", "subject_id", "facts", "request_id")


async def remake(session: AsyncSession) -> None:
    """Seal all again, as one can who has the key."""
    previous = b""
    rows = (await session.execute(select(AuditEvent).order_by(col(AuditEvent.seq)))).scalars().all()
    for seq, row in enumerate(rows, start=1):
        previous = chain.sealed(KEY, previous, seq, told(row))
        await session.execute(update(AuditEvent).where(col(AuditEvent.id) == row.id).values(seal=previous))


async def found(desk: Any, earlier: Head) -> AuditFinding | None:
    return (await audit.verify(desk.world.database, KEY, earlier=earlier)).finding


async def tampering_is_seen(desk: Any, deeds: list[Deed], what: Tampering, place: int) -> None:
    head = await record(desk, deeds)
    assert (head.seq, await found(desk, head)) == (len(deeds), None)
    await tamper(desk, what, place % len(deeds) + 1)
    assert await found(desk, head) is not None
    assert what.needs_head or await found(desk, Head()) is not None
    await record(desk, deeds[:1], anew=False)
    assert await found(desk, head) is not None, "the next seal hid it"


async def forgetting_breaks_nothing(desk: Any, deeds: list[Deed], forgotten: list[str], later: list[Deed]) -> None:
    head = await record(desk, deeds)
    async with desk.world.database.transaction() as session:
        for person in forgotten:
            await audit.erase(session, person, kind="person", by="per_9", now=deeds[0].at)
        left = set((await session.execute(text("SELECT about FROM audit_personal"))).scalars())
    assert left.isdisjoint(forgotten)
    assert await found(desk, head) is None
    await record(desk, later, anew=False)
    assert await found(desk, head) is None


def test_tampering_is_seen(make_desk: Callable[..., Any], issuer: Issuer) -> None:
    with anyio.from_thread.start_blocking_portal() as portal:
        desk = portal.call(_made, make_desk)
        opened = desk.opened(issuer)
        portal.call(opened.__aenter__)

        @given(deeds=DEEDS, what=_TAMPERINGS, place=st.integers(0, 8))
        @examples(max_examples=75, deadline=None, suppress_health_check=list(HealthCheck))
        def law(deeds: list[Deed], what: Tampering, place: int) -> None:
            portal.call(tampering_is_seen, desk, deeds, what, place)

        law()
        portal.call(opened.__aexit__, None, None, None)


def test_forgetting_breaks_nothing(make_desk: Callable[..., Any], issuer: Issuer) -> None:
    with anyio.from_thread.start_blocking_portal() as portal:
        desk = portal.call(_made, make_desk)
        opened = desk.opened(issuer)
        portal.call(opened.__aenter__)

        @given(deeds=DEEDS, forgotten=st.lists(st.sampled_from(PEOPLE), max_size=4), later=DEEDS)
        @examples(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def law(deeds: list[Deed], forgotten: list[str], later: list[Deed]) -> None:
            portal.call(forgetting_breaks_nothing, desk, deeds, forgotten, later)

        law()
        portal.call(opened.__aexit__, None, None, None)


async def _made(make_desk: Callable[..., Any]) -> Any:
    return make_desk()
