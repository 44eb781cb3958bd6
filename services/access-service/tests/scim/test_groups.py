"""Groups by SCIM: the ways in which Entra and Okta change members, large groups, and who may put whom where."""

from datetime import timedelta
from typing import Any, Self

import pytest
from fastapi import FastAPI
from sqlalchemy import event, text

from access_service import bootstrap, rights
from access_service.scim.handling import LISTED
from lodge_kit import ids
from lodge_kit.testing.client import Client
from lodge_kit.world import World

pytestmark = pytest.mark.anyio

LARGE = 20_000


async def test_a_group_shows_who_is_in_it(directory: Any) -> None:
    ann, bob = await directory.users("ann", "bob")
    made = await directory.group("Team", ann, bob, externalId="g1")
    read = await directory.get(f"/Groups/{made['id']}")
    assert read == made
    assert (read["displayName"], read["externalId"]) == ("Team", "g1")
    user = await directory.get(f"/Users/{ann}")
    assert read["members"][0] == {"value": ann, "$ref": user["meta"]["location"], "type": "User"}
    named = await directory.get(f"/Groups/{made['id']}", attributes="members.display,members.value")
    assert named["members"] == [{"value": ann, "display": "ann"}, {"value": bob, "display": "bob"}]
    assert "members" not in await directory.get(f"/Groups/{made['id']}", excludedAttributes="members")


ANN, BOB, CAT = "ann", "bob", "cat"
"""Stand for ids in what follows."""


@pytest.mark.parametrize(
    ("operation", "left"),
    [
        # Entra's
        ({"op": "Add", "path": "members", "value": [{"value": CAT}]}, {ANN, BOB, CAT}),
        ({"op": "Add", "path": "members", "value": [{"value": ANN}, {"value": CAT}]}, {ANN, BOB, CAT}),
        ({"op": "Remove", "path": "members", "value": [{"value": ANN}]}, {BOB}),
        ({"op": "Remove", "path": f'members[value eq "{ANN}"]'}, {BOB}),
        ({"op": "Remove", "path": f'members[value eq "{ANN}" or value eq "{BOB}"]'}, set()),
        ({"op": "Remove", "path": f'members[value eq "{CAT}"]'}, {ANN, BOB}),
        ({"op": "Remove", "path": "members"}, set()),
        ({"op": "Replace", "path": "members", "value": [{"value": BOB}, {"value": CAT}]}, {BOB, CAT}),
        ({"op": "Add", "value": {"members": [{"value": CAT}]}}, {ANN, BOB, CAT}),
        # Okta's
        ({"op": "add", "path": "members", "value": [{"value": CAT, "display": "c@x.example"}]}, {ANN, BOB, CAT}),
        ({"op": "replace", "value": {"displayName": "New", "members": [{"value": CAT}]}}, {CAT}),
        ({"op": "replace", "path": "members", "value": []}, set()),
        ({"op": "remove", "path": 'members[type eq "User" and not (value eq "nobody")]'}, set()),
        # by the whole name
        (
            {"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members", "value": [{"value": CAT}]},
            {ANN, BOB, CAT},
        ),
        ({"op": "add", "path": "members", "value": {"value": CAT}}, {ANN, BOB, CAT}),
    ],
)
async def test_members_change_as_entra_and_okta_ask(directory: Any, operation: dict[str, Any], left: set[str]) -> None:
    people = dict(zip((ANN, BOB, CAT), await directory.users(ANN, BOB, CAT), strict=True))
    group = await directory.group("Team", people[ANN], people[BOB])
    written = repr(operation)
    for name, person in people.items():
        written = written.replace(f"'value': '{name}'", f"'value': '{person}'").replace(f'"{name}"', f'"{person}"')
    changed = await directory.patch(f"/Groups/{group['id']}", eval(written))  # noqa: S307 - a dict of this file
    assert changed.status_code == 200, changed.text
    assert set(await directory.members(group["id"])) == {people[name] for name in left}
    assert {one["value"] for one in changed.json().get("members", [])} == {people[name] for name in left}
    renamed = "value" in operation and "displayName" in operation["value"]
    assert changed.json()["displayName"] == ("New" if renamed else "Team")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "per_nobody"}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": ["per_1"]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"value": "grp_1", "type": "Group"}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"display": "x"}]}, "invalidValue"),
        ({"op": "replace", "path": 'members[value eq "x"].value', "value": "y"}, "mutability"),
        ({"op": "replace", "path": 'members[value eq "x"]', "value": {"value": "y"}}, "mutability"),
        ({"op": "remove", "path": 'members[nonsense eq "x"]'}, "invalidFilter"),
        ({"op": "remove", "path": "members[value eq"}, "invalidPath"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "move", "path": "members"}, "invalidValue"),
    ],
)
async def test_a_wrong_change_of_members_changes_nothing(directory: Any, operation: dict[str, Any], kind: str) -> None:
    (ann,) = await directory.users("ann")
    group = await directory.group("Team", ann)
    first = {"op": "remove", "path": "members"}
    refused = await directory.patch(f"/Groups/{group['id']}", first, operation)
    assert (refused.status_code, refused.json()["scimType"]) == (400, kind), refused.text
    assert await directory.get(f"/Groups/{group['id']}") == group


