"""What the directory deletes is gone for all who look, and on record for those who must know."""

from datetime import timedelta
from typing import Any

import pytest

from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio


async def test_a_deleted_user_is_gone_and_the_names_are_free(directory: Any, admin: Client) -> None:
    made = await directory.user("asmith", externalId="1")
    path = f"/Users/{made['id']}"
    deleted = await directory.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "DELETE", "PUT"):
        again = await directory.call(method, path, {"userName": "x"} if method == "PUT" else None)
        assert (again.status_code, again.json()["status"]) == (404, "404")
    assert (await directory.get("/Users"))["totalResults"] == 0
    new = await directory.user("ASmith", externalId="1")
    assert new["id"] != made["id"]
    listed = (await admin.get("/access/v1/people")).json()["items"]
    assert [one["id"] for one in listed] == [new["id"]]
    every = (await admin.get("/access/v1/people?deleted=true")).json()["items"]
    assert {one["id"]: bool(one["deleted_at"]) for one in every} == {made["id"]: True, new["id"]: False}
    assert (await admin.post(f"/access/v1/people/{made['id']}/reactivate")).status_code == 404


async def test_a_deleted_user_left_every_group_and_was_in_it(directory: Any, rows: Any, time: Any) -> None:
    ann, bob = await directory.users("ann", "bob")
    group = await directory.group("Team", ann, bob)
    time.now += timedelta(minutes=1)
    await directory.call("DELETE", f"/Users/{ann}")
    assert await directory.members(group["id"]) == [bob]
    was = await rows('SELECT kind, "outer", "inner" FROM past_link')
    assert [tuple(one) for one in was] == [("member", group["id"], ann)]
    told = await rows("SELECT type FROM event WHERE subject_id = :who ORDER BY id", who=ann)
    assert [one.type for one in told] == ["person.created", "person.left", "person.deleted"]
    refused = await directory.patch(
        f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": ann}]}
    )
    assert refused.status_code == 400


async def test_who_referred_to_a_deleted_user_refers_to_nobody(directory: Any) -> None:
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    boss = await directory.user("boss")
    clerk = await directory.user("clerk", **{enterprise: {"manager": {"value": boss["id"]}}})
    await directory.call("DELETE", f"/Users/{boss['id']}")
    assert enterprise not in await directory.get(f"/Users/{clerk['id']}")
    assert await directory.found(f"{enterprise}:manager pr") == []


async def test_a_deleted_groups_roles_permit_nothing_and_its_name_is_free(
    directory: Any, admin: Client, records: Any, rows: Any
) -> None:
    (ann,) = await directory.users("ann")
    group = await directory.group("Readers", ann, externalId="g1")
    await records.given_to(group["id"])
    assert await records.may_be_viewed_by(ann)
    assert (await directory.call("DELETE", f"/Groups/{group['id']}")).status_code == 204
    assert not await records.may_be_viewed_by(ann)
    assert (await directory.call("GET", f"/Groups/{group['id']}")).status_code == 404
    assert (await admin.get(f"/access/v1/groups/{group['id']}")).status_code == 404
    assert (await admin.get("/access/v1/groups")).json()["items"] == []
    assert len((await admin.get("/access/v1/groups?deleted=true")).json()["items"]) == 1
    assert len(await rows("SELECT 1 FROM role_grant WHERE subject = :group", group=group["id"])) == 1
    role = (await admin.get("/access/v1/roles?q=Viewer")).json()["items"][0]
    given = await admin.post("/access/v1/grants", json={"subject": group["id"], "role": role["id"]})
    assert (given.status_code, given.json()["errors"][0]["pointer"]) == (422, "/subject")
    again = await directory.group("Readers", externalId="g1")
    assert again["id"] != group["id"]
