"""The audit's chain: what is sealed cannot be altered, removed or cut off unseen; people can be forgotten."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from lodge_kit import audit
from lodge_kit.audit import AuditFinding, Head, Verification
from lodge_kit.identity import Caller

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("clerk")]

KEY = b"outside the database"
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
FORGED = (
    "INSERT INTO audit_event SELECT 'aud_x', 6, at, actor, client_id, action, subject_type, subject_id, facts,"
    " request_id, seal FROM audit_event WHERE seq = 5"
)
CHANGED, MISSING, CUT = AuditFinding.ROW_CHANGED, AuditFinding.ROW_MISSING, AuditFinding.END_CUT_OFF


async def file(desk: Any, count: int = 5, *, about: str | None = None) -> None:
    """Put slips on record; where they are about somebody, with that one's name."""
    async with desk.world.database.transaction() as session:
        for number in range(count):
            named: dict[str, Any] = {"personal": ["name"], "about": about, "name": f"Ms {number}"} if about else {}
            audit.record(session, "slip.filed", kind="slip", of=f"slp_{number}", by="per_1", now=NOW, n=number, **named)


async def seal(desk: Any, key: bytes = KEY) -> int:
    async with desk.world.database.transaction() as session:
        return await audit.seal(session, key)


async def sealed(desk: Any, count: int = 5, **facts: Any) -> Head:
    """Put slips on record and seal them; answers the head then."""
    await file(desk, count, **facts)
    assert await seal(desk) == count
    async with desk.world.database.transaction() as session:
        return await audit.head(session)


async def erase(desk: Any, person: str) -> int:
    async with desk.world.database.transaction() as session:
        return await audit.erase(session, person, kind="person", by="per_2", now=NOW)


async def verified(desk: Any, key: bytes = KEY, earlier: Head = Head()) -> Verification:  # noqa: B008 - frozen
    return await audit.verify(desk.world.database, key, earlier=earlier)


async def found(desk: Any, **asked: Any) -> tuple[AuditFinding | None, int | None]:
    outcome = await verified(desk, **asked)
    assert outcome.said
    return outcome.finding, outcome.seq


async def execute(desk: Any, statement: str) -> None:
    async with desk.world.database.transaction() as session:
        await session.execute(text(statement))


async def test_a_chain_that_nobody_touched_verifies(desk: Any) -> None:
    assert await verified(desk) == Verification(0, Head())
    first = await sealed(desk)
    last = await sealed(desk, 3)
    assert await verified(desk) == await verified(desk, earlier=first) == Verification(8, last)
    assert await seal(desk) == 0
    assert (last.seq, len(last.seal), last.at) == (8, 64, NOW)
    assert (await verified(desk)).said == "All 8 rows are as they were sealed, in their order."


async def test_it_verifies_whatever_the_time_zone_of_the_database(desk: Any) -> None:
    async with desk.world.database.transaction() as session:
        await session.execute(text("SET LOCAL TIME ZONE 'Asia/Kolkata'"))
        audit.record(session, "slip.filed", kind="slip", of="slp_1", by="per_1", now=NOW.astimezone())
    assert await seal(desk) == 1
    assert (await verified(desk)).checked == 1


