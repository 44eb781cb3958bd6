"""Each attribute of people from one source: the directory cannot overwrite what HR knows."""

from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from access_service import rights, rounds
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

SOURCES = "/access/v1/attribute-sources"
WRITES = [rights.PEOPLE_READ, rights.PEOPLE_WRITE]


@pytest.fixture
async def hr(admin: Client, client: Client) -> Client:
    made = await admin.made("/access/v1/service-accounts", name="hr-feed", source="hr")
    return client.acting(made["id"], WRITES)


@pytest.fixture
async def directory(admin: Client, client: Client) -> Client:
    made = await admin.made("/access/v1/service-accounts", name="directory-feed", source="directory")
    return client.acting(made["id"], WRITES)


async def hold(admin: Client, **sources: str) -> None:
    for attribute, source in sources.items():
        answer = await admin.call("PUT", f"{SOURCES}/{attribute}", json={"source": source})
        assert answer.json() == {"attribute": attribute, "source": source}


async def test_what_has_a_source_is_said_by_it_alone_and_nothing_else_is_kept(
    admin: Client, hr: Client, directory: Client
) -> None:
    await hold(admin, left_on="hr", family_name="hr", email="directory")
    made = await hr.made("/access/v1/people", user_name="alice", name="Alice", left_on="2030-01-31")
    path, seen = f"/access/v1/people/{made['id']}", {"If-Match": made["etag"]}
    body = {"left_on": "2031-01-31", "family_name": "Smith", "email": "a@campus.example", "title": "Dean"}
    refused = await directory.patch(path, json=body, headers=seen)
    assert (refused.status_code, refused.json()["code"]) == (409, "other-source")
    assert refused.json()["errors"] == [
        {"pointer": "/family_name", "code": "other-source", "detail": "family_name comes from hr."},
        {"pointer": "/left_on", "code": "other-source", "detail": "left_on comes from hr."},
    ]
    assert (await directory.get(path)).json() == made
    # Who sends all that is known, as directories do, says nothing new by it.
    same = await directory.patch(path, json=body | {"left_on": "2030-01-31", "family_name": None}, headers=seen)
    assert (same.status_code, same.json()["title"]) == (200, "Dean")
    assert (await admin.patch(path, json={"left_on": None}, headers={"If-Match": '"2"'})).status_code == 409
    assert (await hr.patch(path, json={"left_on": None}, headers={"If-Match": '"2"'})).status_code == 200


async def test_a_new_person_is_named_by_whoever_may_add_one(admin: Client, hr: Client, directory: Client) -> None:
    await hold(admin, name="hr", user_name="directory", joined_on="hr")
    assert (await directory.post("/access/v1/people", json={"user_name": "a", "name": "A"})).status_code == 201
    body = {"user_name": "b", "name": "B", "joined_on": "2026-01-01"}
    refused = await directory.post("/access/v1/people", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "/joined_on")
    assert (await hr.post("/access/v1/people", json=body)).status_code == 201


async def test_lodge_is_whoever_changes_it_by_hand(admin: Client, hr: Client) -> None:
    await hold(admin, title="lodge")
    made = await admin.made("/access/v1/people", user_name="a", name="A", title="Dean")
    path = f"/access/v1/people/{made['id']}"
    assert (await hr.patch(path, json={"title": "x"}, headers={"If-Match": "*"})).status_code == 409
    assert (await admin.patch(path, json={"title": "Rector"}, headers={"If-Match": "*"})).status_code == 200


async def test_appointments_and_what_follows_from_them_have_a_source_too(
    app: FastAPI, admin: Client, hr: Client, directory: Client, time: Any
) -> None:
    today = time.now.date()
    unit = (await admin.made("/access/v1/org-units", name="Arts"))["id"]
    person = (await admin.made("/access/v1/people", user_name="a", name="A"))["id"]
    path = f"/access/v1/people/{person}/appointments"
    body = {"org_unit": unit, "kind": "staff", "starts_on": str(today), "primary": True}
    await hold(admin, org_unit="hr")
    assert (await directory.post(path, json=body)).json()["errors"][0]["pointer"] == "/org_unit"
    assert (await directory.post(path, json=body | {"primary": False})).status_code == 201
    await hold(admin, appointments="hr")
    assert (await directory.post(path, json=body | {"primary": False})).json()["errors"][0]["pointer"] == ""
    made = await hr.made(path, **body, ends_on=str(today))
    assert (await directory.post(f"{path}/{made['id']}/end", json={"on": str(today)})).status_code == 409
    time.now += timedelta(days=1)  # what Lodge does by itself is bound by no source
    await rounds.once(app.state.world)
    assert (await hr.get(f"/access/v1/people/{person}")).json()["org_unit"] is None


async def test_whoever_may_lets_go_and_only_the_source_takes_back(admin: Client, hr: Client, directory: Client) -> None:
    await hold(admin, status="hr")
    path = f"/access/v1/people/{(await hr.made('/access/v1/people', user_name='a', name='A'))['id']}"
    assert (await directory.post(f"{path}/deactivate")).status_code == 200
    refused = await directory.post(f"{path}/reactivate")
    assert (refused.status_code, refused.json()["code"]) == (409, "other-source")
    assert (await hr.post(f"{path}/reactivate")).status_code == 200


async def test_sources_are_listed_changed_and_released_by_administrators(
    admin: Client, client: Client, hr: Client
) -> None:
    await hold(admin, email="directory")
    await hold(admin, email="hr")
    listed = {one["attribute"]: one["source"] for one in (await hr.get(SOURCES)).json()["items"]}
    assert (listed["email"], listed["left_on"], len(listed)) == ("hr", None, 15)
    assert (await hr.call("PUT", f"{SOURCES}/email", json={"source": "hr"})).status_code == 403
    assert (await hr.call("DELETE", f"{SOURCES}/email")).status_code == 403
    assert (await admin.call("DELETE", f"{SOURCES}/email")).status_code == 204
    assert (await admin.call("DELETE", f"{SOURCES}/email")).status_code == 404
    for attribute, body in (("shoe_size", {"source": "hr"}), ("email", {"source": "H R"}), ("email", {})):
        assert (await admin.call("PUT", f"{SOURCES}/{attribute}", json=body)).status_code == 422
    assert (await hr.get(SOURCES, headers={"Accept": "text/csv"})).text.count("\r\n") == 16
    # Who may keep service accounts cannot have one speak for a source.
    keeper = client.acting("per_01J00000000000000000000KEE", [rights.KEYS])
    refused = await keeper.post("/access/v1/service-accounts", json={"name": "mine", "source": "hr"})
    assert (refused.status_code, "access.sources" in refused.json()["detail"]) == (403, True)


async def test_a_service_account_without_a_source_says_what_has_none(admin: Client, client: Client) -> None:
    portal = await admin.made("/access/v1/service-accounts", name="portal")
    acting = client.acting(portal["id"], WRITES)
    made = await acting.made("/access/v1/people", user_name="a", name="A", left_on=str(date(2030, 1, 1)))
    await hold(admin, left_on="lodge")
    path = f"/access/v1/people/{made['id']}"
    assert (await acting.patch(path, json={"title": "x"}, headers={"If-Match": "*"})).status_code == 200
    assert (await acting.patch(path, json={"left_on": None}, headers={"If-Match": "*"})).status_code == 409
