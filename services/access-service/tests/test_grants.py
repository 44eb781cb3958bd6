"""Roles given and ended, and what is decided by them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from access_service import bootstrap, rights
from access_service.app import create_app
from access_service.settings import Settings
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

MISSING = "per_01J00000000000000000000N0T"


class Time:
    """A clock that the test sets; summer time has begun."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def app(settings: Settings, issuer: Issuer, time: Time) -> FastAPI:
    return create_app(settings, clock=time, keys=issuer.keys)


class Records:
    """A student records system with a role that may amend, one that inherits it, and Alice."""

    def __init__(self, admin: Client) -> None:
        self.admin = admin
        self.ids: dict[str, str] = {}

    async def furnish(self) -> "Records":
        made = self.admin.made
        self.ids["system"] = (await made("/access/v1/systems", key="records", name="Student Records"))["id"]
        permission = {"name": "record.amend", "action": "amend", "resource_type": "record"}
        self.ids["permission"] = (await made(f"/access/v1/systems/{self.ids['system']}/permissions", **permission))[
            "id"
        ]
        self.ids["clerk"] = await self.role("Clerk", permissions=[self.ids["permission"]])
        self.ids["head"] = await self.role("Head", inherits=[self.ids["clerk"]])
        self.ids["alice"] = (await made("/access/v1/people", user_name="alice", name="Alice", external_id="ext-a"))[
            "id"
        ]
        return self

    async def role(self, name: str, **more: Any) -> str:
        return str((await self.admin.made("/access/v1/roles", system=self.ids["system"], name=name, **more))["id"])

    async def own(self, person: str | None) -> None:
        """Put somebody in charge of the system."""
        answer = await self.admin.patch(
            f"/access/v1/systems/{self.ids['system']}", json={"owner": person}, headers={"If-Match": "*"}
        )
        assert answer.status_code == 200, answer.text

    async def give(self, role: str = "clerk", subject: str = "alice", **more: Any) -> dict[str, Any]:
        body = {"subject": self.ids.get(subject, subject), "role": self.ids[role]} | more
        return await self.admin.made("/access/v1/grants", **body)

    async def decided(self, subject: str = "alice", **properties: str) -> tuple[bool, str]:
        asked = {
            "subject": {"type": "user", "id": self.ids.get(subject, subject)},
            "action": {"name": "amend"},
            "resource": {"type": "record", "id": "1", "properties": properties},
        }
        answer = await self.admin.post("/access/v1/evaluation", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["decision"], answer.json()["context"]["reason"]

    async def may(self, subject: str = "alice", **properties: str) -> bool:
        return (await self.decided(subject, **properties))[0]


@pytest.fixture
async def records(admin: Client) -> Records:
    return await Records(admin).furnish()


async def test_permissions_are_found_by_their_suppliers_code(records: Records) -> None:
    path = f"/access/v1/systems/{records.ids['system']}/permissions"
    made = await records.admin.made(path, name="x", action="close", resource_type="year", supplier_code="SRS_CL-01")
    for q, names in (("srs_cl", ["x"]), ("SRSxCL", []), ("amend", ["record.amend"]), ("cl-01 x", ["x"])):
        found = (await records.admin.get(path, params={"q": q})).json()["items"]
        assert [one["name"] for one in found] == names, q
    closer = await records.role("Closer", permissions=[made["id"]])
    found = (await records.admin.get("/access/v1/roles", params={"permission": made["id"]})).json()["items"]
    assert [one["id"] for one in found] == [closer]


async def test_deny_then_a_grant_then_permit_then_its_end_then_deny(records: Records, time: Time) -> None:
    assert await records.decided() == (False, "not-held")
    grant = await records.give()
    assert await records.decided() == (True, "held")
    time.now += timedelta(minutes=1)
    ended = await records.admin.post(f"/access/v1/grants/{grant['id']}/end", json={"reason": "moved"})
    assert (ended.status_code, ended.json()["end_reason"]) == (200, "moved")
    assert ended.json()["valid_to"] == "2026-06-01T12:01:00Z"
    assert not await records.may()


@pytest.mark.parametrize("named", ["alice", "ext-a"])
async def test_a_subject_is_known_by_id_external_id_and_user_name(records: Records, named: str) -> None:
    await records.give()
    assert await records.may(named if named == "ext-a" else records.ids["alice"])
    asked = {
        "subject": {"type": "user", "id": "alice"},
        "action": {"name": "amend"},
        "resource": {"type": "record", "id": "1"},
    }
    assert (await records.admin.post("/access/v1/evaluation", json=asked)).json()["decision"]


async def test_nobody_gets_anothers_rights_by_a_user_name_that_is_the_others_id(records: Records) -> None:
    for name in (records.ids["alice"], "ext-a"):
        other = await records.admin.made("/access/v1/people", user_name=name, name="Mallory")
        await records.give(subject=other["id"])
    assert not await records.may()
    assert not await records.may("ext-a")


@pytest.mark.parametrize("subject", ["nobody", "", MISSING])
async def test_an_unknown_subject_is_denied(records: Records, subject: str) -> None:
    await records.give()
    assert not await records.may(subject)


async def test_unknown_actions_types_and_systems_are_denied(records: Records) -> None:
    await records.give()
    alice = {"type": "user", "id": records.ids["alice"]}
    for action, kind, system in (("eat", "record", None), ("amend", "cake", None), ("amend", "record", "finance")):
        properties = {"system": system} if system else {}
        asked = {
            "subject": alice,
            "action": {"name": action},
            "resource": {"type": kind, "id": "1", "properties": properties},
        }
        assert (await records.admin.post("/access/v1/evaluation", json=asked)).json()["decision"] is False
    assert await records.may(system="records")
    assert await records.may(system=records.ids["system"])


async def test_a_grant_begins_and_ends_when_it_says(records: Records, time: Time) -> None:
    begins, ends = time.now + timedelta(days=1), time.now + timedelta(days=2)
    await records.give(valid_from=begins.isoformat(), valid_to=ends.isoformat())
    for at, held in ((time.now, False), (begins, True), (ends - timedelta(microseconds=1), True), (ends, False)):
        time.now = at
        assert await records.may() is held, at


async def test_the_same_role_for_the_same_scope_cannot_overlap(records: Records, time: Time) -> None:
    ends = time.now + timedelta(days=1)
    await records.give(valid_to=ends.isoformat())
    body = {"subject": records.ids["alice"], "role": records.ids["clerk"]}
    again = await records.admin.post("/access/v1/grants", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "grant-overlaps")
    await records.give(valid_from=ends.isoformat())
    unit = await records.admin.made("/access/v1/org-units", name="Science")
    await records.give(org_unit=unit["id"])


async def test_of_many_givers_at_once_one_gives(records: Records) -> None:
    body = {"subject": records.ids["alice"], "role": records.ids["clerk"]}
    answers = await asyncio.gather(*(records.admin.post("/access/v1/grants", json=body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_nobody_gives_or_ends_a_role_of_ones_own(records: Records, client: Client, time: Time) -> None:
    alice = client.acting(records.ids["alice"], rights.ALL)
    body = {"subject": records.ids["alice"], "role": records.ids["clerk"]}
    assert (await alice.post("/access/v1/grants", json=body)).status_code == 403
    group = await records.admin.made("/access/v1/groups", name="Team")
    joined = f"/access/v1/groups/{group['id']}/members"
    assert (await alice.post(joined, json={"person": records.ids["alice"]})).status_code == 403
    await records.admin.post(joined, json={"person": records.ids["alice"]})
    assert (await alice.post("/access/v1/grants", json=body | {"subject": group["id"]})).status_code == 403
    grant = await records.give()
    time.now += timedelta(minutes=1)
    assert (await alice.post(f"/access/v1/grants/{grant['id']}/end", json={"reason": "x"})).status_code == 403


async def test_a_grant_is_ended_later_but_neither_in_the_past_nor_beyond_its_end(records: Records, time: Time) -> None:
    ends = time.now + timedelta(days=9)
    grant = await records.give(valid_to=ends.isoformat())
    path = f"/access/v1/grants/{grant['id']}/end"

    async def end(at: datetime) -> int:
        return (await records.admin.post(path, json={"reason": "x", "at": at.isoformat()})).status_code

    assert await end(time.now - timedelta(minutes=1)) == 422
    assert await end(ends + timedelta(minutes=1)) == 422
    assert await end(time.now + timedelta(days=1)) == 200
    time.now += timedelta(hours=23)
    assert await records.may()
    time.now += timedelta(hours=1)
    assert not await records.may()
    assert await end(time.now) == 409
    assert (await records.admin.post("/access/v1/grants/grt_0/end", json={"reason": "x"})).status_code == 404


async def test_a_grant_that_is_ended_before_it_began_never_held(records: Records, time: Time) -> None:
    begins = time.now + timedelta(days=1)
    grant = await records.give(valid_from=begins.isoformat())
    ended = await records.admin.post(f"/access/v1/grants/{grant['id']}/end", json={"reason": "x"})
    assert ended.json()["valid_to"] == ended.json()["valid_from"]
    time.now = begins
    assert not await records.may()
    await records.give()


async def test_what_is_wrong_with_a_grant_is_pointed_at(records: Records, time: Time) -> None:
    good = {"subject": records.ids["alice"], "role": records.ids["clerk"]}
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"subject": MISSING}, 422, "/subject"), ({"subject": records.ids["system"]}, 422, "/subject"),
        ({"org_unit": "org_01J00000000000000000000N0T"}, 422, "/org_unit"),
        ({"valid_to": time.now.isoformat()}, 422, "/valid_to"),
        ({"valid_from": "2026-01-01T00:00:00"}, 422, "/valid_from"),
        ({"role": "x"}, 422, "/role"), ({"granted": True}, 422, "/granted"),
    ]  # fmt: skip
    for more, status, pointer in wrong:
        answer = await records.admin.post("/access/v1/grants", json=good | more)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, pointer)
    unknown = await records.admin.post("/access/v1/grants", json=good | {"role": "rol_01J00000000000000000000N0T"})
    assert unknown.status_code == 404


