"""The tree of org units over HTTP."""

import asyncio
from typing import Any

import pytest

from access_service import rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

UNITS = "/access/v1/org-units"


@pytest.fixture
async def tree(admin: Client) -> dict[str, str]:
    """Make Science with Physics, with Optics below that, and Arts beside it."""
    ids: dict[str, str] = {}
    for name, parent in (("Science", None), ("Physics", "Science"), ("Optics", "Physics"), ("Arts", None)):
        ids[name] = (await admin.made(UNITS, name=name, parent=ids[parent] if parent else None))["id"]
    return ids


def names(items: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in items]


async def test_a_unit_shows_its_way_from_the_root_and_what_is_below(admin: Client, tree: dict[str, str]) -> None:
    found = (await admin.get(f"{UNITS}/{tree['Physics']}")).json()
    assert (names(found["path"]), names(found["children"])) == (["Science", "Physics"], ["Optics"])
    await admin.made(UNITS, name="Acoustics", parent=tree["Physics"])
    again = await admin.get(f"{UNITS}/{tree['Physics']}", headers={"If-None-Match": found["etag"]})
    assert (again.status_code, names(again.json()["children"])) == (200, ["Acoustics", "Optics"])
    assert (await admin.get(f"{UNITS}/org_x")).status_code == 404


async def test_units_are_listed_by_what_is_above_them(admin: Client, tree: dict[str, str]) -> None:
    for asked, found in (
        ("parent=none", ["Arts", "Science"]), (f"parent={tree['Science']}", ["Physics"]),
        (f"below={tree['Science']}", ["Optics", "Physics", "Science"]), ("q=opt", ["Optics"]),
    ):  # fmt: skip
        assert names((await admin.get(f"{UNITS}?{asked}")).json()["items"]) == found, asked
    assert (await admin.get(f"{UNITS}?parent=x")).status_code == 422


async def test_the_tree_is_one_document(admin: Client, tree: dict[str, str]) -> None:
    items = (await admin.get(f"{UNITS}/tree")).json()["items"]
    assert names(items) == ["Arts", "Science"]
    (physics,) = items[1]["children"]
    assert (physics["id"], names(physics["children"])) == (tree["Physics"], ["Optics"])


async def test_people_are_found_in_a_unit_and_in_all_below(admin: Client, tree: dict[str, str]) -> None:
    for name, unit in (("Ada", "Optics"), ("Ben", "Physics"), ("Cy", "Arts")):
        await admin.made("/access/v1/people", user_name=name, name=name, org_unit=tree[unit])
    for unit, found in (("Science", ["Ada", "Ben"]), ("Optics", ["Ada"]), ("Arts", ["Cy"])):
        assert names((await admin.get(f"/access/v1/people?org_unit={tree[unit]}")).json()["items"]) == found


async def test_a_unit_moves_with_all_below_and_never_below_itself(admin: Client, tree: dict[str, str]) -> None:
    path, any_ = f"{UNITS}/{tree['Physics']}", {"If-Match": "*"}
    circle = await admin.patch(path, json={"parent": tree["Optics"]}, headers=any_)
    assert (circle.status_code, circle.json()["errors"][0]["code"]) == (422, "circle")
    assert (await admin.patch(path, json={"parent": tree["Arts"]}, headers=any_)).json()["parent"]["name"] == "Arts"
    assert names((await admin.get(f"{UNITS}/{tree['Optics']}")).json()["path"]) == ["Arts", "Physics", "Optics"]