@pytest.mark.parametrize(
    ("deed", "finding"),
    [
        ("UPDATE audit_event SET actor = 'per_2' WHERE seq = 3", (CHANGED, 3)),
        ("UPDATE audit_event SET facts = '{}' WHERE seq = 1", (CHANGED, 1)),
        ("UPDATE audit_event SET facts = 'no JSON \"digest\"' WHERE seq = 1", (CHANGED, 1)),
        ("UPDATE audit_event SET at = at + interval '1 microsecond' WHERE seq = 5", (CHANGED, 5)),
        ("UPDATE audit_event SET at = 'infinity' WHERE seq = 5", (CHANGED, 5)),
        ("UPDATE audit_event SET client_id = 'key_1' WHERE seq = 2", (CHANGED, 2)),
        ("UPDATE audit_event SET seal = NULL WHERE seq = 4", (CHANGED, 4)),
        ("UPDATE audit_event SET seq = -1 WHERE seq = 4", (CHANGED, 1)),
        ("DELETE FROM audit_event WHERE seq = 3", (MISSING, 3)),
        ("DELETE FROM audit_event WHERE seq = 1", (MISSING, 1)),
        ("DELETE FROM audit_event WHERE seq = 5", (CUT, 5)),
        ("DELETE FROM audit_event WHERE seq > 2", (CUT, 3)),
        ("DELETE FROM audit_event", (CUT, 1)),
        ("UPDATE audit_event SET seq = 7 - seq WHERE seq IN (3, 4)", (CHANGED, 3)),
        (FORGED, (CHANGED, 6)),
        (FORGED.replace("6,", "5,"), (CHANGED, 6)),
    ],
)  # fmt: skip
async def test_what_was_done_to_the_chain_is_found(desk: Any, deed: str, finding: tuple[AuditFinding, int]) -> None:
    await sealed(desk)
    await execute(desk, "ALTER TABLE audit_event DROP CONSTRAINT uq_audit_event_seq")
    try:
        await execute(desk, deed)
        assert await found(desk) == finding
    finally:
        await execute(desk, "DELETE FROM audit_event")
        await execute(desk, "ALTER TABLE audit_event ADD CONSTRAINT uq_audit_event_seq UNIQUE (seq)")


async def test_a_cut_end_is_found_by_an_earlier_head_whatever_the_counter_says(desk: Any) -> None:
    kept = await sealed(desk)
    await execute(desk, "DELETE FROM audit_event WHERE seq > 3; UPDATE counter SET value = 3 WHERE name = 'audit'")
    assert await found(desk) == (None, None)
    assert await found(desk, earlier=kept) == (CUT, 4)


async def test_a_chain_that_was_made_anew_with_the_right_key_is_found_by_an_earlier_head(desk: Any) -> None:
    first = await sealed(desk)
    last = await sealed(desk, 2)
    await execute(
        desk,
        "UPDATE audit_event SET actor = 'per_2' WHERE seq = 4; UPDATE audit_event SET seq = NULL, seal = NULL;"
        " UPDATE counter SET value = 0 WHERE name = 'audit'",
    )
    assert await seal(desk) == 7
    assert await found(desk) == (None, None)
    assert await found(desk, earlier=first) == (AuditFinding.MADE_ANEW, 5)
    assert await found(desk, earlier=last) == (AuditFinding.MADE_ANEW, 7)


async def test_the_worker_itself_cannot_be_used_to_make_the_chain_anew(desk: Any) -> None:
    await sealed(desk)
    await execute(desk, "UPDATE audit_event SET actor = 'per_2', seq = NULL, seal = NULL WHERE seq > 2")
    assert await seal(desk) == 3
    assert await found(desk) == (MISSING, 3)


async def test_what_comes_after_a_cut_hides_it_from_nobody(desk: Any) -> None:
    await sealed(desk)
    await execute(desk, "DELETE FROM audit_event WHERE seq > 3")
    await sealed(desk, 4)
    assert await found(desk) == (MISSING, 4)


async def test_another_key_verifies_nothing(desk: Any) -> None:
    await sealed(desk)
    assert await found(desk, key=b"another") == (CHANGED, 1)


async def test_more_rows_than_are_looked_at_at_once_verify(desk: Any) -> None:
    await file(desk, 1_203, about="per_9")
    while await seal(desk):
        pass
    assert (await verified(desk)).checked == 1_203
    await erase(desk, "per_9")
    assert (await verified(desk)).checked == 1_203
    await execute(desk, "UPDATE audit_event SET action = 'slip.lost' WHERE seq = 1001")
    assert await found(desk) == (CHANGED, 1_001)


async def test_two_sealers_at_once_make_one_chain(desk: Any) -> None:
    await file(desk, 1)
    async with desk.world.database.transaction() as first:
        assert await audit.seal(first, KEY) == 1
        async with desk.world.database.transaction() as second:
            assert await audit.seal(second, KEY) == 0
    assert await found(desk) == (None, None)