async def test_a_giver_gives_within_his_org_units_only(records: Records, client: Client) -> None:
    science = await records.admin.made("/access/v1/org-units", name="Science")
    arts = await records.admin.made("/access/v1/org-units", name="Arts")
    held: dict[str, Any] = {rights.GRANT.name: [science["id"]], rights.GRANTS_READ.name: [science["id"]]}
    owner = await records.admin.made("/access/v1/people", user_name="dean", name="Dean")
    await records.own(owner["id"])
    dean = client.acting(owner["id"], held)
    body = {"subject": records.ids["alice"], "role": records.ids["clerk"]}
    for unit in (None, arts["id"]):
        refused = await dean.post("/access/v1/grants", json=body | {"org_unit": unit})
        assert (refused.status_code, "access.grant" in refused.json()["detail"]) == (403, True)
    made = await dean.post("/access/v1/grants", json=body | {"org_unit": science["id"]})
    assert made.status_code == 201
    everywhere = await records.give()
    assert (await dean.get(f"/access/v1/grants/{everywhere['id']}")).status_code == 404
    assert (await dean.post(f"/access/v1/grants/{everywhere['id']}/end", json={"reason": "x"})).status_code == 403
    assert [one["id"] for one in (await dean.get("/access/v1/grants")).json()["items"]] == [made.json()["id"]]


