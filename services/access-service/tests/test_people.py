"""People over HTTP."""

import base64
import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from access_service import bootstrap, people, rights
from lodge_kit.testing.client import Client
from lodge_kit.world import World

pytestmark = pytest.mark.anyio


async def test_a_person_is_created_read_and_changed(admin: Client) -> None:
    made = await admin.post("/access/v1/people", json={"user_name": "asmith", "name": "Alice Smith"})
    assert made.status_code == 201
    assert made.headers["location"] == f"/access/v1/people/{made.json()['id']}"
    path = made.headers["location"]
    read = await admin.get(path)
    assert read.json() == made.json()
    assert read.headers["etag"] == made.json()["etag"] == '"1"'
    changed = await admin.patch(path, json={"email": "alice@campus.example"}, headers={"If-Match": '"1"'})
    assert changed.json()["email"] == "alice@campus.example"
    assert changed.headers["etag"] == '"2"'


async def test_a_change_must_name_the_version_it_saw(admin: Client) -> None:
    made = await admin.made("/access/v1/people", user_name="asmith", name="Alice Smith")
    path = f"/access/v1/people/{made['id']}"
    missing = await admin.patch(path, json={"name": "A"})
    assert (missing.status_code, missing.json()["code"]) == (428, "if-match-required")
    stale = await admin.patch(path, json={"name": "A"}, headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "etag-stale")
    assert (await admin.get(path)).json()["name"] == "Alice Smith"


