"""Records of decisions: sampled, written after the answer, listed, and removed in time."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from access_service import decision_records, rights
from access_service.app import create_app
from access_service.decision_records import Recorder
from access_service.process import of
from access_service.settings import Settings
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.issuer import Issuer
from lodge_kit.testing.waiting import until

pytestmark = pytest.mark.anyio

WHERE = "/access/v1/decision-records"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"decision_records": 1.0})


@pytest.fixture
async def records(campus: Any) -> Any:
    await campus.system("records")
    await campus.permission("records", "read", "record")
    await campus.permission("records", "write", "record", condition="resource.properties.open")
    await campus.role("records", "reader", "record.read")
    await campus.role("records", "writer", "record.write", inherits=[campus.ids["reader"]])
    group = await campus.admin.made("/access/v1/groups", name="Team")
    campus.ids["team"] = group["id"]
    await campus.person("alice")
    await campus.admin.post(f"/access/v1/groups/{group['id']}/members", json={"person": campus.ids["alice"]})
    campus.ids["grant"] = await campus.give("team", "writer")
    return campus


async def written(admin: Client, count: int, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def are_there() -> bool:
        found[:] = (await admin.get(f"{WHERE}{query}")).json()["items"]
        return len(found) >= count

    await until(are_there)
    assert len(found) == count
    return found


async def test_a_record_keeps_the_path_and_the_state_that_it_was_decided_by(records: Any, app: FastAPI) -> None:
    headers = {"X-Request-ID": "portal-1"}
    body = {"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}}
    answer = await records.admin.post(
        "/access/v1/evaluation", json=body | {"resource": {"type": "record", "id": "7"}}, headers=headers
    )
    (record,) = await written(records.admin, 1)
    async with app.state.database.transaction() as session:
        newest = (await session.execute(text("SELECT max(id) FROM audit_event"))).scalar_one()
    assert record["id"] == answer.json()["context"]["evaluation_id"]
    assert record["path"] == {
        "grant": records.ids["grant"], "group": records.ids["team"],
        "roles": [records.ids["writer"], records.ids["reader"]], "permission": records.ids["record.read"],
        "condition": None,
    }  # fmt: skip
    told = {name: record[name] for name in ("subject", "action", "resource_type", "resource_id", "decision", "reason")}
    assert told == {
        "subject": records.ids["alice"], "action": "read", "resource_type": "record", "resource_id": "7",
        "decision": True, "reason": "held",
    }  # fmt: skip
    assert (record["model"], record["request_id"], record["client_id"]) == (newest, "portal-1", None)
    assert record["system"] == {"id": records.ids["records"], "name": "Records"}


async def test_a_condition_and_its_outcome_are_in_the_path(records: Any) -> None:
    assert await records.may("alice", "write", "record", properties={"open": True})
    assert not await records.may("alice", "write", "record", properties={"open": False})
    assert not await records.may("alice", "write", "record")
    conditions = [record["path"]["condition"] for record in await written(records.admin, 3, "?sort=at")]
    assert conditions == [
        {"holds": True, "error": None}, {"holds": False, "error": None}, {"holds": False, "error": "no such key: open"},
    ]  # fmt: skip


async def test_records_are_filtered(records: Any, time: Any) -> None:
    began = time.now
    for who, action in (("alice", "read"), ("nobody", "read"), ("alice", "eat")):
        await records.may(who, action, "record", properties={"system": "records"})
        time.now += timedelta(minutes=1)
    await records.may("nobody", "read", "record", properties={"system": "x\ty"})
    await written(records.admin, 4)
    instants = [(began + timedelta(minutes=n)).isoformat().replace("+00:00", "Z") for n in range(4)]
    for query, count in (
        (f"?subject={records.ids['alice']}", 2), ("?subject=nobody", 2), ("?decision=true", 1), ("?decision=false", 3),
        (f"?system={records.ids['records']}", 3), (f"?from={instants[1]}", 3), (f"?to={instants[1]}", 1),
        (f"?from={instants[1]}&to={instants[2]}&decision=false", 1), ("?limit=3", 3),
    ):  # fmt: skip
        assert len((await records.admin.get(WHERE + query)).json()["items"]) == count, query
    assert (await records.admin.get(WHERE)).json()["items"][0]["subject"] == "nobody"
    assert (await records.admin.get(f"{WHERE}?since={instants[1]}")).status_code == 400


async def test_each_of_several_questions_is_recorded(records: Any) -> None:
    body = {
        "subject": {"type": "user", "id": "alice"}, "resource": {"type": "record", "id": "1"},
        "evaluations": [{"action": {"name": "read"}}, {"action": {"name": "eat"}}, {}],
    }  # fmt: skip
    await records.admin.post("/access/v1/evaluations", json=body)
    assert {record["action"] for record in await written(records.admin, 2)} == {"read", "eat"}


async def test_who_reads_grants_everywhere_reads_records(records: Any, client: Client) -> None:
    await records.may("alice", "read", "record")
    await written(records.admin, 1)
    unit = "org_01J00000000000000000000N0T"
    for held, status in (((), 403), ({rights.GRANTS_READ.name: [unit]}, 403), ({rights.GRANTS_READ.name: "*"}, 200)):
        reader = client.acting("per_01J0000000000000000000READ", held)  # type: ignore[arg-type]  # literals in a tuple
        assert (await reader.get(WHERE)).status_code == status


async def test_what_waits_is_written_when_the_process_stops(
    settings: Settings, issuer: Issuer, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_records, "_GATHERED", 3_600)
    async with opened(create_app(settings, keys=issuer.keys), issuer) as other:
        asker = other.acting("svc_01J00000000000000000000ASK", [rights.EVALUATE])
        body = {"subject": {"type": "user", "id": "alice"}, "action": {"name": "read"}}
        await asker.post("/access/v1/evaluation", json=body | {"resource": {"type": "record", "id": "1"}})
        assert (await records.admin.get(WHERE)).json()["items"] == []
    assert len((await records.admin.get(WHERE)).json()["items"]) == 1


async def test_more_than_can_wait_are_dropped_and_counted(
    records: Any, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_records, "MOST_WAITING", 2)
    monkeypatch.setattr(decision_records, "_GATHERED", 3_600)
    recorder: Recorder = of(app.state.world).recorder
    for _ in range(5):
        await records.may("alice", "read", "record")
    assert recorder.dropped == 3
    numbers = (await records.admin.http.get("/metrics")).text
    assert "lodge_access_decision_records_dropped_total 3.0" in numbers


async def test_a_share_is_recorded_and_none_where_the_setting_says_so(settings: Settings, app: FastAPI) -> None:
    database = app.state.database
    assert not any(Recorder(database, share=0.0).takes() for _ in range(1_000))
    assert all(Recorder(database, share=1.0).takes() for _ in range(1_000))
    assert 20 < sum(Recorder(database, share=0.1).takes() for _ in range(1_000)) < 300
    assert Settings.model_fields["decision_records"].default == 0.01
    assert settings.decision_records == 1.0


async def test_old_records_are_removed(records: Any, app: FastAPI, time: Any) -> None:
    await records.may("alice", "read", "record")
    await written(records.admin, 1)
    time.now += timedelta(days=2)
    await records.may("alice", "read", "record")
    await written(records.admin, 2)
    async with app.state.database.transaction() as session:
        await decision_records.forget(session, before=time.now - timedelta(days=1))
    await written(records.admin, 1)