async def test_a_scope_covers_what_is_below_it_and_moves_with_the_tree(records: Records) -> None:
    made = records.admin.made
    science = await made("/access/v1/org-units", name="Science")
    physics = await made("/access/v1/org-units", name="Physics", parent=science["id"])
    optics = await made("/access/v1/org-units", name="Optics", parent=physics["id"])
    arts = await made("/access/v1/org-units", name="Arts")
    await records.give(org_unit=science["id"])
    for unit, held in ((science, True), (physics, True), (optics, True), (arts, False)):
        assert await records.may(org_unit=unit["id"]) is held
    assert await records.decided() == (False, "held-elsewhere")
    moved = await records.admin.patch(
        f"/access/v1/org-units/{physics['id']}", json={"parent": arts["id"]}, headers={"If-Match": physics["etag"]}
    )
    assert moved.status_code == 200
    assert not await records.may(org_unit=optics["id"])
    circle = await records.admin.patch(
        f"/access/v1/org-units/{arts['id']}", json={"parent": optics["id"]}, headers={"If-Match": arts["etag"]}
    )
    assert (circle.status_code, circle.json()["errors"][0]["code"]) == (422, "circle")


async def test_a_role_has_what_it_inherits_and_a_retired_one_permits_nothing(records: Records) -> None:
    await records.give("head")
    assert await records.may()
    assert (await records.admin.post(f"/access/v1/roles/{records.ids['clerk']}/retire")).json()["state"] == "retired"
    assert not await records.may()
    refused = await records.admin.post(
        "/access/v1/grants", json={"subject": records.ids["alice"], "role": records.ids["clerk"]}
    )
    assert refused.status_code == 409
    again = await records.admin.post(f"/access/v1/roles/{records.ids['clerk']}/retire")
    assert again.status_code == 409


