"""/audit-events as an auditor meets it: who did what, exported whole, verified against a head that was kept."""

import asyncio
import csv
import hashlib
import hmac
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from lodge_kit import audit
from lodge_kit.audit.routes import reading
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

EVENTS = "/desk/v1/audit-events"
AUDITOR = "per_01J0000000000000000000AVD1"
KEY = b"the tests' own"
MORNING = datetime(2026, 11, 2, 9, tzinfo=UTC)
ASKED = ("audit.read", "audit.exported", "audit.verified")


@pytest.fixture
def auditor(clerk: Client) -> Client:
    return clerk.acting(AUDITOR, [reading("desk")])


async def record(desk: Any, action: str = "slip.filed", *, hour: int = 0, by: str = "per_1", **facts: Any) -> None:
    options: dict[str, Any] = {
        "kind": action.partition(".")[0],
        "of": "slp_1",
        "now": MORNING + timedelta(hours=hour),
    } | facts
    async with desk.world.database.transaction() as session:
        audit.record(session, action, by=by, **options)


async def seal(desk: Any) -> None:
    async with desk.world.database.transaction() as session:
        await audit.seal(session, KEY)


async def execute(desk: Any, statement: str) -> list[Any]:
    async with desk.world.database.transaction() as session:
        found = await session.execute(text(statement))
        return list(found.all()) if found.returns_rows else []


async def listed(auditor: Client, **asked: Any) -> list[dict[str, Any]]:
    """List what was done, without the reading itself that is on record too."""
    answer = await auditor.get(EVENTS, params=asked)
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["items"] if one["action"] not in ASKED]


async def verified(auditor: Client, earlier: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = await auditor.post(f"{EVENTS}/verify", **({"json": earlier} if earlier else {}))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_deed_is_shown_as_it_was_done(clerk: Client, auditor: Client, desk: Any) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    (one,) = await listed(auditor)
    assert one["id"].startswith("aud_")
    assert datetime.fromisoformat(one["at"]).tzinfo
    assert {k: one[k] for k in ("seq", "actor", "client_id", "action", "subject", "facts", "personal", "seal")} == {
        "seq": None, "actor": "per_01J0000000000000000000CERK", "client_id": None, "action": "slip.filed",
        "subject": {"type": "slip", "id": made["id"]}, "facts": {}, "personal": [], "seal": None,
    }  # fmt: skip
    await seal(desk)
    (one,) = await listed(auditor)
    assert (one["seq"], len(one["seal"])) == (1, 64)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"sort": "at"}, ["a", "b", "c", "d"]),
        ({"actor": "per_1"}, ["b", "a"]),
        ({"actor": "me"}, ["c"]),
        ({"actor": ""}, []),
        ({"action": "slip.filed"}, ["c", "a"]),
        ({"action": "slip.filed,slip.lost"}, ["c", "b", "a"]),
        ({"action": "slip"}, []),
        ({"action": ""}, []),
        ({"subject_type": "desk"}, ["d"]),
        ({"subject_id": "slp_2"}, ["b"]),
        ({"subject_id": "slp_1", "actor": "per_1"}, ["a"]),
        ({"from": "2026-11-02T10:00:00Z"}, ["d", "c", "b"]),
        ({"to": "2026-11-02T10:00:00Z"}, ["a"]),
        ({"from": "2026-11-02T11:00:00+01:00", "to": "2026-11-02T11:00:00Z"}, ["b"]),
        ({"request_id": "none", "limit": "3"}, ["d", "c", "b"]),
        ({"request_id": "another"}, []),
    ],
)  # fmt: skip
async def test_deeds_are_found(auditor: Client, desk: Any, asked: dict[str, str], found: list[str]) -> None:
    await record(desk, n="a")
    await record(desk, "slip.lost", hour=1, of="slp_2", n="b")
    await record(desk, hour=2, by=AUDITOR, n="c")
    await record(desk, "desk.opened", hour=3, by="worker", n="d")
    assert [one["facts"]["n"] for one in await listed(auditor, **asked)] == found


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-11-02", "from=2026-11-02T10:00:00", "to=never", "from=2026-11-02T10:00:00Z&to=2026-11-02T10:00:00Z",
        "sort=seq", "limit=0",
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused(auditor: Client, query: str) -> None:
    answer = await auditor.get(f"{EVENTS}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_a_filter_is_planned_for_the_value_that_is_asked(auditor: Client, desk: Any) -> None:
    await record(desk)
    for _ in range(12):  # PostgreSQL would make one plan for all values after some
        await listed(auditor, action="slip.filed,slip.eaten")
    generic = "SELECT sum(generic_plans) FROM pg_prepared_statements WHERE statement LIKE '%audit_event.action IN%'"
    assert [tuple(row) for row in await execute(desk, generic)] == [(0,)]


async def test_who_read_it_and_who_exported_it_is_on_record(auditor: Client) -> None:
    await auditor.get(EVENTS, params={"actor": "me", "to": "2099-01-01T00:00:00Z"})
    await auditor.get(EVENTS, headers={"Accept": "text/csv"})
    await auditor.get(EVENTS, headers={"Accept": "application/x-ndjson"})
    await verified(auditor)
    seen = (await auditor.get(EVENTS, params={"sort": "at"})).json()["items"]
    assert {(one["actor"], one["subject"]["type"], one["subject"]["id"]) for one in seen} == {
        (AUDITOR, "audit", "desk")
    }  # fmt: skip
    assert [(one["action"], one["facts"]) for one in seen] == [
        ("audit.read", {"actor": AUDITOR, "to": "2099-01-01 00:00:00+00:00", "form": "json"}),
        ("audit.exported", {"form": "csv"}),
        ("audit.exported", {"form": "ndjson"}),
        ("audit.verified", {"finding": None, "first_broken_seq": None, "checked": 0, "earlier": 0}),
    ]


async def test_only_auditors_are_let_in(clerk: Client, auditor: Client) -> None:
    for call in (clerk.get(EVENTS), clerk.get(f"{EVENTS}/head"), clerk.post(f"{EVENTS}/verify")):
        answer = await call
        assert answer.status_code == 403
        assert "desk.audit.read" in answer.json()["detail"]
    somewhere = auditor.acting(AUDITOR, {"desk.audit.read": ["org_1"]})
    assert (await somewhere.get(EVENTS)).status_code == 403
    assert (await clerk.http.get(EVENTS)).status_code == 401


async def test_a_right_to_read_it_is_one_of_the_roles_of_auditors(clerk: Client) -> None:
    catalogue = (await clerk.http.get("/internal/v1/permissions")).json()["items"]
    assert [one["roles"] for one in catalogue if one["name"] == "desk.audit.read"] == [["auditor"]]


async def test_it_is_exported_whole(auditor: Client, desk: Any) -> None:
    for number in range(260):
        await record(desk, hour=number, of=f"slp_{number}", personal=["name"], about="per_9", name=f"Ms {number}")
    await seal(desk)
    lines = await auditor.get(f"{EVENTS}?sort=at", headers={"Accept": "application/x-ndjson"})
    items = [json.loads(line) for line in lines.text.splitlines()]
    assert [one["seq"] for one in items] == list(range(1, 261))
    assert items == await listed(auditor, sort="at", limit=200) + (await _next_page(auditor))
    table = await auditor.get(f"{EVENTS}?sort=at&action=slip.filed", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(table.content.decode(), newline="")))
    assert [row["subject_id"] for row in rows] == [f"slp_{number}" for number in range(260)]
    assert json.loads(rows[7]["facts"]) == {"name": "Ms 7"}


