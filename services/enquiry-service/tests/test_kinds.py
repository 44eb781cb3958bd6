"""Kinds of enquiries as data: made, changed, archived; and enquiries that are held against their fields."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import psycopg
import pytest

from enquiry_service import rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

KINDS, ENQUIRIES = "/enquiry/v1/kinds", "/enquiry/v1/enquiries"
TEAM = "grp_01J00000000000000000000TEA"
FIELDS = {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]}
TARGETS = {"low": 8, "normal": 4, "high": 2, "urgent": 1}


@pytest.fixture
def keeper(client: Client) -> Client:
    return client.acting("per_01J00000000000000000KEEPER", [rights.KINDS, rights.FILE], name="Kay Keeper")


@pytest.fixture
async def timetable(keeper: Client) -> dict[str, Any]:
    return await keeper.made(
        KINDS, key="timetable", name="Timetable question", targets=TARGETS, fields=FIELDS, default_team=TEAM
    )


async def refused(who: Client, path: str, **body: Any) -> list[tuple[str, str]]:
    answer = await who.post(path, json=body)
    assert answer.status_code == 422, answer.text
    return [(one["pointer"], one["code"]) for one in answer.json()["errors"]]


async def test_there_are_kinds_from_the_start_however_many_ask_first(ada: Client) -> None:
    answers: list[list[str]] = []

    async def ask() -> None:
        listed = (await ada.get(KINDS)).json()
        answers.append([one["key"] for one in listed["items"]])

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(ask)
    assert len({tuple(one) for one in answers}) == 1
    assert set(answers[0]) >= {"data", "report", "fault", "access", "foi", "sar", "return", "foi-scotland", "eir"}
    table = await ada.get(KINDS, headers={"Accept": "text/csv"})
    assert len(table.text.splitlines()) > 10


async def test_an_enquiry_is_held_against_the_fields_of_its_kind(ada: Client, timetable: dict[str, Any]) -> None:
    assert await refused(ada, ENQUIRIES, title="Where?", kind="timetable") == [("/fields/room", "required")]
    assert await refused(ada, ENQUIRIES, title="Where?", kind="timetable", fields={"room": 5}) == [
        ("/fields/room", "type")
    ]
    assert await refused(ada, ENQUIRIES, title="Where?", kind="nonsense") == [("/kind", "unknown-kind")]
    made = await ada.made(ENQUIRIES, title="Where?", kind="timetable", fields={"room": "B12"})
    assert (made["fields"], made["fields_version"], made["team"]) == (
        {"room": "B12"}, 1, {"id": TEAM, "name": "Records team"},
    )  # fmt: skip
    found = (await ada.get(f"{ENQUIRIES}?team={TEAM}&kind=timetable")).json()["items"]
    assert [one["id"] for one in found] == [made["id"]]
    assert timetable["fields_version"] == 1


async def test_other_fields_get_another_number_and_what_was_filed_keeps_its_own(
    ada: Client, olive: Client, keeper: Client, timetable: dict[str, Any]
) -> None:
    made = await ada.made(ENQUIRIES, title="Where?", kind="timetable", fields={"room": "B12"})
    path = f"{ENQUIRIES}/{made['id']}"
    other = FIELDS | {"properties": {"room": {"pattern": "^[0-9]+$"}, "hour": {"type": "integer"}}}
    changed = await keeper.patch(f"{KINDS}/timetable", json={"fields": other}, headers={"If-Match": timetable["etag"]})
    assert changed.json()["fields_version"] == 2
    same = await keeper.patch(f"{KINDS}/timetable", json={"fields": other}, headers={"If-Match": "*"})
    assert same.json()["fields_version"] == 2
    kept = (await ada.get(path)).json()
    assert (kept["fields"], kept["fields_version"]) == ({"room": "B12"}, 1)
    states = (await ada.get(f"{KINDS}/timetable/fields")).json()["items"]
    assert list(states[1]["fields"]["properties"]) == ["room", "hour"], "a form shows them in this order"
    assert [(one["number"], one["fields"], one["author"]["name"]) for one in states] == [
        (1, FIELDS, "Kay Keeper"), (2, other, "Kay Keeper"),
    ]  # fmt: skip
    titled = await olive.patch(path, json={"title": "Where to?"}, headers={"If-Match": "*"})
    assert titled.json()["fields_version"] == 1
    still = await olive.patch(path, json={"fields": {"hour": 9}}, headers={"If-Match": "*"})
    assert [one["pointer"] for one in still.json()["errors"]] == ["/fields/room"]
    moved = await olive.patch(path, json={"fields": {"hour": 9, "room": "12"}}, headers={"If-Match": "*"})
    assert (moved.json()["fields"], moved.json()["fields_version"]) == ({"room": "12", "hour": 9}, 2)


async def test_an_enquiry_becomes_one_of_another_kind_with_its_clock(
    ada: Client, olive: Client, timetable: dict[str, Any]
) -> None:
    made = await ada.made(ENQUIRIES, title="Spend on rooms", kind="data", received_on="2026-03-02")
    path = f"{ENQUIRIES}/{made['id']}"
    assert made["due_on"] == "2026-03-16"
    foi = await olive.patch(path, json={"kind": "foi"}, headers={"If-Match": "*"})
    assert (foi.json()["kind"], foi.json()["due_on"]) == ("foi", "2026-03-31")
    wrong = await olive.patch(path, json={"kind": timetable["key"]}, headers={"If-Match": "*"})
    assert [one["pointer"] for one in wrong.json()["errors"]] == ["/fields/room"]
    right = await olive.patch(path, json={"kind": "timetable", "fields": {"room": "1"}}, headers={"If-Match": "*"})
    assert (right.json()["due_on"], right.json()["fields_version"]) == ("2026-03-06", 1)
    await olive.made(f"{path}/close", outcome="refused")
    closed = await olive.patch(path, json={"kind": "foi"}, headers={"If-Match": "*"})
    assert closed.status_code == 409


async def test_dates_of_open_enquiries_follow_another_target_and_ended_ones_stand(
    ada: Client, olive: Client, keeper: Client, timetable: dict[str, Any], work: Callable[[], Awaitable[None]]
) -> None:
    paths = []
    for _ in range(2):
        facts = {"title": "Where?", "kind": "timetable", "fields": {"room": "1"}, "received_on": "2026-03-02"}
        paths.append(f"{ENQUIRIES}/{(await ada.made(ENQUIRIES, **facts))['id']}")
    await olive.made(f"{paths[1]}/answer", body="There.")
    before = (await olive.get(f"{paths[1]}/clock")).json()
    longer = TARGETS | {"normal": 9}
    await keeper.patch(f"{KINDS}/timetable", json={"targets": longer}, headers={"If-Match": timetable["etag"]})
    await work()
    assert [(await olive.get(path)).json()["due_on"] for path in paths] == ["2026-03-13", "2026-03-06"]
    assert (await olive.get(f"{paths[1]}/clock")).json() == before


async def test_an_archived_kind_takes_nothing_new_and_stays_readable(
    ada: Client, olive: Client, keeper: Client, timetable: dict[str, Any]
) -> None:
    made = await ada.made(ENQUIRIES, title="Where?", kind="timetable", fields={"room": "1"})
    assert (await keeper.made(f"{KINDS}/timetable/archive"))["archived_at"]
    assert (await keeper.post(f"{KINDS}/timetable/archive")).status_code == 409
    assert await refused(ada, ENQUIRIES, title="Where?", kind="timetable", fields={"room": "1"}) == [
        ("/kind", "archived-kind")
    ]
    path = f"{ENQUIRIES}/{made['id']}"
    assert (await olive.patch(path, json={"fields": {"room": "2"}}, headers={"If-Match": "*"})).status_code == 200
    assert (await ada.get(f"{KINDS}/timetable")).json()["fields"] == FIELDS
    assert "timetable" not in [one["key"] for one in (await ada.get(KINDS)).json()["items"]]
    assert [one["key"] for one in (await ada.get(f"{KINDS}?archived=true")).json()["items"]] == [timetable["key"]]
    assert (await keeper.made(f"{KINDS}/timetable/restore"))["archived_at"] is None


async def test_a_kind_that_makes_no_sense_is_refused_and_nothing_of_it_is_kept(
    ada: Client, keeper: Client, olive: Client, timetable: dict[str, Any]
) -> None:
    good = {"key": "rooms", "name": "Rooms", "targets": TARGETS}
    assert (await olive.post(KINDS, json=good)).status_code == 403
    assert (await keeper.post(KINDS, json=good | {"key": "timetable"})).json()["code"] == "kind-taken"
    bad_fields = {"type": "object", "properties": {"a": {"$ref": "https://elsewhere.example/x"}}}
    for wrong, pointer in (
        ({"targets": None}, ""), ({"clock": "foia"}, ""), ({"targets": TARGETS | {"low": 0}}, "/targets/low"),
        ({"key": "Not a key"}, "/key"), ({"fields": bad_fields}, "/fields/properties/a/$ref"),
        ({"default_team": TEAM[:-1] + "X"}, "/default_team"),
    ):  # fmt: skip
        assert (await refused(keeper, KINDS, **good | wrong))[0][0] == pointer, wrong
    assert (await ada.get(f"{KINDS}/rooms")).status_code == 404
    for change in ({"clock": "sar"}, {"targets": None}, {"fields": bad_fields}):
        answer = await keeper.patch(f"{KINDS}/timetable", json=change, headers={"If-Match": "*"})
        assert answer.status_code == 422, change
    kept = (await ada.get(f"{KINDS}/timetable")).json()
    assert kept == timetable
    law = await keeper.patch(f"{KINDS}/timetable", json={"clock": "sar", "targets": None}, headers={"If-Match": "*"})
    assert (law.json()["clock"], law.json()["targets"]) == ("sar", None)


async def test_code_of_yesterday_files_into_tables_of_today(olive: Client, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(
            "INSERT INTO enquiry (version, created_at, updated_at, id, kind, title, description, purpose, requester,"
            " priority, status, received_on) VALUES (1, now(), now(), 'enq_01J00000000000000000000XLD', 'data', 'Old',"
            " '', '', 'per_01J00000000000000000000ADA', 'normal', 'new', '2026-03-02')"
        )
    shown = (await olive.get(f"{ENQUIRIES}/enq_01J00000000000000000000XLD")).json()
    assert (shown["fields"], shown["fields_version"], shown["due_on"], shown["clock_state"]) == ({}, None, None, None)