async def test_roles_never_inherit_in_a_circle(records: Records) -> None:
    clerk, head = records.ids["clerk"], records.ids["head"]
    for role, inherits in ((clerk, [head]), (clerk, [clerk])):
        tag = (await records.admin.get(f"/access/v1/roles/{role}")).headers["etag"]
        answer = await records.admin.patch(
            f"/access/v1/roles/{role}", json={"inherits": inherits}, headers={"If-Match": tag}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "inheritance-circle")
    assert (await records.admin.get(f"/access/v1/roles/{clerk}")).json()["inherits"] == []


async def test_two_changes_at_once_make_no_circle_together(records: Records) -> None:
    one, two = await records.role("One"), await records.role("Two")
    answers = await asyncio.gather(
        *(
            records.admin.patch(f"/access/v1/roles/{role}", json={"inherits": [other]}, headers={"If-Match": "*"})
            for role, other in ((one, two), (two, one))
        )
    )
    assert min(answer.status_code for answer in answers) == 200
    found = [(await records.admin.get(f"/access/v1/roles/{role}")).json()["inherits"] for role in (one, two)]
    assert sorted(map(len, found)) == [0, 1]


async def test_a_group_gives_its_members_what_it_was_given(records: Records) -> None:
    group = await records.admin.made("/access/v1/groups", name="Team")
    await records.give(subject=group["id"])
    assert not await records.may()
    members = f"/access/v1/groups/{group['id']}/members"
    for _ in range(2):
        assert (await records.admin.post(members, json={"person": records.ids["alice"]})).status_code == 204
    assert await records.may()
    assert [one["name"] for one in (await records.admin.get(members)).json()["items"]] == ["Alice"]
    assert (await records.admin.get("/access/v1/groups?count=true")).json()["count"] == 1
    assert (await records.admin.post(f"{members}/{records.ids['alice']}/remove")).status_code == 204
    assert not await records.may()
    assert (await records.admin.post(f"{members}/{records.ids['alice']}/remove")).status_code == 404


