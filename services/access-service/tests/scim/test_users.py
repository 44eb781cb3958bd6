"""People by SCIM: what is kept, what is shown, who may say what, and who is denied."""

from datetime import date
from typing import Any

import pytest

from access_service import bootstrap, people, rights
from access_service.tables import Appointment, AttributeSource, ServiceAccount
from lodge_kit.testing.client import Client
from lodge_kit.world import World

pytestmark = pytest.mark.anyio

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LODGE = "urn:ietf:params:scim:schemas:extension:lodge:2.0:Person"
DIRECTORY = "svc_01J0000000000000000000D1RY"


async def test_a_user_is_kept_with_all_that_was_told(directory: Any) -> None:
    boss = await directory.user("boss", displayName="The Boss")
    told = {
        "externalId": "7001",
        "name": {"formatted": "Dr Alice B. Smith", "givenName": "Alice", "familyName": "Smith"},
        "displayName": "Alice Smith",
        "title": "Admissions officer",
        "emails": [
            {"value": "alice@home.example", "type": "home"},
            {"value": "alice@campus.example", "type": "work", "primary": True, "display": "Work"},
        ],
    }
    employee = {"employeeNumber": "100", "manager": {"value": boss["id"]}}
    made = await directory.user("asmith", **told, **{ENTERPRISE: employee})
    read = await directory.get(f"/Users/{made['id']}")
    assert read == made
    assert {name: read[name] for name in told} == told
    assert read["active"] is True
    assert read[ENTERPRISE]["manager"] == {"value": boss["id"], "$ref": boss["meta"]["location"]}
    assert read["meta"]["location"].endswith(f"/scim/v2/Users/{made['id']}")
    asked = await directory.get(f"/Users/{made['id']}", attributes=f"{ENTERPRISE}:manager.displayName")
    assert asked[ENTERPRISE] == {"manager": {"displayName": "The Boss"}}


async def test_the_api_sees_the_same_person_and_the_address_to_write_to(directory: Any, admin: Client) -> None:
    made = await directory.user(
        "asmith", emails=[{"value": "a@home.example"}, {"value": "a@x.example", "primary": True}]
    )
    path = f"/access/v1/people/{made['id']}"
    person = (await admin.get(path)).json()
    assert (person["name"], person["email"], person["status"]) == ("asmith", "a@x.example", "active")
    await admin.patch(path, json={"email": "a@campus.example"}, headers={"If-Match": person["etag"]})
    read = await directory.get(f"/Users/{made['id']}")
    assert read["emails"] == [{"value": "a@home.example"}, {"value": "a@campus.example", "primary": True}]
    plain = await admin.made("/access/v1/people", user_name="b", name="B", email="b@campus.example")
    read = await directory.get(f"/Users/{plain['id']}")
    assert read["emails"] == [{"value": "b@campus.example", "type": "work", "primary": True}]


async def test_who_comes_without_a_display_name_is_called_something(directory: Any) -> None:
    assert (await directory.user("a", name={"givenName": "Ann", "familyName": "Lee"}))["displayName"] == "Ann Lee"
    assert (await directory.user("b", name={"formatted": "Bo K."}, displayName=""))["displayName"] == "Bo K."
    assert (await directory.user("c"))["displayName"] == "c"


async def test_what_lodge_does_not_keep_is_left_out_and_stops_nobody(directory: Any) -> None:
    made = await directory.user("a", nickName="Al", phoneNumbers=[{"value": "1"}], preferredLanguage="en")
    assert not {"nickName", "phoneNumbers", "preferredLanguage"} & made.keys()
    changed = await directory.patch(f"/Users/{made['id']}", {"op": "add", "path": "nickName", "value": "Al"})
    assert (changed.status_code, changed.json()) == (200, made)


async def test_a_put_is_all_there_is_but_nobody_is_let_in_by_being_left_out(directory: Any) -> None:
    made = await directory.user("a", title="Clerk", active=False, displayName="A")
    replaced = await directory.call("PUT", f"/Users/{made['id']}", {"schemas": made["schemas"], "userName": "a2"})
    assert replaced.status_code == 200, replaced.text
    assert (replaced.json()["userName"], replaced.json()["active"]) == ("a2", False)
    assert "title" not in replaced.json()


async def test_a_name_is_taken_whatever_its_case_and_by_two_at_once(directory: Any) -> None:
    await directory.user("asmith", externalId="1")
    for body in ({"userName": "ASmith"}, {"userName": "b", "externalId": "1"}):
        second = await directory.call("POST", "/Users", body)
        assert (second.status_code, second.json()["scimType"]) == (409, "uniqueness")


