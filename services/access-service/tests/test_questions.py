"""What somebody can reach, who holds something, and why, why not, why no longer: on any day."""

import csv
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from access_service import rights
from access_service.app import create_app
from access_service.settings import Settings
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

BOB = "per_01J0000000000000000000B0B0"
DAY = timedelta(days=1)


class Time:
    """A clock that the test sets; summer time has begun."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def after(self, **more: float) -> datetime:
        """Let time pass; answers the instant that it is then."""
        self.now += timedelta(**more)
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def app(settings: Settings, issuer: Issuer, time: Time) -> FastAPI:
    return create_app(settings, clock=time, keys=issuer.keys)


class Desk:
    """A student records system with the role Clerk, which may amend, Head, which inherits it, Alice, and a group."""

    def __init__(self, admin: Client, time: Time) -> None:
        self.admin = admin
        self.time = time
        self.ids: dict[str, str] = {}

    async def furnish(self) -> "Desk":
        bob = await self.admin.made("/access/v1/people", user_name="bob", name="Bob")
        self.admin = self.admin.acting(bob["id"], rights.ALL)
        made, ids = self.admin.made, self.ids
        ids["bob"] = bob["id"]
        ids["system"] = (await made("/access/v1/systems", key="records", name="Student Records"))["id"]
        permission = {"name": "record.amend", "action": "amend", "resource_type": "student_record"}
        ids["amend"] = (await made(f"/access/v1/systems/{ids['system']}/permissions", **permission))["id"]
        ids["clerk"] = await self.role("Clerk", permissions=[ids["amend"]])
        ids["head"] = await self.role("Head", inherits=[ids["clerk"]])
        ids["alice"] = (await made("/access/v1/people", user_name="alice", name="Alice", external_id="ext-a"))["id"]
        ids["team"] = (await made("/access/v1/groups", name="Registry team"))["id"]
        self.time.after(minutes=1)
        return self

    async def role(self, name: str, **more: Any) -> str:
        return str((await self.admin.made("/access/v1/roles", system=self.ids["system"], name=name, **more))["id"])

    async def unit(self, name: str, **more: Any) -> str:
        self.ids[name.lower()] = (await self.admin.made("/access/v1/org-units", name=name, **more))["id"]
        return self.ids[name.lower()]

    async def give(self, role: str = "clerk", subject: str = "alice", **more: Any) -> str:
        body = {"subject": self.ids[subject], "role": self.ids[role], "reason": "new starter"} | more
        return str((await self.admin.made("/access/v1/grants", **body))["id"])

    async def end(self, grant: str, reason: str = "moved to Finance", **more: Any) -> None:
        await self.admin.made(f"/access/v1/grants/{grant}/end", reason=reason, **more)

    async def join(self, person: str = "alice") -> None:
        answer = await self.admin.post(
            f"/access/v1/groups/{self.ids['team']}/members", json={"person": self.ids[person]}
        )
        assert answer.status_code == 204

    async def change(self, path: str, **body: Any) -> None:
        answer = await self.admin.patch(path, json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text

    async def may(self, **place: str) -> bool:
        asked = {
            "subject": {"type": "user", "id": self.ids["alice"]}, "action": {"name": "amend"},
            "resource": {"type": "student_record", "id": "4711", "properties": place},
        }  # fmt: skip
        return bool((await self.admin.post("/access/v1/evaluation", json=asked)).json()["decision"])

    async def why(self, subject: str = "alice", *, client: Client | None = None, **more: Any) -> dict[str, Any]:
        """Ask by GET; the question is put to the decisions too, where it is one of now."""
        asked = {
            "subject": self.ids.get(subject, subject), "action": "amend", "resource_type": "student_record",
            "resource_id": "4711",
        }  # fmt: skip
        answer = await (client or self.admin).get("/access/v1/explain", params=asked | more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found["decision"] == any(path["held"] for path in found["paths"]) or client is not None
        return found

    async def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = await self.admin.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def access(self, subject: str = "alice", **params: Any) -> list[dict[str, Any]]:
        kind = {"per": "people", "grp": "groups", "svc": "service-accounts"}[self.ids[subject][:3]]
        return await self.rows(f"/access/v1/{kind}/{self.ids[subject]}/access", **params)


@pytest.fixture
async def desk(admin: Client, time: Time) -> Desk:
    return await Desk(admin, time).furnish()


async def test_what_a_person_can_reach_is_told_with_the_way_and_the_giver(desk: Desk, time: Time) -> None:
    science = await desk.unit("Science")
    grant = await desk.give("head", "team", org_unit=science)
    joined = time.after(days=1)
    await desk.join()
    (row,) = await desk.access()
    assert row["role"] == {"id": desk.ids["head"], "name": "Head"}
    assert (row["system"]["name"], row["org_unit"]["name"]) == ("Student Records", "Science")
    assert (row["group"]["name"], row["grant"], row["granted_by"]["name"]) == ("Registry team", grant, "Bob")
    assert (row["since"], row["until"], row["origin"]) == ("2026-06-02T12:01:00Z", None, "request")
    assert row["permission"] is None
    assert datetime.fromisoformat(row["since"]) == joined
    (expanded,) = await desk.access(expand="permissions")
    assert (expanded["permission"]["name"], expanded["permission"]["role"]["name"]) == ("record.amend", "Clerk")
    assert [one["group"] for one in await desk.access("team")] == [None]


async def test_access_is_that_of_the_day_and_ends_with_the_membership(desk: Desk, time: Time) -> None:
    await desk.give("clerk", "team")
    await desk.join()
    time.now = datetime(2026, 6, 10, 12, tzinfo=UTC)
    await desk.admin.post(f"/access/v1/groups/{desk.ids['team']}/members/{desk.ids['alice']}/remove")
    assert await desk.access() == []
    (row,) = await desk.access(as_of="2026-06-09")
    assert (row["since"], row["until"]) == ("2026-06-01T12:01:00Z", "2026-06-10T12:00:00Z")
    # On the ninth nobody knew yet of the end.
    (row,) = await desk.access(as_of="2026-06-09", known_at="2026-06-09")
    assert row["until"] is None
    assert await desk.access(as_of="2026-05-31") == []


async def test_a_grant_is_read_as_it_was_on_record(desk: Desk, time: Time) -> None:
    grant = await desk.give(valid_to=(time.now + 30 * DAY).isoformat())
    before = time.now
    time.after(days=3)
    await desk.end(grant, at=(time.now + DAY).isoformat())
    (known,) = await desk.access(as_of=(time.now + 9 * DAY).isoformat(), known_at=before.isoformat())
    assert known["until"] == "2026-07-01T12:01:00Z"
    assert await desk.access(as_of=(time.now + 9 * DAY).isoformat()) == []
    assert await desk.access(known_at=(before - DAY).isoformat()) == []
    then = await desk.why(as_of=(time.now + 9 * DAY).isoformat(), known_at=before.isoformat())
    assert (then["decision"], then["paths"][0]["steps"][1]["reason"]) == (True, "new starter")


async def test_who_is_inactive_reaches_nothing_and_is_no_holder(desk: Desk, time: Time) -> None:
    await desk.give()
    holders = f"/access/v1/permissions/{desk.ids['amend']}/holders"
    time.after(days=1)
    await desk.admin.post(f"/access/v1/people/{desk.ids['alice']}/deactivate")
    assert await desk.access() == []
    assert await desk.rows(holders) == []
    yesterday = (time.now - timedelta(hours=1)).isoformat()
    assert [one["holder"]["name"] for one in await desk.rows(holders, as_of=yesterday)] == ["Alice"]
    assert len(await desk.access(as_of=yesterday)) == 1


async def test_who_holds_a_permission_is_told_with_the_roles_on_the_way(desk: Desk, time: Time) -> None:
    science, arts = await desk.unit("Science"), await desk.unit("Arts")
    physics = await desk.unit("Physics", parent=science)
    account = await desk.admin.made("/access/v1/service-accounts", name="timetable")
    desk.ids["account"] = account["id"]
    await desk.give("clerk", "account")
    await desk.give("head", "team", org_unit=science)
    await desk.join()
    path = f"/access/v1/permissions/{desk.ids['amend']}/holders"
    alice, program = await desk.rows(path)
    assert [one["name"] for one in alice["path"]] == ["Head", "Clerk"]
    assert (alice["holder"]["name"], alice["group"]["name"]) == ("Alice", "Registry team")
    assert (program["holder"]["name"], program["group"], program["org_unit"]) == ("timetable", None, None)
    assert [one["name"] for one in program["path"]] == ["Clerk"]
    assert len(await desk.rows(path, org_unit=physics)) == 2
    assert [one["holder"]["name"] for one in await desk.rows(path, org_unit=arts)] == ["timetable"]
    assert len(await desk.rows(f"/access/v1/roles/{desk.ids['clerk']}/holders")) == 2
    assert [one["path"] for one in await desk.rows(f"/access/v1/roles/{desk.ids['head']}/holders")] == [
        [{"id": desk.ids["head"], "name": "Head"}]
    ]
    assert [one["role"]["name"] for one in await desk.access("account")] == ["Clerk"]
    time.after(days=1)
    await desk.change(f"/access/v1/org-units/{physics}", parent=arts)
    assert len(await desk.rows(path, org_unit=physics)) == 1
    assert len(await desk.rows(path, org_unit=physics, as_of=(time.now - timedelta(hours=1)).isoformat())) == 2


async def test_holders_are_paged_by_a_cursor_and_streamed_as_csv(desk: Desk, time: Time) -> None:
    names = [f"Person {number}" for number in range(5)]
    for number, name in enumerate(names):
        person = await desk.admin.made("/access/v1/people", user_name=f"p{number}", name=name)
        desk.ids[name] = person["id"]
        await desk.give("clerk" if number % 2 else "head", name)
        time.after(seconds=1)
    path = f"/access/v1/permissions/{desk.ids['amend']}/holders"
    by_id = sorted(names, key=desk.ids.__getitem__)
    orders = {"holder": by_id, "-holder": by_id[::-1], "name": names, "-since": names[::-1]}
    for sort, expected in orders.items():
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await desk.admin.get(path, params={"limit": 2, "sort": sort} | cursor)).json()
            found += [one["holder"]["name"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert found == expected
    assert (await desk.admin.get(path, params={"count": "true"})).json()["count"] == 5
    answer = await desk.admin.get(path, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["holder_name"] for row in rows] == by_id
    answer = await desk.admin.get(path, params={"sort": "name"}, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["holder_name"] for row in rows] == names
    assert (rows[1]["role_name"], rows[1]["granted_by_name"]) == ("Clerk", "Bob")


async def test_access_as_csv_has_a_line_for_each_permission(desk: Desk) -> None:
    await desk.give()
    path = f"/access/v1/people/{desk.ids['alice']}/access"
    for params, name in (({}, ""), ({"expand": "permissions"}, "record.amend")):
        answer = await desk.admin.get(path, params=params, headers={"Accept": "text/csv"})
        (row,) = csv.DictReader(io.StringIO(answer.text))
        assert (row["role_name"], row["permission_name"], row["system_name"]) == ("Clerk", name, "Student Records")


async def test_access_is_narrowed_to_one_system(desk: Desk) -> None:
    finance = await desk.admin.made("/access/v1/systems", key="finance", name="Finance")
    payer = await desk.admin.made("/access/v1/roles", system=finance["id"], name="Payer")
    desk.ids["payer"] = payer["id"]
    await desk.give()
    await desk.give("payer")
    assert [one["role"]["name"] for one in await desk.access()] == ["Payer", "Clerk"]
    assert [one["role"]["name"] for one in await desk.access(sort="-role")] == ["Payer", "Clerk"]
    for system in ("finance", finance["id"]):
        assert [one["role"]["name"] for one in await desk.access(system=system)] == ["Payer"]


async def test_what_a_role_gave_is_read_of_any_day(desk: Desk, time: Time) -> None:
    path = f"/access/v1/roles/{desk.ids['head']}/effective-permissions"
    made = time.after(days=1)
    await desk.change(f"/access/v1/roles/{desk.ids['head']}", inherits=[])
    assert await desk.rows(path) == []
    (row,) = await desk.rows(path, as_of=(made - timedelta(hours=1)).isoformat())
    assert (row["name"], row["role"]["name"]) == ("record.amend", "Clerk")
    assert [one["name"] for one in row["path"]] == ["Head", "Clerk"]


async def test_what_a_role_gives_is_told_with_the_shortest_way_to_it(desk: Desk) -> None:
    permission = {"name": "record.view", "action": "view", "resource_type": "student_record"}
    view = (await desk.admin.made(f"/access/v1/systems/{desk.ids['system']}/permissions", **permission))["id"]
    await desk.change(f"/access/v1/roles/{desk.ids['clerk']}", permissions=[view, desk.ids["amend"]])
    deputy = await desk.role("Deputy", inherits=[desk.ids["head"]], permissions=[view])
    dean = await desk.role("Dean", inherits=[deputy, desk.ids["head"]])
    path = f"/access/v1/roles/{dean}/effective-permissions"
    found = {row["name"]: [one["name"] for one in row["path"]] for row in await desk.rows(path)}
    assert found == {"record.amend": ["Dean", "Head", "Clerk"], "record.view": ["Dean", "Deputy"]}
    (first,) = (await desk.admin.get(path, params={"sort": "-name", "limit": 1})).json()["items"]
    assert (first["name"], first["role"]["name"]) == ("record.view", "Deputy")
    answer = await desk.admin.get(path, headers={"Accept": "text/csv"})
    assert len(list(csv.DictReader(io.StringIO(answer.text)))) == 2
    await desk.admin.post(f"/access/v1/roles/{dean}/retire")
    assert await desk.rows(path) == []


async def test_members_are_those_of_the_day(desk: Desk, time: Time) -> None:
    await desk.join()
    path = f"/access/v1/groups/{desk.ids['team']}/members"
    time.after(days=1)
    await desk.admin.post(f"{path}/{desk.ids['alice']}/remove")
    assert await desk.rows(path) == []
    (member,) = await desk.rows(path, as_of=(time.now - timedelta(hours=1)).isoformat())
    assert (member["name"], member["added_at"]) == ("Alice", "2026-06-01T12:01:00Z")


@pytest.mark.parametrize(
    ("day", "status"),
    [
        ("9999-12-31", 200), ("9999-12-31T23:59:59Z", 200), ("1969-07-20", 200), ("0001-01-01", 200),
        ("0001-01-01T00:00:00Z", 200), ("0001-01-01T00:00:00+14:00", 200), ("9999-12-31T23:59:59-14:00", 200),
        ("infinity", 422), ("2026-06-01T12:00:00", 422), ("a\0b", 422),
    ],
)  # fmt: skip
async def test_any_day_that_there_is_may_be_asked_about(desk: Desk, day: str, status: int) -> None:
    ids = desk.ids
    await desk.give("head", "team")
    await desk.join()
    asked = {"subject": ids["alice"], "action": "amend", "resource_type": "student_record"}
    paths: dict[str, dict[str, str]] = {
        f"people/{ids['alice']}/access": {}, f"people/{ids['alice']}/access?expand=permissions": {},
        f"groups/{ids['team']}/access": {}, f"groups/{ids['team']}/members": {},
        f"permissions/{ids['amend']}/holders": {}, f"roles/{ids['clerk']}/holders": {},
        f"roles/{ids['head']}/effective-permissions": {}, "explain": asked,
    }  # fmt: skip
    for path, params in paths.items():
        for name in ("as_of", "known_at"):
            answer = await desk.admin.get(f"/access/v1/{path}", params=params | {name: day})
            assert answer.status_code == status, f"{path} {name}: {answer.text}"


async def test_who_was_deleted_is_told_of_by_name_in_answers_about_the_past(desk: Desk, time: Time) -> None:
    await desk.give("clerk", "team")
    await desk.join()
    before, ids = time.now.isoformat(), desk.ids
    time.after(days=1)
    carol = await desk.admin.made("/access/v1/people", user_name="carol", name="Carol")
    directory = desk.admin.acting(carol["id"], rights.ALL)
    for path in (f"Groups/{ids['team']}", f"Users/{ids['alice']}", f"Users/{ids['bob']}"):
        assert (await directory.call("DELETE", f"/scim/v2/{path}")).status_code == 204
    time.after(days=1)
    (reached,) = await desk.access(as_of=before)
    assert (reached["group"]["name"], reached["granted_by"]["name"]) == ("Registry team", "Bob")
    (holder,) = await desk.rows(f"/access/v1/permissions/{ids['amend']}/holders", as_of=before)
    assert (holder["holder"]["name"], holder["group"]["name"]) == ("Alice", "Registry team")
    members = f"/access/v1/groups/{ids['team']}/members"
    assert [one["name"] for one in await desk.rows(members, as_of=before)] == ["Alice"]
    assert await desk.rows(members) == []
    for when in (before, time.now.isoformat()):
        told = await desk.why("ext-a", as_of=when)
        assert [step["name"] for step in told["paths"][0]["steps"]][:2] == ["Alice", "Registry team"]
        assert told["paths"][0]["steps"][2]["by"]["name"] == "Bob"


async def test_an_org_unit_that_others_stood_below_stays_for_the_answers_about_the_past(desk: Desk, time: Time) -> None:
    university = await desk.unit("University")
    science = await desk.unit("Science", parent=university)
    physics = await desk.unit("Physics", parent=science)
    await desk.give(org_unit=university)
    before = time.now.isoformat()
    time.after(days=1)
    await desk.change(f"/access/v1/org-units/{physics}", parent=None)
    time.after(days=1)
    gone = await desk.admin.call("DELETE", f"/access/v1/org-units/{science}", headers={"If-Match": "*"})
    assert (gone.status_code, gone.json()["code"]) == (409, "org-unit-in-use")
    assert (await desk.why(org_unit=physics, as_of=before))["decision"]
    holders = f"/access/v1/permissions/{desk.ids['amend']}/holders"
    assert len(await desk.rows(holders, org_unit=physics, as_of=before)) == 1
    assert await desk.rows(holders, org_unit=physics) == []


async def test_an_org_unit_that_was_a_mistake_is_told_of_by_its_last_name(desk: Desk, time: Time) -> None:
    science, mistake = await desk.unit("Science"), await desk.unit("Sience")
    await desk.give(org_unit=science)
    time.after(days=1)
    gone = await desk.admin.call("DELETE", f"/access/v1/org-units/{mistake}", headers={"If-Match": "*"})
    assert gone.status_code == 204
    assert (await desk.why(org_unit=mistake))["sentence"].endswith("Clerk is held for Science only, not for Sience.")


async def test_what_is_nobodys_and_nothing_is_not_found(desk: Desk) -> None:
    gone = "01J00000000000000000000N0T"
    for path in (
        f"people/per_{gone}/access", f"people/{desk.ids['team']}/access", f"groups/grp_{gone}/access",
        f"service-accounts/svc_{gone}/access", f"permissions/prm_{gone}/holders", f"roles/rol_{gone}/holders",
        f"roles/rol_{gone}/effective-permissions",
    ):  # fmt: skip
        assert (await desk.admin.get(f"/access/v1/{path}")).status_code == 404, path
    unit = await desk.admin.get(f"/access/v1/permissions/{desk.ids['amend']}/holders?org_unit=org_{gone}")
    assert (unit.status_code, unit.json()["errors"][0]["pointer"]) == (422, "query/org_unit")


async def test_one_may_ask_about_oneself_and_about_others_with_the_right_only(desk: Desk, client: Client) -> None:
    science, arts = await desk.unit("Science"), await desk.unit("Arts")
    await desk.give(org_unit=science)
    everywhere = await desk.give("head")
    path = f"/access/v1/people/{desk.ids['alice']}/access"
    alice = client.acting(desk.ids["alice"])
    for own in (path, "/access/v1/people/me/access", "/access/v1/me/access"):
        assert len((await alice.get(own)).json()["items"]) == 2
    assert (await desk.why("me", client=alice))["decision"]
    assert (await desk.why("ext-a", client=alice))["decision"]
    stranger = client.acting(desk.ids["bob"])
    for refused in (path, f"/access/v1/permissions/{desk.ids['amend']}/holders"):
        answer = await stranger.get(refused)
        assert (answer.status_code, "access.grants.read" in answer.json()["detail"]) == (403, True)
    for whom in (desk.ids["alice"], "nobody"):
        asked = {"subject": whom, "action": "amend", "resource_type": "student_record"}
        assert (await stranger.get("/access/v1/explain", params=asked)).status_code == 403
    held: dict[str, Literal["*"] | list[str]] = {rights.GRANTS_READ.name: [science], rights.EVALUATE.name: "*"}
    dean = client.acting(desk.ids["bob"], held)
    assert [one["org_unit"]["name"] for one in (await dean.get(path)).json()["items"]] == ["Science"]
    seen = await desk.why(client=dean, org_unit=science)
    assert (seen["decision"], len(seen["paths"])) == (True, 1)
    outside = {"subject": desk.ids["alice"], "action": "amend", "resource_type": "student_record", "org_unit": arts}
    assert (await dean.get("/access/v1/explain", params=outside)).status_code == 403
    hidden = await desk.why(client=dean)
    assert (hidden["decision"], hidden["reason"], hidden["held"]) == (True, "held", [])
    assert everywhere not in str(hidden)
    assert hidden["sentence"].endswith("by a grant that you may not see.")


async def test_what_i_hold_is_asked_without_a_right_by_people_and_by_programs(
    desk: Desk, client: Client, time: Time
) -> None:
    desk.ids["account"] = (await desk.admin.made("/access/v1/service-accounts", name="timetable"))["id"]
    grants = {who: await desk.give(subject=who) for who in ("alice", "account")}
    time.after(days=1)
    for who, grant in grants.items():
        own = client.acting(desk.ids[who])
        assert (await own.get("/access/v1/me/access")).json()["items"] == await desk.access(who)
        (row,) = (await own.get("/access/v1/me/access", params={"expand": "permissions"})).json()["items"]
        assert (row["grant"], row["permission"]["name"]) == (grant, "record.amend")
        assert (await own.get("/access/v1/me/access", params={"as_of": "2026-05-31"})).json()["items"] == []
    nobody = client.acting("per_01J00000000000000000000N0T")
    assert (await nobody.get("/access/v1/me/access")).status_code == 404
    assert (await client.acting("anonymous").get("/access/v1/me/access")).status_code == 401


# -- why, why not, why no longer

UNTIL_4 = "Alice may no longer amend student record 4711 in Student Records: Alice held it by the role Clerk, until "


async def test_why_is_the_grant_with_its_giver_and_days(desk: Desk, time: Time) -> None:
    science = await desk.unit("Science")
    grant = await desk.give("head", "team", org_unit=science, valid_to="2026-08-31T23:00:00Z")
    time.after(days=1)
    await desk.join()
    time.after(days=1)
    found = await desk.why(org_unit=science)
    assert (found["decision"], found["reason"]) == (True, "held")
    assert found["sentence"] == (
        "Alice may amend student record 4711 in Student Records: Bob gave the group Registry team the role Head, which"
        " inherits Clerk, for Science with all below it from 1 June 2026 on until the end of 31 August 2026 (“new"
        " starter”); Alice joined that group on 2 June 2026."
    )
    (path,) = found["paths"]
    assert [(one["kind"], one["name"]) for one in path["steps"]] == [
        ("person", "Alice"), ("group", "Registry team"), ("grant", "Head"), ("role", "Head"), ("role", "Clerk"),
        ("permission", "record.amend"),
    ]  # fmt: skip
    given = path["steps"][2]
    assert (given["id"], given["by"]["name"], given["reason"]) == (grant, "Bob", "new starter")
    assert (given["since"], given["until"]) == ("2026-06-01T12:01:00Z", "2026-08-31T23:00:00Z")
    assert found["held"] == [{"since": "2026-06-02T12:01:00Z", "until": "2026-08-31T23:00:00Z"}]
    assert await desk.may(org_unit=science)


async def test_every_path_is_told_those_that_hold_first(desk: Desk) -> None:
    deputy = desk.ids["deputy"] = await desk.role("Deputy", inherits=[desk.ids["clerk"]])
    top = desk.ids["top"] = await desk.role("Top", inherits=[desk.ids["head"], deputy], permissions=[desk.ids["amend"]])
    assert top
    await desk.give("top")
    await desk.end(await desk.give("clerk"))
    found = await desk.why()
    chains = [[one["name"] for one in path["steps"] if one["kind"] == "role"] for path in found["paths"]]
    assert chains == [["Top"], ["Top", "Deputy", "Clerk"], ["Top", "Head", "Clerk"], ["Clerk"]]
    assert [path["held"] for path in found["paths"]] == [True, True, True, False]
    assert found["sentence"].endswith("There are 2 more ways besides.")


async def test_why_no_longer_is_who_ended_the_grant_and_why(desk: Desk, time: Time) -> None:
    grant = await desk.give()
    time.after(days=3)
    await desk.end(grant)
    time.after(days=3)
    found = await desk.why()
    assert found["reason"] == "grant-ended"
    assert found["sentence"] == (
        UNTIL_4 + "4 June 2026. Bob ended the grant of Clerk on 4 June 2026 (“moved to Finance”)."
    )
    ended = found["paths"][0]["steps"][1]
    assert (ended["held"], ended["until"], ended["by"]["name"], ended["reason"]) == (
        False, "2026-06-04T12:01:00Z", "Bob", "moved to Finance",
    )  # fmt: skip
    before = await desk.why(as_of="2026-06-03")
    assert (before["decision"], before["sentence"][:58]) == (
        True, "At the end of 3 June 2026 Alice was allowed to amend stude",
    )  # fmt: skip


async def test_a_grant_that_ran_out_was_ended_by_nobody(desk: Desk, time: Time) -> None:
    await desk.give(valid_to="2026-06-03T23:00:00Z")
    time.after(days=9)
    found = await desk.why()
    assert found["sentence"] == (
        UNTIL_4 + "the end of 3 June 2026. The grant of Clerk was until the end of 3 June 2026 only."
    )
    assert found["paths"][0]["steps"][1]["by"] is None


@pytest.mark.parametrize(
    ("deed", "reason", "clause"),
    [
        ("leave", "membership-ended", "Bob took Alice out of the group Registry team on 4 June 2026."),
        ("retire", "role-retired", "The role Clerk was retired on 4 June 2026 by Bob."),
        ("empty", "permission-removed", "Bob took the permission record.amend out of the role Clerk on 4 June 2026."),
        ("inherit", "inheritance-ended", "The role Head stopped inheriting Clerk on 4 June 2026, by Bob."),
        ("deactivate", "subject-inactive", "Alice was made inactive on 4 June 2026 by Bob."),
    ],
)
async def test_why_no_longer_names_what_changed(desk: Desk, time: Time, deed: str, reason: str, clause: str) -> None:
    ids = desk.ids
    await desk.give("head", "team")
    await desk.join()
    time.after(days=3)
    deeds: dict[str, Callable[[], Awaitable[object]]] = {
        "leave": lambda: desk.admin.post(f"/access/v1/groups/{ids['team']}/members/{ids['alice']}/remove"),
        "retire": lambda: desk.admin.post(f"/access/v1/roles/{ids['clerk']}/retire"),
        "empty": lambda: desk.change(f"/access/v1/roles/{ids['clerk']}", permissions=[]),
        "inherit": lambda: desk.change(f"/access/v1/roles/{ids['head']}", inherits=[]),
        "deactivate": lambda: desk.admin.post(f"/access/v1/people/{ids['alice']}/deactivate"),
    }
    await deeds[deed]()
    time.after(days=3)
    found = await desk.why()
    assert (found["decision"], found["reason"]) == (False, reason)
    assert clause.lower() in found["sentence"].lower()
    assert "may no longer amend" in found["sentence"]
    (path,) = found["paths"]
    (missing,) = [step for step in path["steps"] if not step["held"]]
    assert (missing["until"], missing["by"]["name"]) == ("2026-06-04T12:01:00Z", "Bob")
    assert found["held"] == [{"since": "2026-06-01T12:01:00Z", "until": "2026-06-04T12:01:00Z"}]
    assert not await desk.may()
    assert (await desk.why(as_of="2026-06-03"))["decision"]


async def test_a_draft_gives_nothing_yet(desk: Desk) -> None:
    draft = await desk.role("Archivist", state="draft", permissions=[desk.ids["amend"]])
    await desk.change(f"/access/v1/roles/{desk.ids['head']}", inherits=[draft])
    await desk.give("head")
    found = await desk.why()
    assert (found["decision"], found["reason"]) == (False, "role-draft")
    assert found["sentence"].endswith("the role Archivist was a draft, not yet in use.")
    assert [one["state"] for one in found["paths"][0]["steps"]] == ["active", None, "active", "draft", "active"]
    assert await desk.access(expand="permissions") == []


async def test_why_not_yet_is_when_it_begins(desk: Desk, time: Time) -> None:
    await desk.give(valid_from="2026-07-01T08:00:00Z")
    found = await desk.why()
    assert found["reason"] == "grant-later"
    assert found["sentence"] == (
        "Alice may not yet amend student record 4711 in Student Records: that begins on 1 July 2026. Bob gave the role"
        " Clerk from 1 July 2026 on only."
    )
    coming = await desk.why(as_of="2026-07-02")
    assert coming["decision"]
    assert "Alice will be allowed to amend" in coming["sentence"]
    assert "as far as is known" in coming["sentence"]
    time.after(days=40)
    past = await desk.why(as_of="2026-06-20")
    assert past["sentence"].startswith("At the end of 20 June 2026 Alice was not yet allowed to amend")


async def test_what_is_held_elsewhere_only_says_where(desk: Desk, time: Time) -> None:
    science, arts = await desk.unit("Science"), await desk.unit("Arts")
    physics = await desk.unit("Physics", parent=science)
    await desk.give(org_unit=science)
    time.after(days=1)
    assert (await desk.why(org_unit=physics))["decision"]
    elsewhere = await desk.why(org_unit=arts)
    assert elsewhere["reason"] == "other-org-unit"
    assert elsewhere["sentence"].endswith("Clerk is held for Science only, not for Arts.")
    unnamed = await desk.why()
    assert unnamed["sentence"].endswith("Clerk is held for Science only, and the question names no org unit.")
    await desk.change(f"/access/v1/org-units/{physics}", parent=arts)
    time.after(days=1)
    moved = await desk.why(org_unit=physics)
    assert moved["sentence"].endswith(
        "Clerk is held for Science only, of which Physics was a part only until 2 June 2026."
    )
    assert not await desk.may(org_unit=physics)


async def test_what_came_as_near_is_told_besides(desk: Desk, time: Time) -> None:
    science, arts = await desk.unit("Science"), await desk.unit("Arts")
    await desk.give(org_unit=science)
    await desk.end(await desk.give("head"), at=(time.now + DAY).isoformat())
    time.after(days=3)
    found = await desk.why(org_unit=arts)
    assert found["reason"] == "grant-ended"
    assert found["sentence"].endswith("Besides, Clerk is held for Science only, not for Arts.")


async def test_who_never_had_it_hears_which_roles_have_it(desk: Desk) -> None:
    found = await desk.why()
    assert (found["reason"], found["paths"], found["held"]) == ("never-given", [], [])
    assert found["sentence"] == (
        "Alice may not amend student record 4711 in Student Records: no role that contains it was ever given to Alice."
        " It comes with the roles Clerk and Head."
    )


async def test_what_was_never_held_at_once_was_never_held(desk: Desk, time: Time) -> None:
    # The role lost the permission before it was given.
    time.after(days=1)
    await desk.change(f"/access/v1/roles/{desk.ids['clerk']}", permissions=[])
    time.after(days=1)
    await desk.give()
    found = await desk.why()
    assert (found["reason"], found["held"]) == ("permission-removed", [])
    assert "may not amend" in found["sentence"]
    assert "held it" not in found["sentence"]


@pytest.mark.parametrize(
    ("asked", "reason", "words"),
    [
        ({"subject": "nobody"}, "subject-unknown", "Nobody was known to Lodge by “nobody”"),
        ({"system": "finance"}, "system-unknown", "Lodge has no system “finance”."),
        ({"action": "eat"}, "permission-unknown", "no system of Lodge has a permission for that."),
        ({"action": "eat", "system": "records"}, "permission-unknown", "these are known: amend."),
        ({"known_at": "2026-01-01"}, "subject-unknown", "Nobody was known to Lodge by"),
    ],
)
async def test_what_is_not_known_is_denied_with_a_next_step(
    desk: Desk, asked: dict[str, Any], reason: str, words: str
) -> None:
    found = await desk.why(**asked)
    assert (found["decision"], found["reason"]) == (False, reason)
    assert words in found["sentence"]


@pytest.mark.parametrize(
    ("pointer", "more"),
    [
        ("/subject/type", {"subject": {"type": "@", "id": "ext-a"}}),
        ("/subject/id", {"subject": {"type": "user", "id": "@"}}),
        ("/resource/id", {"resource": {"type": "student_record", "id": "@"}}),
        (
            "/resource/properties/environment",
            {"resource": {"type": "student_record", "id": "1", "properties": {"environment": "@"}}},
        ),
        ("/context/b", {"context": {"b": "@"}}),
    ],
)
@pytest.mark.parametrize("wrong", [r"\ud800", r"\u0000"])
async def test_what_no_answer_can_repeat_is_refused(
    desk: Desk, app: FastAPI, pointer: str, more: dict[str, Any], wrong: str
) -> None:
    await desk.change(f"/access/v1/permissions/{desk.ids['amend']}", condition="context.b == resource.id")
    async with app.state.database.transaction() as session:
        grant = await desk.give()
        placed = text("UPDATE role_grant SET environment = 'live' WHERE id = :id")
        await session.execute(placed, {"id": grant})
    asked = {
        "subject": {"type": "user", "id": "ext-a"}, "action": {"name": "amend"},
        "resource": {"type": "student_record", "id": "1"}, "context": {"b": 1},
    }  # fmt: skip
    body = json.dumps(asked | more).replace("@", wrong)
    headers = {"Content-Type": "application/json"}
    answer = await desk.admin.post("/access/v1/explain", content=body, headers=headers)
    if wrong == r"\u0000" and answer.status_code == 200:  # JSON can hold a NUL
        assert answer.json()["decision"] is False
    else:
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_what_a_condition_saw_is_told_to_who_may_see_it(desk: Desk, client: Client) -> None:
    ids, admin = desk.ids, desk.admin
    condition = "resource.properties.owner == subject.email || context.urgent && subject.properties.clearance > 2"
    await desk.change(f"/access/v1/permissions/{ids['amend']}", condition=condition)
    await desk.change(f"/access/v1/people/{ids['alice']}", email="alice@campus.example")
    registered = {"type": "student_record", "id": "4711", "properties": {"owner": "carol@campus.example"}}
    await admin.made(f"/access/v1/systems/{ids['system']}/resources", resources=[registered])
    await desk.give()
    asked = {
        "subject": {"type": "user", "id": "ext-a", "properties": {"clearance": 1}}, "action": {"name": "amend"},
        "resource": {"type": "student_record", "id": "4711"}, "context": {"urgent": True},
    }  # fmt: skip

    async def saw(by: Client, **more: Any) -> tuple[bool, dict[str, Any]]:
        told = (await by.post("/access/v1/explain", json=asked | more)).json()
        decided = (await admin.post("/access/v1/evaluation", json=asked | more)).json()
        assert told["decision"] == decided["decision"]
        (path,) = told["paths"]
        step = path["steps"][-1]
        assert (step["kind"], step["name"], step["held"]) == ("condition", condition, told["decision"])
        assert all(one["saw"] is None for one in path["steps"][:-1])
        states = {one["name"]: one["state"] for one in step["saw"]}
        values = {one["name"]: one["value"] for one in step["saw"]}
        return told["decision"], {name: values[name] if state == "seen" else state for name, state in states.items()}

    said = {"context.urgent": True, "subject.properties.clearance": 1}
    owner, email = "resource.properties.owner", "subject.email"
    held = {owner: "carol@campus.example", email: "alice@campus.example"}
    assert await saw(admin) == (False, held | said)
    assert await saw(client.acting(ids["alice"])) == (False, held | said | {owner: "hidden"})
    reader = client.acting("per_01J0000000000000000000RDR0", (rights.GRANTS_READ, rights.EVALUATE))
    assert await saw(reader) == (False, {owner: "hidden", email: "hidden"} | said)
    assert await saw(reader, context={}) == (
        False, {owner: "hidden", email: "hidden"} | said | {"context.urgent": "missing"},
    )  # fmt: skip
    cleared = {"type": "user", "id": "ext-a", "properties": {"clearance": 3}}
    assert (await saw(reader, subject=cleared))[0]
    long = {"urgent": "x" * 3_000}
    assert (await saw(admin, context=long))[1]["context.urgent"] == "too-long"


async def test_a_permission_that_was_retired_is_told_of_though_it_was_never_given(desk: Desk, time: Time) -> None:
    time.after(days=1)
    await desk.admin.post(f"/access/v1/permissions/{desk.ids['amend']}/retire")
    found = await desk.why()
    assert (found["reason"], found["paths"]) == ("permission-retired", [])
    assert found["sentence"].endswith("the permission record.amend was retired on 2 June 2026 at 13:01 by Bob.")


async def test_a_group_is_asked_about_by_its_members(desk: Desk) -> None:
    assert "is a group" in (await desk.why("team"))["sentence"]


async def test_an_authzen_question_is_explained_as_it_was_asked(desk: Desk, time: Time) -> None:
    grant = await desk.give()
    time.after(days=2)
    await desk.end(grant)
    asked = {
        "subject": {"type": "user", "id": "ext-a", "properties": {"x": 1}}, "action": {"name": "amend"},
        "resource": {"type": "student_record", "id": "4711", "properties": {"system": "records"}}, "context": {"y": 2},
    }  # fmt: skip
    now = (await desk.admin.post("/access/v1/explain", json=asked)).json()
    then = (await desk.admin.post("/access/v1/explain", json=asked | {"as_of": "2026-06-02"})).json()
    assert (now["decision"], then["decision"], then["subject"]["name"]) == (False, True, "Alice")
    unknown = await desk.admin.post("/access/v1/explain", json=asked | {"as_off": "2026-06-02"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/as_off")
    other = asked | {"subject": {"type": "machine", "id": "ext-a"}}
    assert (
        "no subjects of type “machine”" in (await desk.admin.post("/access/v1/explain", json=other)).json()["sentence"]
    )
    for wrong in ("yesterday", "2026-13-01"):
        answer = await desk.admin.post("/access/v1/explain", json=asked | {"as_of": wrong})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"].startswith("/as_of")) == (422, True)
    nul = asked | {"action": {"name": "a\0"}}
    assert (await desk.admin.post("/access/v1/explain", json=nul)).status_code == 422