async def _next_page(auditor: Client) -> list[dict[str, Any]]:
    first = (await auditor.get(EVENTS, params={"sort": "at", "limit": 200})).json()
    return await listed(auditor, sort="at", limit=200, cursor=first["next_cursor"])


async def test_what_is_said_of_a_person_is_shown_with_its_proof_until_it_is_erased(auditor: Client, desk: Any) -> None:
    await record(desk, personal=["name", "reason"], about="per_9", name="Zoë\0", reason=None, n=1)
    (one,) = await listed(auditor)
    assert one["facts"] == {"name": "Zoë\0", "reason": None, "n": 1}
    (proof,) = one["personal"]
    assert (proof["field"], proof["about"]) == ("name", "per_9")
    written = json.dumps(one["facts"]["name"], ensure_ascii=False).encode()
    assert hmac.digest(bytes.fromhex(proof["salt"]), written, hashlib.sha256).hex() == proof["digest"]
    async with desk.world.database.transaction() as session:
        assert await audit.erase(session, "per_9", kind="person", by="per_2", now=MORNING) == 1
    (one,) = await listed(auditor, action="slip.filed")
    assert one["facts"] == {"name": None, "reason": None, "n": 1}
    assert one["personal"] == [proof | {"salt": None}]
    (erasure,) = await listed(auditor, action="audit.erased")
    assert (erasure["subject"], erasure["facts"]) == ({"type": "person", "id": "per_9"}, {"values": 1})