async def test_an_inactive_person_is_denied_at_once_and_may_come_back(
    directory: Any, admin: Client, records: Any, rows: Any
) -> None:
    made = await directory.user("a")
    await records.given_to(made["id"])
    assert await records.may_be_viewed_by(made["id"])
    path = f"/Users/{made['id']}"
    left = await directory.patch(path, {"op": "Replace", "path": "active", "value": "False"})
    assert (left.status_code, left.json()["active"]) == (200, False)
    assert not await records.may_be_viewed_by(made["id"])
    assert (await admin.get(f"/access/v1/people/{made['id']}")).json()["status"] == "inactive"
    back = await directory.patch(path, {"op": "replace", "value": {"active": True}})
    assert back.json()["active"] is True
    assert await records.may_be_viewed_by(made["id"])
    told = await rows("SELECT type FROM event WHERE subject_id = :who ORDER BY id", who=made["id"])
    assert [one.type for one in told] == ["person.created", "person.left", "person.returned"]
    noted = await rows("SELECT action, actor FROM audit_event WHERE subject_id = :who ORDER BY id", who=made["id"])
    assert [tuple(one) for one in noted] == [(one.type, DIRECTORY) for one in told]


async def test_the_last_administrator_is_not_let_go_by_the_directory(directory: Any, world: World) -> None:
    async with world.database.transaction() as session:
        await bootstrap.start(session, [], now=world.clock())
        (first,) = await people.administrators(session, now=world.clock())
    for answer in (
        await directory.patch(f"/Users/{first.id}", {"op": "replace", "path": "active", "value": False}),
        await directory.call("DELETE", f"/Users/{first.id}"),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/scim+json")
        assert "administrator" in answer.json()["detail"]


async def test_what_another_source_is_to_say_stays_as_it_is(directory: Any, world: World) -> None:
    made = await directory.user("a", title="Clerk", displayName="A", emails=[{"value": "a@x.example"}])
    async with world.database.transaction() as session:
        session.add_all(AttributeSource(attribute=name, source="hr") for name in ("title", "email", "name"))
        now = world.clock()
        account = ServiceAccount(id=DIRECTORY, name="directory", source="directory", created_at=now, updated_at=now)
        session.add(account)
    told = {"userName": "a", "title": "Dean", "displayName": "Other", "emails": [], "externalId": "1"}
    held = {"title": "Clerk", "displayName": "A", "emails": [{"value": "a@x.example"}], "externalId": "1"}
    path = f"/Users/{made['id']}"
    replaced = await directory.call("PUT", path, told)
    assert replaced.status_code == 200
    assert {name: replaced.json()[name] for name in held} == held
    patched = await directory.patch(path, {"op": "replace", "path": "title", "value": "Dean"})
    assert (patched.status_code, patched.json()["title"]) == (200, "Clerk")
    new = await directory.user("b", title="Dean", displayName="B")
    assert (new["displayName"], new.get("title")) == ("B", None)


async def test_nobody_comes_back_after_the_last_day_by_the_directory(directory: Any, admin: Client) -> None:
    person = await admin.made(
        "/access/v1/people", user_name="a", name="A", joined_on="2020-09-01", left_on="2021-08-31"
    )
    assert (await admin.post(f"/access/v1/people/{person['id']}/deactivate")).status_code == 200
    path = f"/Users/{person['id']}"
    for answer in (
        await directory.patch(path, {"op": "Replace", "path": "active", "value": "True"}),
        await directory.patch(path, {"op": "replace", "value": {"active": True, "title": "Dean"}}),
        await directory.call("PUT", path, {"userName": "a", "active": True}),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/scim+json")
        assert "2021-08-31" in answer.json()["detail"]
    found = await directory.get(path)
    assert (found["active"], "title" in found) == (False, False)  # nothing of a refused change is kept
    await admin.patch(f"/access/v1/people/{person['id']}", json={"left_on": None}, headers={"If-Match": "*"})
    back = await directory.patch(path, {"op": "Replace", "path": "active", "value": "True"})
    assert (back.status_code, back.json()["active"]) == (200, True)


async def test_days_and_appointments_are_shown_and_never_taken(directory: Any, admin: Client, world: World) -> None:
    unit = await admin.made("/access/v1/org-units", name="Admissions", code="ADM")
    person = await admin.made(
        "/access/v1/people", user_name="a", name="A", org_unit=unit["id"], joined_on="2026-09-01", left_on="2027-08-31"
    )
    now = world.clock()
    async with world.database.transaction() as session:
        session.add(
            Appointment(
                id="apt_01J00000000000000000000001", person_id=person["id"], org_unit=unit["id"], kind="staff",
                title="Clerk", starts_on=date(2026, 9, 1), primary=True, created_at=now, updated_at=now,
            )
        )  # fmt: skip
    read = await directory.get(f"/Users/{person['id']}")
    assert read[ENTERPRISE] == {"department": "Admissions"}
    assert read[LODGE] == {
        "orgUnit": "ADM", "joiningDate": "2026-09-01", "leavingDate": "2027-08-31",
        "appointments": [{
            "value": "apt_01J00000000000000000000001", "type": "staff", "title": "Clerk", "orgUnit": "ADM",
            "startsOn": "2026-09-01", "main": True,
        }],
    }  # fmt: skip
    other = {"userName": "a", "displayName": "A", LODGE: {"leavingDate": "2099-01-01"}, ENTERPRISE: {"department": "X"}}
    replaced = await directory.call("PUT", f"/Users/{person['id']}", other)
    assert (replaced.json()[LODGE], replaced.json()[ENTERPRISE]) == (read[LODGE], read[ENTERPRISE])
    refused = await directory.patch(
        f"/Users/{person['id']}", {"op": "add", "path": f"{LODGE}:leavingDate", "value": "x"}
    )
    assert (refused.status_code, refused.json()["scimType"]) == (400, "mutability")
    assert await directory.found(f'{LODGE}:appointments[type eq "staff" and main eq true]') == ["a"]


async def test_entra_sets_a_manager_by_the_bare_id_and_finds_by_it(directory: Any) -> None:
    boss, clerk = await directory.users("boss", "clerk")
    path = f"{ENTERPRISE}:manager"
    added = await directory.patch(f"/Users/{clerk}", {"op": "Add", "path": path, "value": boss})
    assert added.json()[ENTERPRISE]["manager"]["value"] == boss
    assert await directory.found(f'id eq "{clerk}" and {path} eq "{boss}"') == ["clerk"]
    gone = await directory.patch(f"/Users/{clerk}", {"op": "Remove", "path": path})
    assert ENTERPRISE not in gone.json()
    nobody = await directory.patch(f"/Users/{clerk}", {"op": "Add", "path": path, "value": "per_nobody"})
    assert (nobody.status_code, nobody.json()["scimType"]) == (400, "invalidValue")


async def test_entra_writes_an_address_of_a_kind_that_is_not_there_yet(directory: Any) -> None:
    made = await directory.user("a", emails=[{"value": "a@home.example", "type": "home"}])
    path = 'emails[type eq "work"].value'
    for op, value in (("Add", "a@work.example"), ("Replace", "b@work.example")):
        changed = await directory.patch(f"/Users/{made['id']}", {"op": op, "path": path, "value": value})
        assert changed.json()["emails"][1] == {"value": value, "type": "work"}, changed.text
    gone = await directory.patch(f"/Users/{made['id']}", {"op": "Remove", "path": 'emails[type eq "work"]'})
    assert gone.json()["emails"] == made["emails"]


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"userName": ""}, "invalidValue"),
        ({"userName": "x" * 201}, "invalidValue"),
        ({"userName": None}, "invalidValue"),
        ({"userName": "a\0b"}, "invalidValue"),
        ({"userName": "a", "emails": [{"value": "no address"}]}, "invalidValue"),
        ({"userName": "a", "emails": [{"value": "a@b.c", "primary": True}, {"value": "d@b.c", "primary": True}]}, None),
        ({"userName": "a", "active": "maybe"}, "invalidValue"),
        ({"userName": "a", ENTERPRISE: {"manager": {"value": "per_nobody"}}}, "invalidValue"),
        ([], "invalidSyntax"),
    ],
)
async def test_a_user_with_wrong_values_is_refused_and_nothing_is_kept(
    directory: Any, told: Any, kind: str | None
) -> None:
    refused = await directory.call("POST", "/Users", told)
    assert refused.status_code == 400, refused.text
    assert kind in (refused.json().get("scimType"), None)
    assert (await directory.get("/Users"))["totalResults"] == 0


