"""Two who change one catalogue at the same moment: one wins, the other is told; never both, and nothing half-done."""

import itertools
from typing import Any

import httpx
import pytest

from access_service.settings import Settings
from lodge_kit.testing.client import Client
from lodge_kit.testing.racing import Call, at_once

pytestmark = pytest.mark.anyio

_keys = (f"race-{number}" for number in itertools.count())


class Race:
    """A system with two roles and a permission, and two calls at once."""

    def __init__(self, admin: Client, dsn: str) -> None:
        self.admin = admin
        self.dsn = dsn
        self.ids: dict[str, str] = {}

    async def furnish(self) -> "Race":
        made = self.admin.made
        self.ids["system"] = (await made("/access/v1/systems", key=next(_keys), name="Records"))["id"]
        permission = {"name": "record.read", "action": "read", "resource_type": "record"}
        self.ids["permission"] = (await made(f"{self.at('system')}/permissions", **permission))["id"]
        for name in ("one", "two"):
            self.ids[name] = (await made("/access/v1/roles", system=self.ids["system"], name=name))["id"]
        return self

    def at(self, name: str) -> str:
        kind = {"system": "systems", "permission": "permissions"}.get(name, "roles")
        return f"/access/v1/{kind}/{self.ids[name]}"

    async def tag(self, path: str) -> str:
        return str((await self.admin.get(path)).headers["etag"])

    async def read(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.admin.get(self.at(name))).json()
        return found

    async def change(self, path: str, tag: str, **body: Any) -> httpx.Response:
        return await self.admin.patch(path, json=body, headers={"If-Match": tag})

    async def take(self, tag: str, body: dict[str, Any]) -> httpx.Response:
        return await self.admin.post(f"{self.at('system')}/catalogue", json=body, headers={"If-Match": tag})

    async def run(self, *calls: Call) -> list[int]:
        """Make calls at once, each held until it would be put on record; answers their statuses, the winner's first."""
        return sorted([answer.status_code for answer in await at_once(self.dsn, "audit_event", *calls)])


@pytest.fixture
async def race(admin: Client, settings: Settings) -> Race:
    return await Race(admin, settings.database_url.get_secret_value()).furnish()


async def test_of_two_imports_at_once_one_is_taken_in(race: Race) -> None:
    tag = await race.tag(f"{race.at('system')}/catalogue")
    entries = [{"name": f"p{number}", "action": "a", "resource_type": "b"} for number in range(20)]
    bodies = [{"permissions": [one | {"description": said} for one in entries]} for said in ("first", "second")]
    assert await race.run(*(race.take(tag, body) for body in bodies)) == [200, 412]
    out = (await race.admin.get(f"{race.at('system')}/catalogue")).json()["permissions"]
    assert len({one["description"] for one in out if one["name"] != "record.read"}) == 1
    assert len(out) == 21
    # Who insists on overwriting whatever is there is heard second: nothing is there twice.
    assert await race.run(*(race.take("*", body) for body in bodies)) == [200, 200]
    out = (await race.admin.get(f"{race.at('system')}/catalogue")).json()["permissions"]
    assert len({one["description"] for one in out if one["name"] != "record.read"}) == 1
    assert len(out) == 21


@pytest.mark.parametrize("what", ["system", "permission", "one"])
async def test_of_two_editors_of_the_same_version_one_wins(race: Race, what: str) -> None:
    tag = await race.tag(race.at(what))
    names = [f"new {number}" for number in range(4)]
    statuses = await race.run(*(race.change(race.at(what), tag, name=name) for name in names))
    assert statuses == [200, 412, 412, 412]
    assert (await race.read(what))["name"] in names


async def test_an_import_and_an_editor_at_once_are_one_after_the_other(race: Race) -> None:
    tag = await race.tag(f"{race.at('system')}/catalogue")
    own = await race.tag(race.at("one"))
    body = {"roles": [{"name": "one", "description": "taken in", "permissions": ["record.read"]}]}
    statuses = await race.run(race.take(tag, body), race.change(race.at("one"), own, description="by hand"))
    assert statuses == [200, 412]
    role = await race.read("one")
    assert (role["description"], len(role["permissions"])) in (("taken in", 1), ("by hand", 0))


async def test_two_edges_at_once_make_no_circle(race: Race) -> None:
    one, two = await race.tag(race.at("one")), await race.tag(race.at("two"))
    edges = (
        race.change(race.at("one"), one, inherits=[race.ids["two"]]),
        race.change(race.at("two"), two, inherits=[race.ids["one"]]),
    )
    assert await race.run(*edges) == [200, 409]
    catalogue = (await race.admin.get(f"{race.at('system')}/catalogue")).json()
    assert sum(len(role["inherits"]) for role in catalogue["roles"]) == 1


async def test_two_imports_that_make_a_circle_together_make_none(race: Race) -> None:
    bodies: list[dict[str, Any]] = [
        {"roles": [{"name": "one", "inherits": ["two"]}]}, {"roles": [{"name": "two", "inherits": ["one"]}]},
    ]  # fmt: skip
    assert await race.run(*(race.take("*", body) for body in bodies)) == [200, 422]
    catalogue = (await race.admin.get(f"{race.at('system')}/catalogue")).json()
    assert sum(len(role["inherits"]) for role in catalogue["roles"]) == 1


async def test_of_two_who_add_the_same_name_one_does(race: Race) -> None:
    permission = {"name": "same", "action": "a", "resource_type": "b"}
    role = {"system": race.ids["system"], "name": "same"}
    system = {"key": next(_keys), "name": "Same"}
    for path, body in (
        (f"{race.at('system')}/permissions", permission), ("/access/v1/roles", role), ("/access/v1/systems", system),
    ):  # fmt: skip
        assert await race.run(*(race.admin.post(path, json=body) for _ in range(3))) == [201, 409, 409], path
    renamed = [race.change(race.at(name), "*", name="alike") for name in ("one", "two")]
    assert await race.run(*renamed) == [200, 409]


async def test_of_two_who_retire_at_once_one_does_and_an_import_finds_it_retired(race: Race) -> None:
    for what in ("permission", "one"):
        assert await race.run(*(race.admin.post(f"{race.at(what)}/retire") for _ in range(2))) == [200, 409]
    linking = {"roles": [{"name": "two", "permissions": ["record.read"]}]}
    await race.admin.post(f"{race.at('permission')}/activate")
    statuses = await race.run(race.take("*", linking), race.admin.post(f"{race.at('permission')}/retire"))
    assert statuses in ([200, 200], [200, 422])