async def test_grants_are_found_by_their_org_unit_and_those_below_it(records: Records) -> None:
    faculty = (await records.admin.made("/access/v1/org-units", name="Science"))["id"]
    school = (await records.admin.made("/access/v1/org-units", name="Physics", parent=faculty))["id"]
    for unit in (faculty, school, None):
        await records.give(org_unit=unit)

    async def found(**params: Any) -> list[str | None]:
        items = (await records.admin.get("/access/v1/grants", params=params)).json()["items"]
        return [one["org_unit"] and one["org_unit"]["name"] for one in items][::-1]

    assert await found(org_unit=faculty) == ["Science", "Physics"]
    assert await found(org_unit=faculty, descendants=False) == ["Science"]
    assert await found(org_unit=school) == ["Physics"]
    assert await found(org_unit="org_01J00000000000000000000N0T") == []
    assert await found() == ["Science", "Physics", None]


class Doors:
    """A group, and who comes in and goes out by whom."""

    def __init__(self, records: Records, client: Client, group: str) -> None:
        self.records = records
        self.client = client
        self.path = f"/access/v1/groups/{group}/members"

    async def join(self, by: Client, person: str = "alice") -> int:
        return (await by.post(self.path, json={"person": self.records.ids.get(person, person)})).status_code

    async def leave(self, by: Client, person: str = "alice") -> int:
        return (await by.post(f"{self.path}/{self.records.ids.get(person, person)}/remove")).status_code


@pytest.fixture
async def doors(records: Records, client: Client) -> Doors:
    return Doors(records, client, (await records.admin.made("/access/v1/groups", name="Team"))["id"])