async def test_two_moves_at_the_same_moment_make_no_circle(admin: Client, tree: dict[str, str]) -> None:
    moves = (("Science", "Arts"), ("Arts", "Science"))
    answers = await asyncio.gather(
        *(
            admin.patch(f"{UNITS}/{tree[one]}", json={"parent": tree[other]}, headers={"If-Match": "*"})
            for one, other in moves
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422]
    assert len((await admin.get(f"{UNITS}/tree")).json()["items"]) == 1


async def test_the_tree_has_a_deepest_level(admin: Client) -> None:
    above = None
    for number in range(32):
        above = (await admin.made(UNITS, name=f"Level {number}", parent=above))["id"]
    deeper = await admin.post(UNITS, json={"name": "Too deep", "parent": above})
    assert (deeper.status_code, deeper.json()["errors"][0]["code"]) == (422, "too-deep")
    other = (await admin.made(UNITS, name="Other"))["id"]
    moved = await admin.patch(f"{UNITS}/{other}", json={"parent": above}, headers={"If-Match": "*"})
    assert moved.json()["errors"][0]["code"] == "too-deep"


async def test_a_unit_is_closed_when_nothing_is_in_it_and_kept_for_the_record(
    admin: Client, tree: dict[str, str], time: Any
) -> None:
    path = f"{UNITS}/{tree['Optics']}"
    made = await admin.made("/access/v1/people", user_name="ada", name="Ada")
    appointments = f"/access/v1/people/{made['id']}/appointments"
    today = str(time.now.date())
    begun = await admin.made(appointments, org_unit=tree["Optics"], kind="staff", starts_on=today, primary=True)
    full = await admin.post(f"{path}/close")
    assert (full.status_code, full.json()["code"]) == (409, "org-unit-in-use")
    assert "people in it, appointments to it" in full.json()["detail"]
    assert "units below" in (await admin.post(f"{UNITS}/{tree['Physics']}/close")).json()["detail"]
    await admin.patch(f"{appointments}/{begun['id']}", json={"org_unit": tree["Arts"]}, headers={"If-Match": "*"})
    closed = await admin.post(f"{path}/close")
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    assert (await admin.post(f"{path}/close")).status_code == 409
    for where, body in (
        ("/access/v1/people", {"user_name": "b", "name": "B", "org_unit": tree["Optics"]}),
        (UNITS, {"name": "Below", "parent": tree["Optics"]}),
        (appointments, {"org_unit": tree["Optics"], "kind": "staff", "starts_on": today}),
    ):
        refused = await admin.post(where, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "closed-org-unit"), where
    assert names((await admin.get(f"{UNITS}?state=closed")).json()["items"]) == ["Optics"]
    whole = (await admin.get(f"{UNITS}/tree")).json()["items"]
    assert names(whole[1]["children"][0]["children"]) == []
    assert "Optics" in (await admin.get(f"{UNITS}/tree?closed=true")).text
    assert (await admin.post(f"{UNITS}/{tree['Physics']}/close")).status_code == 200
    assert (await admin.post(f"{path}/reopen")).json()["errors"][0]["code"] == "closed-org-unit"  # what is above it
    assert (await admin.post(f"{UNITS}/{tree['Physics']}/reopen")).status_code == 200
    assert (await admin.post(f"{path}/reopen")).json()["state"] == "active"
    assert (await admin.post(f"{path}/reopen")).status_code == 409


async def test_a_unit_made_by_mistake_is_deleted_and_one_that_was_used_is_not(
    admin: Client, tree: dict[str, str]
) -> None:
    path = f"{UNITS}/{tree['Optics']}"
    assert (await admin.call("DELETE", path)).status_code == 428
    assert (await admin.call("DELETE", path, headers={"If-Match": '"9"'})).status_code == 412
    used = await admin.call("DELETE", f"{UNITS}/{tree['Physics']}", headers={"If-Match": '"1"'})
    assert (used.status_code, used.json()["code"], "/close" in used.json()["detail"]) == (409, "org-unit-in-use", True)
    assert (await admin.call("DELETE", path, headers={"If-Match": '"1"'})).status_code == 204
    assert (await admin.get(path)).status_code == 404


async def test_who_writes_for_a_unit_moves_nothing_out_of_it_or_into_it(client: Client, tree: dict[str, str]) -> None:
    below = [tree["Physics"], tree["Optics"]]
    head = client.acting("per_01J0000000000000000000HEAD", {rights.PEOPLE_WRITE.name: below})
    any_ = {"If-Match": "*"}
    assert (await head.patch(f"{UNITS}/{tree['Optics']}", json={"name": "Light"}, headers=any_)).status_code == 200
    assert (await head.post(UNITS, json={"name": "Sound", "parent": tree["Physics"]})).status_code == 201
    for unit, parent in (("Optics", "Arts"), ("Arts", "Physics"), ("Physics", "Arts")):
        moved = await head.patch(f"{UNITS}/{tree[unit]}", json={"parent": tree[parent]}, headers=any_)
        assert moved.status_code == 403, unit
    assert (await head.post(UNITS, json={"name": "Top"})).status_code == 403
    assert (await head.post(f"{UNITS}/{tree['Physics']}/close")).status_code == 403
    assert (await head.call("DELETE", f"{UNITS}/{tree['Arts']}", headers=any_)).status_code == 403
