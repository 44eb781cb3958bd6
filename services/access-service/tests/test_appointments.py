"""Where people belong from day to day: appointments, what follows from them, joining and leaving."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from access_service import bootstrap, people, rights, rounds
from lodge_kit import ids, notices
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

START = date(2026, 6, 1)
Told = Callable[..., Awaitable[list[str]]]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def summer(time: Any) -> None:
    time.now = noon(START)


@pytest.fixture
async def units(admin: Client) -> dict[str, str]:
    return {name: (await admin.made("/access/v1/org-units", name=name))["id"] for name in ("Arts", "Science", "Law")}


@pytest.fixture
async def alice(admin: Client) -> str:
    return str((await admin.made("/access/v1/people", user_name="alice", name="Alice"))["id"])


@pytest.fixture
def told(app: FastAPI) -> Told:
    async def types(subject: str, *, like: str = "%") -> list[str]:
        async with app.state.database.transaction() as session:
            rows = await session.execute(
                text("SELECT type FROM event WHERE subject_id = :id AND type LIKE :like ORDER BY id"),
                {"id": subject, "like": like},
            )
            return list(rows.scalars())

    return types


async def appoint(admin: Client, person: str, unit: str, starts: date, ends: date | None = None, **more: Any) -> Any:
    body = {"org_unit": unit, "kind": "staff", "primary": True, "starts_on": str(starts)} | more
    if ends is not None:
        body["ends_on"] = str(ends)
    answer = await admin.post(f"/access/v1/people/{person}/appointments", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def unit_of(admin: Client, person: str) -> str | None:
    found = (await admin.get(f"/access/v1/people/{person}")).json()["org_unit"]
    return found["name"] if found else None


async def test_an_appointment_says_where_a_person_belongs_while_it_runs(
    app: FastAPI, admin: Client, alice: str, units: dict[str, str], time: Any, told: Told
) -> None:
    boss = (await admin.made("/access/v1/people", user_name="boss", name="Boss"))["id"]
    made = await appoint(admin, alice, units["Arts"], START, date(2026, 8, 31), manager=boss, title="Clerk")
    assert (made["org_unit"], made["manager"]["name"], made["etag"]) == (
        {"id": units["Arts"], "name": "Arts"}, "Boss", '"1"',
    )  # fmt: skip
    await appoint(admin, alice, units["Science"], date(2026, 9, 1))
    person = (await admin.get(f"/access/v1/people/{alice}")).json()
    assert (person["org_unit"]["name"], person["manager"]["id"]) == ("Arts", boss)
    for day, unit in ((date(2026, 8, 31), "Arts"), (date(2026, 9, 1), "Science")):
        time.now = noon(day)
        assert await rounds.once(app.state.world)
        assert await unit_of(admin, alice) == unit
    assert (await admin.get(f"/access/v1/people/{alice}")).json()["manager"] is None
    assert await told(alice) == ["person.created", "person.moved", "person.moved"]
    assert await rounds.once(app.state.world)
    assert await told(alice, like="person.moved") == ["person.moved", "person.moved"]


async def test_a_day_turns_at_midnight_where_the_institution_is(
    app: FastAPI, admin: Client, alice: str, units: dict[str, str], time: Any
) -> None:
    await appoint(admin, alice, units["Arts"], START, date(2026, 7, 1))
    for instant, unit in (("2026-07-01T22:59:59", "Arts"), ("2026-07-01T23:00:00", None)):
        time.now = datetime.fromisoformat(instant).replace(tzinfo=UTC)  # summer: London is an hour ahead
        await rounds.once(app.state.world)
        assert await unit_of(admin, alice) == unit


async def test_what_was_said_by_hand_stands_until_the_first_appointment_begins(
    app: FastAPI, admin: Client, units: dict[str, str], time: Any
) -> None:
    made = await admin.made("/access/v1/people", user_name="bob", name="Bob", org_unit=units["Law"])
    await appoint(admin, made["id"], units["Arts"], START + timedelta(days=1))
    assert await unit_of(admin, made["id"]) == "Law"
    await appoint(admin, made["id"], units["Science"], START, primary=False)
    assert await unit_of(admin, made["id"]) == "Law"
    time.now += timedelta(days=1)
    await rounds.once(app.state.world)
    assert await unit_of(admin, made["id"]) == "Arts"


async def test_one_primary_appointment_is_all_that_a_day_can_have(
    admin: Client, alice: str, units: dict[str, str]
) -> None:
    first = await appoint(admin, alice, units["Arts"], START, START + timedelta(days=9))
    path = f"/access/v1/people/{alice}/appointments"
    body = {"org_unit": units["Law"], "kind": "student", "primary": True, "starts_on": first["ends_on"]}
    refused = await admin.post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "appointment-overlaps")
    assert "End that one first" in refused.json()["detail"]
    second = await admin.made(path, **body | {"primary": False})
    changed = await admin.patch(f"{path}/{second['id']}", json={"primary": True}, headers={"If-Match": second["etag"]})
    assert changed.status_code == 409
    assert len((await admin.get(path)).json()["items"]) == 2
    answers = await asyncio.gather(
        *(
            admin.post(path, json=body | {"org_unit": unit, "starts_on": str(START + timedelta(days=20))})
            for unit in units.values()
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


async def test_an_appointment_is_changed_ended_and_taken_back(
    admin: Client, alice: str, units: dict[str, str], told: Told
) -> None:
    one = await appoint(admin, alice, units["Arts"], START)
    path = f"/access/v1/people/{alice}/appointments/{one['id']}"
    assert (await admin.patch(path, json={"title": "Clerk"})).status_code == 428
    assert (await admin.patch(path, json={"title": "Clerk"}, headers={"If-Match": '"9"'})).status_code == 412
    moved = await admin.patch(path, json={"org_unit": units["Law"]}, headers={"If-Match": one["etag"]})
    assert (moved.json()["org_unit"]["name"], await unit_of(admin, alice)) == ("Law", "Law")
    turned = await admin.patch(path, json={"ends_on": "2026-05-31"}, headers={"If-Match": moved.json()["etag"]})
    assert (turned.status_code, turned.json()["errors"][0]["pointer"]) == (422, "/ends_on")
    assert (await admin.post(f"{path}/end", json={"on": "2026-05-31"})).json()["errors"][0]["pointer"] == "/on"
    ended = await admin.post(f"{path}/end", json={})
    assert ended.json()["ends_on"] == str(START)
    assert (await admin.post(f"{path}/end", json={"on": str(START)})).status_code == 409
    assert (
        await admin.call("DELETE", path, headers={"If-Match": ended.json()["etag"]})
    ).status_code == 409  # begun: it is part of the record
    later = await appoint(admin, alice, units["Science"], START + timedelta(days=1))
    other = f"/access/v1/people/{alice}/appointments/{later['id']}"
    assert (await admin.call("DELETE", other, headers={"If-Match": later["etag"]})).status_code == 204
    assert (await admin.get(other)).status_code == 404
    assert await told(one["id"]) == ["appointment.added", "appointment.changed", "appointment.changed"]
    assert await told(later["id"]) == ["appointment.added", "appointment.withdrawn"]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"org_unit": "org_01J00000000000000000000000"}, "/org_unit"),
        ({"manager": "per_01J00000000000000000000000"}, "/manager"),
        ({"manager": "self"}, "/manager"), ({"kind": "robot"}, "/kind"), ({"starts_on": "yesterday"}, "/starts_on"),
        ({"ends_on": "2026-05-31"}, "/ends_on"), ({"title": " "}, "/title"), ({"colour": "red"}, "/colour"),
    ],
)  # fmt: skip
async def test_what_is_wrong_of_an_appointment_is_pointed_at_and_nothing_kept(
    admin: Client, alice: str, units: dict[str, str], wrong: dict[str, str], pointer: str
) -> None:
    body = {"org_unit": units["Arts"], "kind": "staff", "starts_on": str(START), "primary": True} | wrong
    if body.get("manager") == "self":
        body["manager"] = alice
    answer = await admin.post(f"/access/v1/people/{alice}/appointments", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await admin.get(f"/access/v1/people/{alice}/appointments")).json()["items"] == []
    assert await unit_of(admin, alice) is None


async def test_org_unit_and_manager_of_the_appointed_are_changed_there(
    admin: Client, alice: str, units: dict[str, str]
) -> None:
    await appoint(admin, alice, units["Arts"], START)
    person = (await admin.get(f"/access/v1/people/{alice}")).json()
    path, seen = f"/access/v1/people/{alice}", {"If-Match": person["etag"]}
    refused = await admin.patch(path, json={"org_unit": units["Law"], "name": "Alicia"}, headers=seen)
    assert (refused.status_code, refused.json()["code"]) == (409, "follows-appointment")
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/org_unit"]
    assert "/appointments" in refused.json()["detail"]
    assert (await admin.get(path)).json()["name"] == "Alice"
    whole = {"org_unit": units["Arts"], "manager": None, "name": "Alicia"}  # said anew, and no change
    assert (await admin.patch(path, json=whole, headers=seen)).json()["name"] == "Alicia"


async def test_appointments_are_listed_by_day_and_kind_and_as_csv(
    admin: Client, alice: str, units: dict[str, str]
) -> None:
    await appoint(admin, alice, units["Arts"], START, START)
    await appoint(admin, alice, units["Law"], START + timedelta(days=1), kind="student")
    path = f"/access/v1/people/{alice}/appointments"
    for asked, found in (("", ["Law", "Arts"]), (f"?on={START}", ["Arts"]), ("?kind=student", ["Law"])):
        items = (await admin.get(path + asked)).json()["items"]
        assert [one["org_unit"]["name"] for one in items] == found
    assert "Alice" in (await admin.get(path, headers={"Accept": "text/csv"})).text
    assert (await admin.get("/access/v1/people/per_x/appointments")).status_code == 404


async def test_who_writes_for_some_org_units_appoints_and_moves_within_them_only(
    admin: Client, client: Client, alice: str, units: dict[str, str]
) -> None:
    within = {name: [units["Arts"], units["Law"]] for name in (rights.PEOPLE_WRITE.name, rights.PEOPLE_READ.name)}
    dean = client.acting("per_01J0000000000000000000DEAN", within)
    body = {"org_unit": units["Arts"], "kind": "staff", "primary": True, "starts_on": str(START)}
    path = f"/access/v1/people/{alice}/appointments"
    assert (await dean.post(path, json=body)).status_code == 403  # she belongs nowhere yet
    first = await appoint(admin, alice, units["Arts"], START)
    assert (await dean.post(path, json=body | {"org_unit": units["Science"], "primary": False})).status_code == 403
    one, seen = f"{path}/{first['id']}", {"If-Match": first["etag"]}
    assert (await dean.patch(one, json={"org_unit": units["Science"]}, headers=seen)).status_code == 403
    assert (await dean.patch(one, json={"org_unit": units["Law"]}, headers=seen)).status_code == 200
    other = await appoint(admin, alice, units["Science"], START, primary=False)
    assert (await dean.post(f"{path}/{other['id']}/end", json={})).status_code == 403
    assert (await dean.get(path)).status_code == 200
    await admin.patch(one, json={"org_unit": units["Science"]}, headers={"If-Match": '"2"'})
    assert (await dean.get(path)).status_code == 404
    assert (await dean.get(one)).status_code == 404


Places = st.lists(
    st.tuples(
        st.sampled_from(["Arts", "Science", "Law"]), st.integers(0, 12), st.none() | st.integers(0, 6), st.booleans()
    ),
    max_size=6,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=Places)
async def test_on_any_day_the_last_primary_appointment_to_begin_decides(
    app: FastAPI, client: Client, units: dict[str, str], time: Any, places: Any
) -> None:
    time.now = noon(START)
    admin = client.acting("per_01J0000000000000000000ADMN", rights.ALL)  # anew for each: tokens live 30 seconds
    made = await admin.made("/access/v1/people", user_name=ids.new("usr"), name="Somebody", org_unit=units["Law"])
    kept: list[tuple[str, date, date]] = []
    for unit, begins, length, primary in places:
        first = START + timedelta(days=begins)
        last = first + timedelta(days=length) if length is not None else date.max
        overlaps = primary and any(first <= end and start <= last for _, start, end in kept)
        body = {"org_unit": units[unit], "kind": "staff", "primary": primary, "starts_on": str(first)}
        if length is not None:
            body["ends_on"] = str(last)
        answer = await admin.post(f"/access/v1/people/{made['id']}/appointments", json=body)
        assert answer.status_code == (409 if overlaps else 201)
        if primary and not overlaps:
            kept.append((unit, first, last))
    for day in (START + timedelta(days=number) for number in range(0, 20, 3)):
        time.now = noon(day)
        await rounds.once(app.state.world)
        begun = max((one for one in kept if one[1] <= day), key=lambda one: one[1], default=None)
        expected = "Law" if begun is None else begun[0] if day <= begun[2] else None
        assert await unit_of(admin, made["id"]) == expected, day


# Joining and leaving


async def test_who_leaves_is_let_go_once_the_last_day_is_over(
    app: FastAPI, admin: Client, units: dict[str, str], time: Any, told: Told
) -> None:
    made = await admin.made("/access/v1/people", user_name="bob", name="Bob", left_on=str(START))
    await appoint(admin, made["id"], units["Arts"], START, START)
    path = f"/access/v1/people/{made['id']}"
    await rounds.once(app.state.world)
    assert (await admin.get(path)).json()["status"] == "active"
    time.now += timedelta(days=1)
    await rounds.once(app.state.world)
    person = (await admin.get(path)).json()
    assert (person["status"], person["org_unit"]["name"]) == ("inactive", "Arts")
    await rounds.once(app.state.world)
    assert await told(made["id"]) == ["person.created", "person.moved", "person.left"]
    refused = await admin.post(f"{path}/reactivate")
    assert (refused.status_code, "left_on" in refused.json()["detail"]) == (409, True)
    await admin.patch(path, json={"left_on": None}, headers={"If-Match": person["etag"]})
    assert (await admin.post(f"{path}/reactivate")).json()["org_unit"] is None
    assert (await told(made["id"]))[-2:] == ["person.returned", "person.moved"]


async def test_the_last_administrator_stays_and_is_told_once(
    app: FastAPI, client: Client, time: Any, told: Told
) -> None:
    async with app.state.database.transaction() as session:
        await bootstrap.take_over(session, rights.ALL, now=time.now)
        await bootstrap.start(session, [], now=time.now)
        (first,) = await people.administrators(session, now=time.now)
    admin = client.acting(first.id, rights.ALL)
    path = f"/access/v1/people/{first.id}"
    await admin.patch(path, json={"left_on": str(START)}, headers={"If-Match": '"1"'})
    time.now += timedelta(days=1)
    for _ in range(3):
        await rounds.once(app.state.world)
    assert (await admin.get(path)).json()["status"] == "active"
    assert await told(first.id, like="person.%") == ["person.created", "person.changed", "person.kept"]
    await notices.route(app.state.world)
    (task,) = (await admin.get("/access/v1/tasks")).json()["items"]
    assert (task["event_type"], "only administrator" in task["title"]) == ("person.kept", True)
    second = await admin.made("/access/v1/people", user_name="second", name="Second")
    role = (await admin.get("/access/v1/roles?q=administrator")).json()["items"][0]
    assert (
        await admin.post("/access/v1/grants", json={"subject": second["id"], "role": role["id"]})
    ).status_code == 201
    await rounds.once(app.state.world)
    assert (await admin.get(path)).json()["status"] == "inactive"


async def test_of_two_administrators_who_let_each_other_go_one_stays(app: FastAPI, client: Client, time: Any) -> None:
    async with app.state.database.transaction() as session:
        await bootstrap.take_over(session, rights.ALL, now=time.now)
        await bootstrap.start(session, [], now=time.now)
        (first,) = await people.administrators(session, now=time.now)
    admin = client.acting(first.id, rights.ALL)
    second = (await admin.made("/access/v1/people", user_name="second", name="Second"))["id"]
    role = (await admin.get("/access/v1/roles?q=administrator")).json()["items"][0]
    await admin.made("/access/v1/grants", subject=second, role=role["id"])
    answers = await asyncio.gather(
        client.acting(first.id, rights.ALL).post(f"/access/v1/people/{second}/deactivate"),
        client.acting(second, rights.ALL).post(f"/access/v1/people/{first.id}/deactivate"),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_many_are_let_go_and_moved_on_in_one_turn(
    app: FastAPI, client: Client, units: dict[str, str], time: Any
) -> None:
    async with app.state.database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO person (id, version, created_at, updated_at, user_name, name, status, notices, left_on)"
                " SELECT 'per_' || lpad(n::text, 26, '0'), 1, :now, :now, 'p' || n, 'P', 'active', 'each',"
                " CASE WHEN n % 5 = 0 THEN CAST(:today AS date) END FROM generate_series(1, 650) n"
            ),
            {"now": time.now, "today": START},
        )
        await session.execute(
            text(
                "INSERT INTO appointment (id, version, created_at, updated_at, person_id, org_unit, kind, starts_on,"
                " \"primary\") SELECT replace(id, 'per_', 'apt_'), 1, :now, :now, id, :unit, 'student',"
                " CAST(:today AS date) + 1, true FROM person"
            ),
            {"now": time.now, "today": START, "unit": units["Arts"]},
        )
    time.now += timedelta(days=1)
    await rounds.once(app.state.world)
    admin = client.acting("per_01J0000000000000000000ADMN", rights.ALL)  # tokens live 30 seconds
    for asked, count in (("status=inactive", 130), (f"org_unit={units['Arts']}", 520)):
        found = (await admin.get(f"/access/v1/people?count=true&{asked}")).json()
        assert found["count"] == count, asked