async def test_what_was_not_changed_is_not_sent_again(admin: Client) -> None:
    made = await admin.made("/access/v1/people", user_name="asmith", name="Alice Smith")
    again = await admin.get(f"/access/v1/people/{made['id']}", headers={"If-None-Match": made["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_user_name_is_taken_whatever_its_case(admin: Client) -> None:
    await admin.made("/access/v1/people", user_name="asmith", name="Alice Smith")
    second = await admin.post("/access/v1/people", json={"user_name": "ASmith", "name": "Another"})
    assert (second.status_code, second.json()["code"]) == (409, "name-taken")


async def test_the_same_idempotency_key_makes_one_person(admin: Client) -> None:
    body = {"user_name": "asmith", "name": "Alice Smith"}
    first = await admin.post("/access/v1/people", json=body, headers={"Idempotency-Key": "k1"})
    second = await admin.post("/access/v1/people", json=body, headers={"Idempotency-Key": "k1"})
    assert second.json() == first.json()
    assert (second.status_code, second.headers["idempotency-replayed"]) == (201, "?1")
    other = await admin.post("/access/v1/people", json=body | {"name": "B"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len((await admin.get("/access/v1/people")).json()["items"]) == 1


async def test_a_key_is_null_in_a_replay_which_says_so(admin: Client) -> None:
    person = await admin.made("/access/v1/people", user_name="asmith", name="Alice Smith")
    body = {"owner": person["id"], "label": "portal"}
    first = await admin.post("/access/v1/keys", json=body, headers={"Idempotency-Key": "k1"})
    second = await admin.post("/access/v1/keys", json=body, headers={"Idempotency-Key": "k1"})
    assert first.json()["key"].startswith("lodge_")
    assert second.json() == first.json() | {"key": None}
    assert second.headers["idempotency-replayed"] == '?1;omitted="key"'


async def test_lists_are_paged_without_gaps_while_people_are_added(admin: Client) -> None:
    for number in range(7):
        await admin.made("/access/v1/people", user_name=f"p{number}", name=f"Person {number}")
    first = (await admin.get("/access/v1/people?limit=3&count=true")).json()
    assert (first["count"], first["count_exact"]) == (7, True)
    await admin.made("/access/v1/people", user_name="early", name="Aaron Early")
    seen, cursor = [one["name"] for one in first["items"]], first["next_cursor"]
    while cursor:
        page = (await admin.get(f"/access/v1/people?limit=3&cursor={cursor}")).json()
        seen += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"Person {number}" for number in range(7)]


async def test_a_cursor_serves_only_the_question_it_was_made_for(admin: Client) -> None:
    for number in range(3):
        await admin.made("/access/v1/people", user_name=f"p{number}", name=f"Person {number}")
    cursor = (await admin.get("/access/v1/people?limit=1")).json()["next_cursor"]
    for asked in (f"limit=1&sort=-name&cursor={cursor}", "cursor=nonsense"):
        answer = await admin.get(f"/access/v1/people?{asked}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "query/cursor")


async def test_a_list_is_whole_as_csv_and_guarded_against_formulas(admin: Client) -> None:
    for number in range(60):
        await admin.made("/access/v1/people", user_name=f"p{number:02}", name=f"Person {number:02}")
    await admin.made("/access/v1/people", user_name="evil", name="=HYPERLINK(1)")
    answer = await admin.get("/access/v1/people", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 61
    assert rows[0]["name"] == "'=HYPERLINK(1)"


async def test_people_are_found_by_words_of_their_names(admin: Client) -> None:
    await admin.made("/access/v1/people", user_name="asmith", name="Alice Smith")
    await admin.made("/access/v1/people", user_name="bsmith", name="Bob Smith")
    for words, found in (("smith ali", ["Alice Smith"]), ("smith", ["Alice Smith", "Bob Smith"]), ("100%", [])):
        items = (await admin.get("/access/v1/people", params={"q": words})).json()["items"]
        assert [one["name"] for one in items] == found


async def test_a_reader_sees_only_the_people_of_his_org_units(admin: Client, client: Client) -> None:
    science = await admin.made("/access/v1/org-units", name="Science")
    arts = await admin.made("/access/v1/org-units", name="Arts")
    alice = await admin.made("/access/v1/people", user_name="alice", name="Alice", org_unit=science["id"])
    bob = await admin.made("/access/v1/people", user_name="bob", name="Bob", org_unit=arts["id"])
    dean = client.acting("per_01J0000000000000000000DEAN", {rights.PEOPLE_READ.name: [science["id"]]})
    assert [one["id"] for one in (await dean.get("/access/v1/people")).json()["items"]] == [alice["id"]]
    assert (await dean.get(f"/access/v1/people/{bob['id']}")).status_code == 404


async def test_what_is_wrong_is_pointed_at(admin: Client) -> None:
    wrong = await admin.post("/access/v1/people", json={"user_name": "", "nme": "x"})
    assert wrong.status_code == 422
    assert wrong.headers["content-type"] == "application/problem+json"
    assert {one["pointer"] for one in wrong.json()["errors"]} == {"/user_name", "/name", "/nme"}
    malformed = await admin.post("/access/v1/people", content=b"{", headers={"Content-Type": "application/json"})
    assert (malformed.status_code, malformed.json()["code"]) == (400, "malformed-json")
    unknown = await admin.get("/access/v1/people?statsu=active")
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown-parameter")
    nowhere = await admin.get("/access/v1/nothing")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not-found")


async def test_a_name_that_says_nothing_is_refused_and_blanks_around_one_are_left_out(admin: Client) -> None:
    for field in ("user_name", "name"):
        body = {"user_name": "asmith", "name": "Alice Smith"} | {field: " \t "}
        answer = await admin.post("/access/v1/people", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}")
    made = await admin.made("/access/v1/people", user_name=" asmith ", name=" Alice Smith\u3000")
    assert (made["user_name"], made["name"]) == ("asmith", "Alice Smith")
    changed = await admin.patch(
        f"/access/v1/people/{made['id']}", json={"external_id": " "}, headers={"If-Match": made["etag"]}
    )
    assert (changed.status_code, changed.json()["errors"][0]["pointer"]) == (422, "/external_id")
    for path in ("/access/v1/groups", "/access/v1/org-units"):
        assert (await admin.post(path, json={"name": "  "})).status_code == 422, path


async def test_nobody_leaves_before_joining(admin: Client) -> None:
    dates = {"joined_on": "2024-09-01", "left_on": "2024-08-31"}
    answer = await admin.post("/access/v1/people", json={"user_name": "a", "name": "A"} | dates)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/left_on")
    made = await admin.made("/access/v1/people", user_name="a", name="A", joined_on="2024-09-01", left_on="2024-09-01")
    path, tag = f"/access/v1/people/{made['id']}", {"If-Match": made["etag"]}
    for change, pointer in (
        ({"left_on": "2024-08-31"}, "/left_on"),
        ({"joined_on": "2024-09-02"}, "/joined_on"),
        ({"joined_on": "2025-01-01", "left_on": "2024-12-31"}, "/left_on"),
    ):
        answer = await admin.patch(path, json=change, headers=tag)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), change
    assert (await admin.get(path)).json() == made
    later = await admin.patch(path, json={"joined_on": "2025-01-01", "left_on": None}, headers=tag)
    assert (later.json()["joined_on"], later.json()["left_on"]) == ("2025-01-01", None)


async def test_who_has_left_is_stood_in_for_by_the_deputy(admin: Client) -> None:
    deputy = await admin.made("/access/v1/people", user_name="d", name="Deputy", email="d@campus.example")
    owner = await admin.made("/access/v1/people", user_name="o", name="Owner", deputy=deputy["id"])
    path = f"/access/v1/recipients/{owner['id']}"
    assert [one["name"] for one in (await admin.get(path)).json()["items"]] == ["Owner"]
    await admin.post(f"/access/v1/people/{owner['id']}/deactivate")
    assert [one["name"] for one in (await admin.get(path)).json()["items"]] == ["Deputy"]


async def test_the_last_administrator_cannot_be_let_go_nor_the_role_taken_away(app: FastAPI, client: Client) -> None:
    world: World = app.state.world
    async with world.database.transaction() as session:
        await bootstrap.start(session, [], now=world.clock())
        (first,) = await people.administrators(session, now=world.clock())
    admin = client.acting(first.id, rights.ALL)
    refused = await admin.post(f"/access/v1/people/{first.id}/deactivate")
    assert (refused.status_code, refused.json()["code"]) == (409, "last-administrator")
    role = (await admin.get("/access/v1/roles?q=administrator")).json()["items"][0]
    assert (await admin.post(f"/access/v1/roles/{role['id']}/retire")).status_code == 409
    emptied = await admin.patch(
        f"/access/v1/roles/{role['id']}", json={"permissions": []}, headers={"If-Match": role["etag"]}
    )
    assert emptied.status_code == 409


async def test_a_first_start_over_an_administrator_who_has_left_makes_another(app: FastAPI) -> None:
    world: World = app.state.world
    async with app.router.lifespan_context(app), world.database.transaction() as session:
        await bootstrap.start(session, [], now=world.clock())
        (first,) = await people.administrators(session, now=world.clock())
        first.status = "inactive"
        await session.flush()
        assert (await bootstrap.start(session, [], now=world.clock())).administrator_key


async def test_a_grant_list_as_of_for_ever_is_answered(admin: Client) -> None:
    assert (await admin.get("/access/v1/grants?as_of=9999-12-31")).status_code == 200


async def test_a_cursor_with_text_that_no_row_holds_is_refused(admin: Client) -> None:
    for number in range(3):
        await admin.made("/access/v1/people", user_name=f"p{number}", name=f"Person {number}")
    cursor = (await admin.get("/access/v1/people?limit=1")).json()["next_cursor"]
    _, key, made_for = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    for value in ("\ud800", "\0"):
        tampered = base64.urlsafe_b64encode(json.dumps([value, key, made_for]).encode()).decode().rstrip("=")
        answer = await admin.get(f"/access/v1/people?limit=1&cursor={tampered}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "query/cursor")


async def test_a_person_has_names_a_title_and_a_number(admin: Client) -> None:
    facts = {"given_name": "Alice", "family_name": "Smith", "title": "Dean", "employee_number": "0042"}
    made = await admin.made("/access/v1/people", user_name="a", name="Alice Smith", **facts)
    assert {name: made[name] for name in facts} == facts
    changed = await admin.patch(
        f"/access/v1/people/{made['id']}", json={"title": None}, headers={"If-Match": made["etag"]}
    )
    assert changed.json()["title"] is None
    found = (await admin.get("/access/v1/people?employee_number=0042")).json()["items"]
    assert [one["id"] for one in found] == [made["id"]]


async def test_whose_manager_one_is_can_be_asked(admin: Client, client: Client) -> None:
    boss = await admin.made("/access/v1/people", user_name="boss", name="Boss")
    await admin.made("/access/v1/people", user_name="a", name="Alice", manager=boss["id"])
    reader = client.acting(boss["id"], [rights.PEOPLE_READ])
    assert [one["name"] for one in (await reader.get("/access/v1/people?manager=me")).json()["items"]] == ["Alice"]


async def test_whom_the_directory_deleted_is_found_by_nobody_and_frees_the_names(admin: Client, app: FastAPI) -> None:
    gone = await admin.made("/access/v1/people", user_name="alice", name="Alice", external_id="ext-a")
    path = f"/access/v1/people/{gone['id']}"
    await admin.post(f"{path}/deactivate")
    async with app.state.world.database.transaction() as session:
        await session.execute(text("UPDATE person SET deleted_at = now() WHERE id = :id"), {"id": gone["id"]})
    assert (await admin.get("/access/v1/people")).json()["items"] == []
    assert (await admin.get("/access/v1/people?external_id=ext-a")).json()["items"] == []
    assert (await admin.get(path)).status_code == 404
    assert (await admin.get(f"{path}?history=true")).json()["deleted_at"] is not None
    assert (await admin.get(f"{path}/appointments")).status_code == 404
    assert (await admin.patch(path, json={"name": "B"}, headers={"If-Match": "*"})).status_code == 404
    assert (await admin.post(f"{path}/reactivate")).status_code == 404
    names = (await admin.get(f"/access/v1/names?id={gone['id']}")).json()["items"]
    assert names == [{"id": gone["id"], "name": "Alice"}]
    again = await admin.made("/access/v1/people", user_name="Alice", name="Alice", external_id="ext-a")
    found = await admin.acting("gateway").post("/internal/v1/callers/resolve", json={"external_id": "ext-a"})
    assert found.json()["id"] == again["id"]
    refused = await admin.post("/access/v1/people", json={"user_name": "b", "name": "B", "manager": gone["id"]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/manager")
    assert (await admin.post("/access/v1/keys", json={"owner": gone["id"]})).status_code == 422


async def test_a_move_by_hand_is_told_of(admin: Client, app: FastAPI) -> None:
    unit = await admin.made("/access/v1/org-units", name="Arts")
    made = await admin.made("/access/v1/people", user_name="a", name="Alice")
    path = f"/access/v1/people/{made['id']}"
    for body in ({"org_unit": unit["id"]}, {"org_unit": unit["id"], "title": "Dean"}):
        assert (await admin.patch(path, json=body, headers={"If-Match": "*"})).status_code == 200
    async with app.state.world.database.transaction() as session:
        rows = await session.execute(
            text("SELECT type FROM event WHERE subject_id = :id ORDER BY id"), {"id": made["id"]}
        )
        assert list(rows.scalars()) == ["person.created", "person.changed", "person.moved", "person.changed"]


async def test_who_writes_for_some_org_units_moves_people_within_them_only(admin: Client, client: Client) -> None:
    arts, law, science = [(await admin.made("/access/v1/org-units", name=one))["id"] for one in "ALS"]
    dean = client.acting(
        "per_01J0000000000000000000DEAN", {one.name: [arts, law] for one in (rights.PEOPLE_WRITE, rights.PEOPLE_READ)}
    )
    made = await dean.made("/access/v1/people", user_name="a", name="Alice", org_unit=arts)
    other = await admin.made("/access/v1/people", user_name="b", name="Bob", org_unit=science)
    for person, unit, status in ((made, law, 200), (made, science, 403), (made, None, 403), (other, arts, 403)):
        moved = await dean.patch(
            f"/access/v1/people/{person['id']}", json={"org_unit": unit}, headers={"If-Match": "*"}
        )
        assert moved.status_code == status, unit
    assert (await dean.post("/access/v1/people", json={"user_name": "c", "name": "C"})).status_code == 403
    assert (await dean.post(f"/access/v1/people/{other['id']}/deactivate")).status_code == 403


async def test_one_reads_where_one_belongs(admin: Client, client: Client, time: Any) -> None:
    unit = await admin.made("/access/v1/org-units", name="Arts")
    boss = await admin.made("/access/v1/people", user_name="boss", name="Boss")
    made = await admin.made("/access/v1/people", user_name="a", name="Alice", external_id="ext-a")
    today = time.now.date()
    for first, last in ((today - timedelta(days=9), today - timedelta(days=1)), (today, None)):
        body = {"starts_on": str(first), "ends_on": str(last) if last else None, "manager": boss["id"]}
        await admin.made(
            f"/access/v1/people/{made['id']}/appointments", org_unit=unit["id"], kind="staff", primary=True, **body
        )
    me = (await client.acting(made["id"]).get("/access/v1/me")).json()
    assert (me["external_id"], me["status"], me["permissions"]) == ("ext-a", "active", {})
    assert (me["org_unit"], me["manager"]["name"]) == ({"id": unit["id"], "name": "Arts"}, "Boss")
    assert [one["starts_on"] for one in me["appointments"]] == [str(today)]
    account = await admin.made("/access/v1/service-accounts", name="portal")
    its = (await client.acting(account["id"]).get("/access/v1/me")).json()
    assert (its["name"], its["org_unit"], its["appointments"]) == ("portal", None, [])