async def test_into_a_group_with_roles_comes_and_goes_who_could_be_given_them(
    doors: Doors, records: Records, client: Client, time: Time
) -> None:
    owner = await records.admin.made("/access/v1/people", user_name="owner", name="Olga Owner")
    keeper = client.acting("per_01J0000000000000000000KEEP", (rights.PEOPLE_WRITE,))
    anyones = client.acting("per_01J0000000000000000000ANY0", (rights.PEOPLE_WRITE, rights.GRANT_ANY))
    owning = client.acting(owner["id"], (rights.PEOPLE_WRITE, rights.GRANT))
    assert (await doors.join(keeper), await doors.leave(keeper)) == (204, 204)  # it gives nothing yet
    group = doors.path.split("/")[-2]
    ends = time.now + timedelta(days=2)
    await records.give(subject=group, valid_from=(time.now + timedelta(days=1)).isoformat(), valid_to=ends.isoformat())
    refused = await keeper.post(doors.path, json={"person": records.ids["alice"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (
        records.ids["clerk"] in refused.json()["detail"]
    )  # it says which role, even one that is held from tomorrow on
    assert await doors.join(owning) == 403
    await records.own(owner["id"])
    time.now += timedelta(minutes=1)
    assert (await doors.join(owning), await doors.leave(keeper), await doors.leave(owning)) == (204, 403, 204)
    time.now += timedelta(minutes=1)
    assert (await doors.join(anyones), await doors.leave(anyones)) == (204, 204)
    time.now = ends
    assert await doors.join(keeper) == 204  # what has ended is given to nobody


async def test_an_owner_fills_groups_within_his_org_units_only(
    doors: Doors, records: Records, client: Client, time: Time
) -> None:
    units = [(await records.admin.made("/access/v1/org-units", name=key))["id"] for key in ("law", "arts")]
    owner = (await records.admin.made("/access/v1/people", user_name="owner", name="Olga Owner"))["id"]
    await records.own(owner)
    group = doors.path.split("/")[-2]
    held: dict[str, Any] = {rights.PEOPLE_WRITE.name: "*", rights.GRANT.name: [units[0]]}
    scoped = client.acting(owner, held)
    await records.give(subject=group, org_unit=units[0])
    assert (await doors.join(scoped), await doors.leave(scoped)) == (204, 204)
    time.now += timedelta(minutes=1)
    await records.give(subject=group, org_unit=units[1])
    assert (await doors.join(scoped), await doors.join(records.admin), await doors.leave(scoped)) == (403, 204, 403)


async def test_nobody_leaves_a_group_with_roles_by_oneself(doors: Doors, records: Records, client: Client) -> None:
    await records.give(subject=doors.path.split("/")[-2])
    assert await doors.join(records.admin) == 204
    assert await doors.leave(client.acting(records.ids["alice"], rights.ALL)) == 403
    assert await doors.leave(records.admin) == 204


async def test_who_has_left_is_denied_at_once_and_holds_it_again_when_back(records: Records) -> None:
    await records.give()
    path = f"/access/v1/people/{records.ids['alice']}"
    assert (await records.admin.post(f"{path}/deactivate")).json()["status"] == "inactive"
    assert await records.decided() == (False, "subject-unknown")
    assert (await records.admin.post(f"{path}/deactivate")).status_code == 409
    await records.admin.post(f"{path}/reactivate")
    assert await records.may()


async def test_as_of_a_date_means_that_days_end_where_the_institution_is(records: Records, time: Time) -> None:
    # London, in summer: the second of June begins at 23:00 UTC of the first.
    await records.give(valid_from="2026-06-01T22:59:59Z", valid_to="2026-06-02T23:00:00Z")
    for as_of, count in (
        ("2026-05-31", 0), ("2026-06-01", 1), ("2026-06-02", 1), ("2026-06-03", 0),
        ("2026-06-01T00:00:00Z", 0), ("2026-06-02T00:00:00Z", 1), ("2026-06-02T23:00:00Z", 0),
    ):  # fmt: skip
        found = (await records.admin.get("/access/v1/grants", params={"as_of": as_of})).json()["items"]
        assert len(found) == count, as_of
    for wrong in ("yesterday", "2026-06-02T00:00:00", "2026-13-01"):
        assert (await records.admin.get("/access/v1/grants", params={"as_of": wrong})).status_code == 422
    time.now += timedelta(days=30)
    assert (await records.admin.get("/access/v1/grants?state=live")).json()["items"] == []


async def test_each_grant_and_its_end_are_told_of(records: Records, time: Time, app: FastAPI) -> None:
    grant = await records.give()
    time.now += timedelta(minutes=1)
    await records.admin.post(f"/access/v1/grants/{grant['id']}/end", json={"reason": "x"})
    async with app.state.world.database.transaction() as session:
        rows = await session.execute(
            text("SELECT type FROM event WHERE subject_id = :id ORDER BY id"), {"id": grant["id"]}
        )
        assert list(rows.scalars()) == ["grant.created", "grant.ended"]
        audited = await session.execute(
            text("SELECT action, actor FROM audit_event WHERE subject_id = :id"), {"id": grant["id"]}
        )
        assert sorted(row.action for row in audited) == ["grant.created", "grant.ended"]


async def test_who_may_give_roles_gives_no_more_of_lodge_than_is_held(client: Client, app: FastAPI, time: Time) -> None:
    async with app.state.world.database.transaction() as session:
        await bootstrap.take_over(session, rights.ALL, now=time.now)
        started = await bootstrap.start(session, (), now=time.now)
    assert started.administrator_key
    admin = client.acting("per_01J0000000000000000000ADMN", rights.ALL)
    people = (await admin.get("/access/v1/people?q=administrator")).json()["items"]
    first = client.acting(people[0]["id"], rights.ALL)
    roles = {one["name"]: one["id"] for one in (await admin.get("/access/v1/roles?limit=200")).json()["items"]}
    owner = await admin.made("/access/v1/people", user_name="owner", name="Owner")
    friend = await admin.made("/access/v1/people", user_name="friend", name="Friend")
    given = await first.post("/access/v1/grants", json={"subject": owner["id"], "role": roles["system-owner"]})
    assert given.status_code == 201
    as_owner = client.acting(owner["id"], [rights.GRANT_ANY, rights.GRANTS_READ])
    refused = await as_owner.post("/access/v1/grants", json={"subject": friend["id"], "role": roles["administrator"]})
    assert (refused.status_code, "which you do not hold" in refused.json()["detail"]) == (403, True)
    allowed = await as_owner.post("/access/v1/grants", json={"subject": friend["id"], "role": roles["system-owner"]})
    assert allowed.status_code == 201