async def test_a_row_that_was_tampered_with_breaks_no_list(auditor: Client, desk: Any) -> None:
    await record(desk, personal=["name"], name="Zoë")
    await execute(desk, "UPDATE audit_personal SET value = 'no JSON'")
    assert [one["facts"] for one in await listed(auditor)] == [{"name": None}]
    await execute(desk, "UPDATE audit_event SET facts = 'no JSON \"digest\"' WHERE action = 'slip.filed'")
    assert [one["facts"] for one in await listed(auditor)] == [{}]
    await execute(desk, "UPDATE audit_event SET facts = '[]' WHERE action = 'slip.filed'")
    assert [one["facts"] for one in await listed(auditor)] == [{}]


async def test_a_kept_head_verifies_and_shows_what_was_done_to_the_chain(auditor: Client, desk: Any) -> None:
    assert (await auditor.get(f"{EVENTS}/head")).json() == {"seq": 0, "seal": "", "at": None}
    for number in range(4):
        await record(desk, hour=number)
    await seal(desk)
    head = (await auditor.get(f"{EVENTS}/head")).json()
    assert (head["seq"], head["at"]) == (4, "2026-11-02T12:00:00Z")
    assert await verified(auditor, head) == {
        "verified": True, "checked": 4, "head": head, "first_broken_seq": None, "finding": None,
        "detail": "All 4 rows are as they were sealed, in their order.",
    }  # fmt: skip
    assert (await verified(auditor, {"seq": 0, "seal": ""}))["verified"]
    (shown,) = await listed(auditor, subject_id="slp_1", to="2026-11-02T10:00:00Z")
    assert (await verified(auditor, {"seq": shown["seq"], "seal": shown["seal"]}))["verified"]
    other = await verified(auditor, head | {"seal": "0" * 64})
    assert (other["verified"], other["first_broken_seq"], other["finding"]) == (False, 4, "made-anew")
    await execute(desk, "DELETE FROM audit_event WHERE seq >= 3")
    cut = await verified(auditor)
    assert (cut["checked"], cut["first_broken_seq"], cut["finding"]) == (2, 3, "end-cut-off")
    assert cut["detail"] == "The chain was longer: the rows from 3 on are gone."
    assert cut["head"]["seq"] == 2
    await execute(desk, "UPDATE audit_event SET facts = '{\"n\": 2}' WHERE seq = 1")
    changed = await verified(auditor, head)
    assert (changed["checked"], changed["first_broken_seq"], changed["finding"]) == (0, 1, "row-changed")
    said = await listed_verifications(auditor)
    assert said[-1] == {"finding": "row-changed", "first_broken_seq": 1, "checked": 0, "earlier": 4}


@pytest.mark.parametrize("change", ["seal = NULL", "seal = 'x'", "seq = -1", "at = 'infinity'"])
async def test_a_head_that_was_tampered_with_is_told_as_it_is(auditor: Client, desk: Any, change: str) -> None:
    await record(desk)
    await seal(desk)
    await execute(desk, f"UPDATE audit_event SET {change}")  # noqa: S608 - a case
    assert (await auditor.get(f"{EVENTS}/head")).status_code == 200
    found = await verified(auditor)
    assert (found["first_broken_seq"], found["finding"]) == (1, "row-changed")


async def listed_verifications(auditor: Client) -> list[dict[str, Any]]:
    answer = await auditor.get(EVENTS, params={"action": "audit.verified", "sort": "at"})
    return [one["facts"] for one in answer.json()["items"]]


@pytest.mark.parametrize(
    "body",
    [
        {"seq": 1}, {"seal": "0" * 64}, {"seq": -1, "seal": ""}, {"seq": 1, "seal": ""}, {"seq": 0, "seal": "0" * 64},
        {"seq": 1, "seal": "A" * 64}, {"seq": 1, "seal": "0" * 63}, {"seq": 1, "seal": "0" * 64, "more": 1},
        {"seq": 2**63, "seal": "0" * 64}, [], "x", 1,
    ],
)  # fmt: skip
async def test_what_is_no_head_is_refused(auditor: Client, body: Any) -> None:
    answer = await auditor.post(f"{EVENTS}/verify", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_verifying_while_rows_are_sealed_and_people_forgotten_finds_nothing_wrong(
    auditor: Client, desk: Any
) -> None:
    async def work() -> None:
        for number in range(30):
            await record(desk, personal=["name"], about=f"per_{number % 3}", name="Zoë")
            await seal(desk)
            async with desk.world.database.transaction() as session:
                await audit.erase(session, f"per_{number % 2}", kind="person", by="per_9", now=MORNING)

    working = asyncio.create_task(work())
    while not working.done():
        head = (await auditor.get(f"{EVENTS}/head")).json()
        found = await verified(auditor, head)
        assert found["verified"], found
    await working