async def test_a_row_holds_nothing_of_a_person_but_a_digest(desk: Any) -> None:
    await sealed(desk, 2, about="per_9")
    async with desk.world.database.transaction() as session:
        rows = (await session.execute(text("SELECT facts FROM audit_event ORDER BY seq"))).scalars().all()
        salts = (await session.execute(text("SELECT DISTINCT salt FROM audit_personal"))).scalars().all()
    assert "Ms" not in repr(rows)
    assert '"about": "per_9", "digest": "' in rows[0]
    assert len(salts) == 2


async def test_a_fact_that_is_absent_has_no_digest(desk: Any) -> None:
    async with desk.world.database.transaction() as session:
        facts: dict[str, Any] = {"a": None, "b": 1}
        audit.record(session, "x.done", kind="x", of="x_1", by="w", now=NOW, personal=["a", "c"], **facts)
    async with desk.world.database.transaction() as session:
        assert (await session.execute(text("SELECT facts FROM audit_event"))).scalar() == '{"a": null, "b": 1}'
        assert (await session.execute(text("SELECT count(*) FROM audit_personal"))).scalar() == 0


async def test_a_deputy_is_on_record_with_whom_he_stood_in_for(desk: Any) -> None:
    deputised = Caller(id="per_1", name="One", client_id="key_1", actor="per_2")
    async with desk.world.database.transaction() as session:
        audit.record(session, "x.done", kind="x", of="x_1", by=deputised, now=NOW)
    async with desk.world.database.transaction() as session:
        row = (await session.execute(text("SELECT actor, client_id, facts FROM audit_event"))).one()
    assert tuple(row) == ("per_1", "key_1", '{"deputy": "per_2"}')


async def test_a_person_is_forgotten_and_the_chain_still_verifies(desk: Any) -> None:
    kept = await sealed(desk, 3, about="per_9")
    await sealed(desk, 2, about="per_8")
    assert await erase(desk, "per_9") == 3
    assert await found(desk) == (None, None)  # the erasure itself is not sealed yet
    assert await seal(desk) == 1
    assert await found(desk, earlier=kept) == (None, None)
    assert await erase(desk, "per_9") == 0
    async with desk.world.database.transaction() as session:
        left = (await session.execute(text("SELECT DISTINCT about FROM audit_personal"))).scalars().all()
        said = await session.execute(text("SELECT facts FROM audit_event WHERE action = 'audit.erased' ORDER BY id"))
        assert left == ["per_8"]
        assert said.scalars().all() == ['{"values": 3}', '{"values": 0}']


@pytest.mark.parametrize(
    ("deed", "finding"),
    [
        ("UPDATE audit_personal SET value = '\"Mr 1\"'", AuditFinding.VALUE_CHANGED),
        ("UPDATE audit_personal SET salt = 'x'", AuditFinding.VALUE_CHANGED),
        ("UPDATE audit_personal SET about = 'per_8'", AuditFinding.VALUE_CHANGED),
        ("DELETE FROM audit_personal", AuditFinding.VALUE_MISSING),
    ],
)
async def test_a_clear_value_that_was_changed_or_taken_is_found(desk: Any, deed: str, finding: AuditFinding) -> None:
    await sealed(desk, 3, about="per_9")
    await execute(desk, f"{deed} WHERE audit_id = (SELECT id FROM audit_event WHERE seq = 2)")  # noqa: S608 - a case
    assert await found(desk) == (finding, 2)


async def test_an_erasure_covers_only_what_was_recorded_before_it(desk: Any) -> None:
    await sealed(desk, 2, about="per_9")
    await erase(desk, "per_9")
    await sealed_again(desk)
    await execute(desk, "DELETE FROM audit_personal")
    assert await found(desk) == (AuditFinding.VALUE_MISSING, 4)


async def sealed_again(desk: Any) -> None:
    assert await seal(desk) == 1
    await sealed(desk, 2, about="per_9")
