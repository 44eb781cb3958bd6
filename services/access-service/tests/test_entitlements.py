"""Who should hold which supplier's code: as a page, as CSV, as of any day; each told once, whatever the ways to it."""

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from access_service import bootstrap, rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio


class Hospital:
    """A system with permissions, three roles one above the other, and who should hold what in it."""

    def __init__(self, campus: Any) -> None:
        self.campus = campus
        self.admin: Client = campus.admin
        self.ids: dict[str, str] = campus.ids

    async def furnish(self) -> "Hospital":
        await self.campus.system("records")
        await self.campus.permission("records", "read", "record", name="read", supplier_code="R1")
        await self.campus.permission("records", "amend", "record", name="amend", supplier_code="A1")
        await self.campus.permission("records", "close", "record", name="close")
        await self.campus.role("records", "Reader", "read")
        await self.campus.role("records", "Clerk", "amend", inherits=[self.ids["Reader"]])
        await self.campus.role("records", "Head", "close", "read", inherits=[self.ids["Clerk"]])
        for name in ("ann", "bob", "cas"):
            await self.campus.person(name, external_id=f"hr-{name}")
        return self

    @property
    def path(self) -> str:
        return f"/access/v1/systems/{self.ids['records']}/entitlements"

    async def give(self, subject: str, role: str, **more: Any) -> str:
        body = {"subject": self.ids[subject], "role": self.ids[role]} | more
        return str((await self.admin.made("/access/v1/grants", **body))["id"])

    async def end(self, grant: str) -> None:
        answer = await self.admin.post(f"/access/v1/grants/{grant}/end", json={"reason": "moved"})
        assert answer.status_code == 200, answer.text

    async def group(self, name: str, *people: str) -> str:
        self.ids[name] = (await self.admin.made("/access/v1/groups", name=name))["id"]
        for one in people:
            await self.join(name, one)
        return self.ids[name]

    async def join(self, group: str, person: str) -> None:
        body = {"person": self.ids[person]}
        answer = await self.admin.post(f"/access/v1/groups/{self.ids[group]}/members", json=body)
        assert answer.status_code == 204, answer.text

    async def listed(self, by: Client | None = None, **params: Any) -> list[dict[str, Any]]:
        """Read all pages."""
        found, asked = [], {"limit": 200} | params
        while True:
            answer = await (by or self.admin).get(self.path, params=asked)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            asked["cursor"] = page["next_cursor"]

    async def told(self, **params: Any) -> list[str]:
        """Read who should hold what, in words."""
        return words(await self.listed(**params))

    async def change(self, path: str, **body: Any) -> None:
        answer = await self.admin.patch(path, json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text

    async def act(self, path: str) -> None:
        answer = await self.admin.post(path)
        assert answer.status_code == 200, answer.text


def words(items: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(f"{one['person']['user_name']} {one['permission']['name']}" for one in items)


@pytest.fixture
async def records(campus: Any) -> Hospital:
    return await Hospital(campus).furnish()


async def test_a_role_is_told_as_the_suppliers_codes_that_it_gives_by_inheritance_too(records: Hospital) -> None:
    grant = await records.give("ann", "Clerk")
    found = sorted(await records.listed(), key=lambda one: str(one["supplier_code"]))
    assert found[1] == {
        "person": {"id": records.ids["ann"], "external_id": "hr-ann", "user_name": "ann", "name": "Ann"},
        "supplier_code": "R1",
        "permission": {"id": records.ids["read"], "name": "read"},
        "role": {"id": records.ids["Clerk"], "name": "Clerk"},
        "grant": grant, "group": None, "environment": None, "org_unit": None, "until": None,
    }  # fmt: skip
    assert [one["supplier_code"] for one in found] == ["A1", "R1"]
    await records.give("bob", "Head")
    assert await records.told() == ["ann amend", "ann read", "bob amend", "bob close", "bob read"]
    assert [one["supplier_code"] for one in await records.listed() if one["permission"]["name"] == "close"] == [None]


async def test_members_of_a_group_are_told_with_the_group(records: Hospital) -> None:
    await records.group("Desk", "ann", "bob")
    await records.give("Desk", "Reader")
    found = await records.listed()
    assert words(found) == ["ann read", "bob read"]
    assert {one["group"]["name"] for one in found} == {"Desk"}
    await records.admin.post(f"/access/v1/groups/{records.ids['Desk']}/members/{records.ids['bob']}/remove")
    assert await records.told() == ["ann read"]


async def test_what_is_held_by_two_ways_is_told_once_by_the_way_that_lasts_longest(
    records: Hospital, time: Any
) -> None:
    first, later = (time.now + timedelta(days=days) for days in (10, 20))
    await records.give("ann", "Reader", valid_to=first.isoformat())
    await records.give("ann", "Clerk", valid_to=later.isoformat())
    await records.group("Desk", "ann")
    assert [(one["role"]["name"], one["until"][:10]) for one in await records.listed()] == [
        ("Clerk", later.date().isoformat())
    ] * 2
    await records.give("Desk", "Reader")
    found = {one["permission"]["name"]: one for one in await records.listed()}
    assert (found["read"]["group"]["name"], found["read"]["until"]) == ("Desk", None)
    assert found["amend"]["role"]["name"] == "Clerk"


async def test_the_same_for_another_org_unit_or_installation_is_another(records: Hospital) -> None:
    law = (await records.admin.made("/access/v1/org-units", name="Law"))["id"]
    await records.give("ann", "Reader")
    await records.give("ann", "Reader", org_unit=law)
    await records.give("ann", "Reader", environment="test")
    found = await records.listed()
    assert sorted((str(one["environment"]), (one["org_unit"] or {}).get("name", "")) for one in found) == [
        ("None", ""), ("None", "Law"), ("test", ""),
    ]  # fmt: skip
    assert len(await records.listed(environment="live")) == 2
    assert len(await records.listed(environment="test")) == 3


async def test_grants_that_ended_or_have_yet_to_begin_are_not_told_but_as_of_their_days(
    records: Hospital, time: Any
) -> None:
    start = time.now
    await records.give("ann", "Reader", valid_to=(start + timedelta(days=1)).isoformat())
    await records.give("bob", "Reader", valid_from=(start + timedelta(days=2)).isoformat())
    grant = await records.give("cas", "Reader")
    assert await records.told() == ["ann read", "cas read"]
    time.now = start + timedelta(days=1)
    assert await records.told() == ["cas read"]
    time.now = start + timedelta(days=2)
    await records.end(grant)
    assert await records.told() == ["bob read"]
    assert await records.told(as_of=(start + timedelta(hours=1)).isoformat()) == ["ann read", "cas read"]


async def test_only_who_is_active_is_told_and_what_is_in_use(records: Hospital, time: Any) -> None:
    await records.give("ann", "Clerk")
    await records.give("bob", "Head")
    time.now += timedelta(minutes=1)
    before = time.now.isoformat()
    everything = ["ann amend", "ann read", "bob amend", "bob close", "bob read"]
    assert await records.told() == everything
    time.now += timedelta(minutes=1)
    await records.act(f"/access/v1/people/{records.ids['ann']}/deactivate")
    assert await records.told() == ["bob amend", "bob close", "bob read"]
    await records.act(f"/access/v1/permissions/{records.ids['close']}/retire")
    assert await records.told() == ["bob amend", "bob read"]
    await records.act(f"/access/v1/roles/{records.ids['Clerk']}/retire")
    assert await records.told() == ["bob read"]  # what it inherited goes with it
    await records.act(f"/access/v1/roles/{records.ids['Head']}/retire")
    assert await records.told() == []
    assert await records.told(as_of=before) == everything
    await records.act(f"/access/v1/people/{records.ids['ann']}/reactivate")
    await records.act(f"/access/v1/roles/{records.ids['Clerk']}/activate")
    assert await records.told() == ["ann amend", "ann read"]


async def test_another_systems_codes_are_its_own(records: Hospital) -> None:
    await records.campus.system("finance")
    await records.campus.permission("finance", "pay", "invoice", name="pay", supplier_code="R1")
    await records.campus.role("finance", "Payer", "pay")
    await records.campus.give("ann", "Payer")
    assert await records.told() == []
    found = (await records.admin.get(f"/access/v1/systems/{records.ids['finance']}/entitlements")).json()["items"]
    assert words(found) == ["ann pay"]
    nowhere = await records.admin.get("/access/v1/systems/sys_01J00000000000000000000N0T/entitlements")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not-found")


async def test_who_reads_grants_of_some_org_units_reads_theirs(records: Hospital, client: Client) -> None:
    faculty = (await records.admin.made("/access/v1/org-units", name="Faculty"))["id"]
    law = (await records.admin.made("/access/v1/org-units", name="Law", parent=faculty))["id"]
    await records.give("ann", "Reader", org_unit=law)
    await records.give("bob", "Reader", org_unit=faculty)
    await records.give("cas", "Reader")
    nobody = client.acting("per_01J0000000000000000000N0B0", (rights.CATALOGUE_READ, rights.PEOPLE_READ))
    assert (await nobody.get(records.path)).status_code == 403
    officer = client.acting("per_01J00000000000000000000FFC", {rights.GRANTS_READ.name: [law]})
    assert words(await records.listed(by=officer)) == ["ann read"]
    officer = client.acting("per_01J00000000000000000000FFC", {rights.GRANTS_READ.name: [law, faculty]})
    assert words(await records.listed(by=officer)) == ["ann read", "bob read"]
    everyones = client.acting("per_01J00000000000000000000FFC", (rights.GRANTS_READ,))
    assert words(await records.listed(by=everyones)) == ["ann read", "bob read", "cas read"]


async def test_what_everybody_holds_is_told_of_everybody(records: Hospital, app: FastAPI) -> None:
    async with app.state.world.database.transaction() as session:
        await bootstrap.take_over(session, rights.ALL, now=app.state.world.clock())
    lodge = (await records.admin.get("/access/v1/systems", params={"key": "lodge"})).json()["items"][0]
    records.ids["records"] = lodge["id"]
    found = [one for one in await records.listed(limit=1) if one["role"]["name"] == "member"]
    assert sorted({one["person"]["user_name"] for one in found}) == ["ann", "bob", "cas"]
    assert [one["grant"] for one in found if one["grant"] is not None] == []


async def test_pages_tell_each_once_while_grants_change(records: Hospital, time: Any) -> None:
    for number in range(12):
        await records.campus.person(f"p{number:02}")
    await records.group("Desk", "ann", "p03")
    await records.give("Desk", "Reader")
    grants = {name: await records.give(name, "Head") for name in [f"p{number:02}" for number in range(12)]}
    lasting = set(await records.told()) - {f"p{number:02} {what}" for number in (1, 9) for what in ("amend", "close")}
    found: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"limit": 4}
    for step in range(100):
        page = (await records.admin.get(records.path, params=asked)).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
        time.now += timedelta(minutes=1)
        if step == 1:  # one behind, one ahead; and one whose way changes beneath the page
            for name in ("p01", "p09"):
                await records.end(grants[name])
                await records.give(name, "Reader")
            await records.end(grants["p03"])
            await records.give("bob", "Head")
        if step == 2:
            await records.give("p11", "Clerk")
            await records.give("p00", "Clerk")
    told = words(found)
    assert len(told) == len(set(told))
    lost = {"p03 amend", "p03 close"}
    assert lasting - lost <= set(told)
    assert "p03 read" in told


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
async def test_pages_of_any_length_hold_what_the_table_holds(records: Hospital, limit: int) -> None:
    await records.group("Desk", "ann", "bob", "cas")
    for role in ("Reader", "Head", "Clerk"):
        await records.give("Desk", role)
        await records.give("bob", role)
        await records.give("cas", role, environment="test")
    pages = await records.listed(limit=limit)
    table = list(csv.DictReader(io.StringIO((await records.admin.get(records.path, headers=AS_CSV)).text)))
    assert [(one["person"]["id"], one["permission"]["id"], one["environment"] or "") for one in pages] == [
        (one["person_id"], one["permission_id"], one["environment"]) for one in table
    ]
    backwards = await records.listed(limit=limit, sort="-person")
    assert backwards == pages[::-1]
    assert len(pages) == 12
    counted = (await records.admin.get(records.path, params={"limit": limit, "count": "true"})).json()
    assert (counted["count"], counted["count_exact"]) == (12, True)


AS_CSV = {"Accept": "text/csv"}


async def test_as_csv_it_is_the_whole_list_guarded_against_formulas(records: Hospital) -> None:
    await records.campus.permission("records", "x", "y", name="=cmd()", supplier_code="+R9")
    await records.campus.role("records", "@Role", "=cmd()")
    person = await records.admin.made(
        "/access/v1/people", user_name="-dan", name='=HYPERLINK("x"), Dan', external_id="@9"
    )
    law = (await records.admin.made("/access/v1/org-units", name="+Law"))["id"]
    await records.admin.made("/access/v1/grants", subject=person["id"], role=records.ids["@Role"], org_unit=law)
    answer = await records.admin.get(records.path, headers=AS_CSV)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="records-entitlements.csv"'
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0] == [
        "person_id", "person_external_id", "person_user_name", "person_name", "supplier_code", "permission_id",
        "permission_name", "role_id", "role_name", "grant", "group_id", "group_name", "environment", "org_unit_id",
        "org_unit_name", "until",
    ]  # fmt: skip
    (row,) = rows[1:]
    assert row[1:5] == ["'@9", "'-dan", '\'=HYPERLINK("x"), Dan', "'+R9"]
    assert (row[6], row[8], row[14]) == ("'=cmd()", "'@Role", "'+Law")


