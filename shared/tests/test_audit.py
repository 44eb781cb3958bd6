"""The audit's chain: what is sealed cannot be altered, removed or cut off unseen."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from lodge_kit import audit

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("clerk")]

KEY = b"outside the database"
FORGED = (
    "INSERT INTO audit_event SELECT 'aud_x', 6, at, actor, client_id, action, subject_type, subject_id, facts,"
    " request_id, seal FROM audit_event WHERE seq = 5"
)


async def sealed(desk: Any, count: int = 5) -> None:
    async with desk.world.database.transaction() as session:
        for number in range(count):
            audit.record(
                session, "slip.filed", kind="slip", of=f"slp_{number}", by="per_1", now=datetime.now(UTC), n=number
            )
    async with desk.world.database.transaction() as session:
        assert await audit.seal(session, KEY) == count


async def broken(desk: Any, key: bytes = KEY) -> int | None:
    async with desk.world.database.transaction() as session:
        return await audit.broken(session, key)


async def execute(desk: Any, statement: str) -> None:
    async with desk.world.database.transaction() as session:
        await session.execute(text(statement))


async def test_a_chain_that_nobody_touched_verifies(desk: Any) -> None:
    assert await broken(desk) is None
    await sealed(desk)
    await sealed(desk, 3)
    assert await broken(desk) is None
    async with desk.world.database.transaction() as session:
        assert await audit.seal(session, KEY) == 0
        seq, seal = await audit.head(session)
    assert (seq, len(seal)) == (8, 64)


async def test_it_verifies_whatever_the_time_zone_of_the_session(desk: Any) -> None:
    await sealed(desk)
    async with desk.world.database.transaction() as session:
        await session.execute(text("SET LOCAL TIME ZONE 'Asia/Kolkata'"))
        assert await audit.broken(session, KEY) is None


@pytest.mark.parametrize(
    ("deed", "found"),
    [
        ("UPDATE audit_event SET actor = 'per_2' WHERE seq = 3", 3),
        ("UPDATE audit_event SET facts = '{}' WHERE seq = 1", 1),
        ("UPDATE audit_event SET at = at + interval '1 microsecond' WHERE seq = 5", 5),
        ("UPDATE audit_event SET client_id = 'key_1' WHERE seq = 2", 2),
        ("UPDATE audit_event SET seal = NULL WHERE seq = 4", 4),
        ("DELETE FROM audit_event WHERE seq = 3", 3),
        ("DELETE FROM audit_event WHERE seq = 1", 1),
        ("DELETE FROM audit_event WHERE seq = 5", 5),
        ("DELETE FROM audit_event WHERE seq > 2", 3),
        ("UPDATE audit_event SET seq = 7 - seq WHERE seq IN (3, 4)", 3),
        (FORGED, 6),
    ],
)  # fmt: skip
async def test_what_was_done_to_the_chain_is_found(desk: Any, deed: str, found: int) -> None:
    await sealed(desk)
    await execute(desk, "ALTER TABLE audit_event DROP CONSTRAINT uq_audit_event_seq")
    try:
        await execute(desk, deed)
        assert await broken(desk) == found
    finally:
        await execute(desk, "DELETE FROM audit_event")
        await execute(desk, "ALTER TABLE audit_event ADD CONSTRAINT uq_audit_event_seq UNIQUE (seq)")


async def test_another_key_verifies_nothing(desk: Any) -> None:
    await sealed(desk)
    assert await broken(desk, b"another") == 1


async def test_two_sealers_at_once_make_one_chain(desk: Any) -> None:
    async with desk.world.database.transaction() as session:
        audit.record(session, "slip.filed", kind="slip", of="slp_1", by="per_1", now=datetime.now(UTC))
    async with desk.world.database.transaction() as first:
        assert await audit.seal(first, KEY) == 1
        async with desk.world.database.transaction() as second:
            assert await audit.seal(second, KEY) == 0
    assert await broken(desk) is None