async def test_a_put_keeps_the_beginning_of_who_stays(directory: Any, rows: Any) -> None:
    ann, bob, cat = await directory.users("ann", "bob", "cat")
    group = await directory.group("Team", ann, bob)
    since = "SELECT added_at FROM group_member WHERE person_id = :person"
    before = await rows(since, person=bob)
    body = {"schemas": group["schemas"], "displayName": "Crew", "members": [{"value": bob}, {"value": cat}]}
    replaced = await directory.call("PUT", f"/Groups/{group['id']}", body)
    assert replaced.status_code == 200
    assert {one["value"] for one in replaced.json()["members"]} == {bob, cat}
    assert await rows(since, person=bob) == before
    assert [one.inner for one in await rows('SELECT "inner" FROM past_link')] == [ann]
    unsaid = await directory.call("PUT", f"/Groups/{group['id']}", {"displayName": "Crew"})
    assert {one["value"] for one in unsaid.json()["members"]} == {bob, cat}
    emptied = await directory.call("PUT", f"/Groups/{group['id']}", {"displayName": "Crew", "members": []})
    assert "members" not in emptied.json()


async def test_a_group_is_told_apart_by_its_exact_name(directory: Any) -> None:
    await directory.group("Team", externalId="1")
    await directory.group("team")
    for body in ({"displayName": "Team"}, {"displayName": "Other", "externalId": "1"}):
        taken = await directory.call("POST", "/Groups", body)
        assert (taken.status_code, taken.json()["scimType"]) == (409, "uniqueness")
    assert await directory.found('displayName eq "Team"', "Groups") == ["Team"]


async def test_entra_asks_whether_somebody_is_a_member(directory: Any) -> None:
    ann, bob = await directory.users("ann", "bob")
    group = await directory.group("Team", ann)
    asked = f'id eq "{group["id"]}" and members eq "{{}}"'
    assert await directory.found(asked.format(ann), "Groups") == ["Team"]
    assert await directory.found(asked.format(bob), "Groups") == []


async def large_group(directory: Any, world: World) -> tuple[dict[str, Any], list[str]]:
    """Make a group of twenty thousand straight in the tables."""
    group = await directory.group("Everybody")
    people = [ids.new("per") for _ in range(LARGE)]
    async with world.database.transaction() as session:
        await session.execute(
            text(
                "INSERT INTO person (id, user_name, name, status, notices, version, created_at, updated_at)"
                " SELECT id, 'u' || id, 'Person ' || id, 'active', 'each', 1, now(), now()"
                " FROM unnest(CAST(:people AS text[])) AS id"
            ),
            {"people": people},
        )
        await session.execute(
            text("INSERT INTO group_member SELECT :group, id, now() FROM unnest(CAST(:people AS text[])) AS id"),
            {"group": group["id"], "people": people},
        )
    return group, people