async def test_what_a_change_answers_is_what_is_read_then(directory: Any) -> None:
    boss, stand_in = [await directory.user(name) for name in ("boss", "standin")]
    ann = f"/Users/{(await directory.user('ann'))['id']}"
    mail = [{"value": "ann@campus.example", "type": "work", "primary": True}, {"value": "ann@home.example"}]
    changes = (
        {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": boss["id"]}},
        {"op": "add", "path": f"{LODGE}:deputy", "value": {"value": stand_in["id"]}},
        {"op": "add", "path": "emails", "value": mail},
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": "active", "value": True},
        {"op": "remove", "path": f"{ENTERPRISE}:manager"},
        {"op": "remove", "path": "emails"},
    )
    for change in changes:
        answer = await directory.patch(ann, change)
        assert answer.status_code == 200, answer.text
        assert answer.json() == await directory.get(ann), change
    assert (await directory.call("DELETE", f"/Users/{boss['id']}")).status_code == 204
    refused = await directory.patch(ann, changes[0])
    assert refused.status_code == 400, refused.text


async def test_a_keeper_of_one_faculty_sees_and_changes_its_people_only(
    admin: Client, client: Client, directory: Any
) -> None:
    science = await admin.made("/access/v1/org-units", name="Science")
    inside = await admin.made("/access/v1/people", user_name="a", name="A", org_unit=science["id"])
    outside = await admin.made("/access/v1/people", user_name="b", name="B")
    keeper = type(directory)(
        client.acting(
            "per_01J0000000000000000000DEAN",
            {rights.PEOPLE_READ.name: [science["id"]], rights.PEOPLE_WRITE.name: [science["id"]]},
        ),
        directory.time,
    )
    assert [one["id"] for one in (await keeper.get("/Users"))["Resources"]] == [inside["id"]]
    change = {"op": "replace", "path": "title", "value": "Dean"}
    assert (await keeper.patch(f"/Users/{inside['id']}", change)).status_code == 200
    assert (await keeper.patch(f"/Users/{outside['id']}", change)).status_code == 404
    for refused in (await keeper.call("POST", "/Users", {"userName": "c"}), await keeper.call("POST", "/Groups", {})):
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/scim+json")
