"""Two editors of the same thing, two enders of it, two who make what there can be one of: one of them wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from access_service.settings import Settings
from lodge_kit.testing.client import Client
from lodge_kit.testing.racing import Call, at_once

pytestmark = pytest.mark.anyio

LOSES = {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}
PRODUCT = "prd_01J0000000000000000000PRDA"


@dataclass
class Ring:
    """One thing of every kind that may be changed, and the calls that race for it."""

    admin: Client
    dsn: str
    places: dict[str, str]
    """By what they are called in these tests: the paths."""
    ids: dict[str, str]

    async def race(self, table: str, *calls: Call) -> httpx.Response:
        """Have calls race, of which one is to win: answers what it was told."""
        return await self.won(await at_once(self.dsn, table, *calls))

    async def won(self, answers: Sequence[httpx.Response]) -> httpx.Response:
        won = [one for one in answers if one.is_success]
        lost = [one for one in answers if not one.is_success]
        assert len(won) == 1, [one.text for one in answers]
        for one in lost:
            assert one.status_code in LOSES, one.text
            assert one.json()["detail"]
        return won[0]

    async def tag(self, thing: str) -> dict[str, str]:
        return {"If-Match": (await self.admin.get(self.places[thing])).headers["ETag"]}


@pytest.fixture
async def ring(admin: Client, settings: Settings) -> Ring:
    ids: dict[str, str] = {}
    places: dict[str, str] = {}

    async def make(thing: str, path: str, **body: Any) -> str:
        ids[thing] = (await admin.made(f"/access/v1/{path}", **body))["id"]
        places[thing] = f"/access/v1/{path}/{ids[thing]}"
        return ids[thing]

    person = await make("person", "people", user_name="ann", name="Ann")
    arts = await make("other unit", "org-units", name="Arts")
    await make("appointment", f"people/{person}/appointments", org_unit=arts, kind="staff", starts_on="2026-01-01")
    await make("org unit", "org-units", name="Science")
    system = await make("system", "systems", key="records", name="Records")
    await make("permission", f"systems/{system}/permissions", name="r.view", action="view", resource_type="r")
    places["permission"] = f"/access/v1/permissions/{ids['permission']}"
    role = await make("role", "roles", system=system, name="Clerk")
    await make("grant", "grants", subject=person, role=role)
    group = await make("group", "groups", name="Team")
    added = await admin.post(f"/access/v1/groups/{group}/members", json={"person": person})
    assert added.status_code == HTTPStatus.NO_CONTENT
    await make("member", "people", user_name="ben", name="Ben")
    places["member"] = f"/access/v1/groups/{group}/members/{person}"
    await make("service account", "service-accounts", name="timetable")
    function = await make("function", "support-functions", key="first-line", name="First line")
    await make("responsibility", "responsibilities", function=function, product=PRODUCT, letter="R", holder=person)
    await make("post", "posts", name="Head of Registry")
    return Ring(admin, settings.database_url.get_secret_value(), places, ids)


EDITED = {
    "person": ("person", {"title": "Clerk"}, {"title": "Head"}),
    "appointment": ("appointment", {"title": "Clerk"}, {"title": "Head"}),
    "org unit": ("org_unit", {"name": "Sciences"}, {"code": "SCI"}),
    "responsibility": ("responsibility", {"ends_on": "2030-01-01"}, {"ends_on": "2031-01-01"}),
    "system": ("system", {"name": "Registry"}, {"description": "old"}),
    "permission": ("permission", {"description": "a"}, {"supplier_code": "V1"}),
    "role": ("role", {"name": "Clerks"}, {"description": "old"}),
    "group": ("group", {"name": "Crew"}, {"description": "old"}),
    "service account": ("service_account", {"description": "a"}, {"description": "b"}),
    "function": ("support_function", {"name": "Second line"}, {"description": "b"}),
    "post": ("post", {"name": "Registrar"}, {"name": "Dean"}),
}
"""The table that is written to, and what two editors want."""


@pytest.mark.parametrize("thing", EDITED)
async def test_of_two_editors_with_the_same_etag_one_wins(ring: Ring, thing: str) -> None:
    table, *wanted = EDITED[thing]
    place, tag = ring.places[thing], await ring.tag(thing)
    won = await ring.race(table, *(ring.admin.patch(place, json=body, headers=tag) for body in wanted))
    there = await ring.admin.get(place)
    assert there.headers["ETag"] == won.headers["ETag"]
    assert all(there.json()[name] == value for name, value in won.json().items())
    assert sum(body.items() <= there.json().items() for body in wanted) == 1
    again = await ring.admin.patch(place, json=wanted[0], headers=tag)
    assert again.status_code == HTTPStatus.PRECONDITION_FAILED


@pytest.mark.parametrize("thing", ["appointment", "org unit", "responsibility"])
async def test_of_one_who_edits_and_one_who_deletes_one_wins(ring: Ring, thing: str) -> None:
    table, wanted, _ = EDITED[thing]
    place, tag = ring.places[thing], await ring.tag(thing)
    answers = await at_once(
        ring.dsn, table,
        ring.admin.patch(place, json=wanted, headers=tag), ring.admin.call("DELETE", place, headers=tag),
    )  # fmt: skip
    await ring.won(answers)
    there = await ring.admin.get(place)
    assert there.status_code == (HTTPStatus.OK if answers[0].is_success else HTTPStatus.NOT_FOUND)


ENDED = {
    "grant": ("role_grant", "end", {"reason": "moved"}),
    "appointment": ("appointment", "end", {}),
    "responsibility": ("responsibility", "end", {}),
    "person": ("person", "deactivate", None),
    "org unit": ("org_unit", "close", None),
    "role": ("role", "retire", None),
    "permission": ("permission", "retire", None),
    "function": ("support_function", "retire", None),
    "service account": ("service_account", "deactivate", None),
}


@pytest.mark.parametrize("thing", ENDED)
async def test_of_two_who_end_a_thing_one_wins(ring: Ring, thing: str, rows: Any) -> None:
    table, verb, body = ENDED[thing]
    path, options = f"{ring.places[thing]}/{verb}", {} if body is None else {"json": body}
    await ring.race(table, *(ring.admin.post(path, **options) for _ in range(3)))
    made_and_ended = "SELECT count(*) FROM audit_event WHERE subject_id = :id"
    assert await rows(made_and_ended, id=ring.ids[thing]) == [(2,)]


async def test_a_member_leaves_once(ring: Ring) -> None:
    answers = await at_once(
        ring.dsn, "group_member", *(ring.admin.post(f"{ring.places['member']}/remove") for _ in range(3))
    )
    assert sorted(one.status_code for one in answers) == [204, 404, 404]


async def test_of_an_ender_and_an_editor_of_a_grants_role_neither_breaks(ring: Ring) -> None:
    ended, retired = await at_once(
        ring.dsn, "role_grant",
        ring.admin.post(f"{ring.places['grant']}/end", json={"reason": "x"}),
        ring.admin.post(f"{ring.places['role']}/retire"),
    )  # fmt: skip
    assert (ended.status_code, retired.status_code) == (200, 200)


async def test_what_there_can_be_one_of_is_made_once(ring: Ring) -> None:
    made, ids = ring.admin.post, ring.ids
    grant = {"subject": ids["member"], "role": ids["role"]}
    first = {"org_unit": ids["org unit"], "kind": "staff", "starts_on": "2026-01-01", "primary": True}
    duty = {"function": ids["function"], "product": PRODUCT, "letter": "A", "holder": ids["person"]}
    for table, path, body in (
        ("role_grant", "grants", grant),
        ("appointment", f"people/{ids['member']}/appointments", first),
        ("responsibility", "responsibilities", duty),
        ("person", "people", {"user_name": "eve", "name": "Eve"}),
        ("group", "groups", {"name": "Crew"}),
        ("role", "roles", {"system": ids["system"], "name": "Head"}),
    ):
        await ring.race(table, *(made(f"/access/v1/{path}", json=body) for _ in range(2)))