class Written:
    """Counts the rows that each statement writes, and refuses one that names thousands."""

    def __init__(self, world: World) -> None:
        self._engine = world.database.orm.sync_engine
        self.rows = 0
        self.statements = 0

    def __enter__(self) -> Self:
        event.listen(self._engine, "after_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "after_cursor_execute", self._note)

    def _note(self, _connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        assert len(str(parameters)) < 2_000, f"names more people than the change does: {statement}"
        self.statements += 1
        if statement.startswith(("INSERT", "UPDATE", "DELETE", "WITH")):
            self.rows += cursor.rowcount


async def test_a_members_patch_on_a_large_group_writes_a_handful_of_rows(directory: Any, world: World) -> None:
    group, people = await large_group(directory, world)
    (new,) = await directory.users("new")
    path = f"/Groups/{group['id']}"
    for operation in (
        {"op": "Add", "path": "members", "value": [{"value": new}]},
        {"op": "Remove", "path": f'members[value eq "{people[7]}"]'},
        {"op": "Remove", "path": "members", "value": [{"value": people[8]}]},
    ):
        with Written(world) as written:
            changed = await directory.patch(path, operation)
        assert (changed.status_code, changed.content) == (204, b""), changed.text
        assert changed.headers["etag"] != group["meta"]["version"]
        assert 0 < written.rows <= 4  # the member, the group's version, the audit; what was
        assert written.statements < 25
    left = await directory.members(group["id"])
    assert (len(left), new in left, people[7] in left) == (LARGE - 1, True, False)
    change = {"Operations": [{"op": "add", "path": "externalId", "value": "e"}]}
    shown = await directory.client.call(
        "PATCH", f"/scim/v2{path}", params={"excludedAttributes": "members"}, json=change
    )
    assert (shown.status_code, shown.json()["externalId"], "members" in shown.json()) == (200, "e", False)


async def test_a_large_group_is_put_and_read_and_its_members_are_left_unread_where_they_are_not_wanted(
    directory: Any, world: World, rows: Any, time: Any
) -> None:
    group, people = await large_group(directory, world)
    time.now += timedelta(minutes=1)
    since = await rows("SELECT min(added_at) AS at FROM group_member")
    body = {"displayName": "Everybody", "members": [{"value": one} for one in people[1:]]}
    replaced = await directory.call("PUT", f"/Groups/{group['id']}", body)
    assert (replaced.status_code, len(replaced.json()["members"])) == (200, LARGE - 1)
    assert await rows("SELECT max(added_at) AS at FROM group_member") == since
    assert len(await rows("SELECT 1 FROM past_link")) == 1
    plain = await directory.get(f"/Groups/{group['id']}", excludedAttributes="members")
    assert plain["displayName"] == "Everybody"


async def test_below_a_thousand_members_a_patch_answers_with_the_group(directory: Any, world: World) -> None:
    group, people = await large_group(directory, world)
    path = f"/Groups/{group['id']}"
    kept = [{"value": one} for one in people[: LISTED - 1]]
    changed = await directory.patch(path, {"op": "replace", "path": "members", "value": kept})
    assert (changed.status_code, len(changed.json()["members"])) == (200, LISTED - 1)
    one_more = await directory.patch(path, {"op": "add", "path": "members", "value": [{"value": people[-1]}]})
    assert one_more.status_code == 204


async def test_a_group_that_holds_lodges_own_roles_is_filled_by_those_who_could_give_them(
    app: FastAPI, directory: Any, client: Client
) -> None:
    world: World = app.state.world
    async with world.database.transaction() as session:
        await bootstrap.start(session, [], now=world.clock())
        await bootstrap.take_over(session, rights.ALL, now=world.clock())
        first = (await session.execute(text("SELECT id FROM person WHERE user_name = 'administrator'"))).scalar_one()
    admin = client.acting(first, rights.ALL)
    (ann,) = await directory.users("ann")
    group = await directory.group("Keepers")
    role = (await admin.get("/access/v1/roles?q=administrator")).json()["items"][0]
    await admin.made("/access/v1/grants", subject=group["id"], role=role["id"])
    path = f"/Groups/{group['id']}"
    joining = {"op": "add", "path": "members", "value": [{"value": ann}]}
    refused = await directory.patch(path, joining)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/scim+json")
    by_api = {"json": {"person": ann}}
    keeper = client.acting("per_01J0000000000000000000KEEP", (rights.PEOPLE_WRITE,))
    assert (await keeper.post(f"/access/v1/groups/{group['id']}/members", **by_api)).status_code == 403
    granter = client.acting("per_01J0000000000000000000GRNT", (rights.PEOPLE_WRITE, rights.GRANT))
    assert (await granter.post(f"/access/v1/groups/{group['id']}/members", **by_api)).status_code == 403
    assert await directory.members(group["id"]) == []
    assert (await admin.post(f"/access/v1/groups/{group['id']}/members", **by_api)).status_code == 204
    for taking_away in (
        await directory.patch(path, {"op": "remove", "path": "members"}),
        await directory.call("DELETE", path),
    ):
        assert taking_away.status_code == 403
    assert (await directory.call("DELETE", f"/Users/{ann}")).status_code == 204


async def test_nobody_joins_a_group_by_oneself(directory: Any, client: Client) -> None:
    (ann,) = await directory.users("ann")
    group = await directory.group("Team")
    own = type(directory)(client.acting(ann, (rights.PEOPLE_READ, rights.PEOPLE_WRITE)), directory.time)
    refused = await own.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": ann}]})
    assert refused.status_code == 403
    assert await directory.members(group["id"]) == []


async def test_the_directory_fills_groups_with_roles_and_a_person_by_scim_may_no_more_than_by_the_api(
    directory: Any, client: Client, records: Any
) -> None:
    people = await directory.users("ann", "bob")
    group = await directory.group("Clerks", people[0])
    await records.given_to(group["id"])
    path = f"/Groups/{group['id']}"
    by_hand = client.acting("per_01J0000000000000000000HAND", (rights.PEOPLE_READ, rights.PEOPLE_WRITE))
    person = type(directory)(by_hand, directory.time)
    joining = {"op": "add", "path": "members", "value": [{"value": people[1]}]}
    leaving = {"op": "remove", "path": f'members[value eq "{people[0]}"]'}
    both = {"schemas": group["schemas"], "displayName": "Clerks", "members": [{"value": people[1]}]}
    for refused in (
        await person.patch(path, joining), await person.patch(path, leaving), await person.call("PUT", path, both),
        await person.call("DELETE", path),
    ):  # fmt: skip
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/scim+json")
    assert await directory.members(group["id"]) == [people[0]]
    assert (await directory.call("PUT", path, both)).status_code == 200
    assert await records.may_be_viewed_by(people[1])
    assert not await records.may_be_viewed_by(people[0])
    assert (await directory.call("DELETE", path)).status_code == 204
    assert not await records.may_be_viewed_by(people[1])