async def test_what_cannot_be_asked_is_refused(records: Hospital) -> None:
    await records.give("ann", "Head")
    cursor = (await records.admin.get(records.path, params={"limit": 1})).json()["next_cursor"]
    for params, status in (
        ({"colour": "red"}, 400), ({"as_of": "yesterday"}, 422), ({"sort": "grant"}, 422), ({"limit": 0}, 422),
        ({"cursor": "x"}, 422), ({"cursor": cursor, "environment": "test"}, 422), ({"environment": "a\0b"}, 422),
    ):  # fmt: skip
        assert (await records.admin.get(records.path, params=params)).status_code == status, params


SUBJECTS, ROLES = ("ann", "bob", "Desk"), ("Reader", "Clerk", "Head")
WAYS = st.lists(
    st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(ROLES), st.sampled_from([None, "live", "test"])),
    max_size=8, unique=True,
)  # fmt: skip
GIVES = {"Reader": {"read"}, "Clerk": {"read", "amend"}, "Head": {"read", "amend", "close"}}


@examples(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(ways=WAYS, limit=st.integers(1, 5))
async def test_whatever_was_given_each_is_told_once(
    campus: Any, ways: list[tuple[str, str, str | None]], limit: int
) -> None:
    for one in ("ann", "bob", "cas"):
        campus.ids.pop(one, None)
    number = len(campus.ids)
    hospital = Hospital(campus)
    hospital.ids |= {"records": await campus.system(f"law-{number}")}
    for name in ("read", "amend", "close"):
        await campus.permission(f"law-{number}", name, "record", name=name)
    await campus.role(f"law-{number}", "Reader", "read")
    await campus.role(f"law-{number}", "Clerk", "amend", inherits=[campus.ids["Reader"]])
    await campus.role(f"law-{number}", "Head", "close", inherits=[campus.ids["Clerk"]])
    for one in ("ann", "bob"):
        hospital.ids[one] = await campus.person(f"{one}-{number}")
    hospital.ids["Desk"] = (await hospital.admin.made("/access/v1/groups", name=f"Desk {number}"))["id"]
    for one in ("ann", "bob"):
        await hospital.join("Desk", one)
    for subject, role, environment in ways:
        await hospital.give(subject, role, environment=environment)
    wanted = {
        (hospital.ids[person], environment, permission)
        for subject, role, environment in ways
        for person in (["ann", "bob"] if subject == "Desk" else [subject])
        for permission in GIVES[role]
    }
    found = [
        (one["person"]["id"], one["environment"], one["permission"]["name"])
        for one in await hospital.listed(limit=limit)
    ]
    assert len(found) == len(wanted)
    assert set(found) == wanted
