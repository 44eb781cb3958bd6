"""Nobody gets more than one has by a detour: another's identity, a key that is held to less, Lodge's own roles."""

from typing import Any

import pytest
from fastapi import FastAPI

from access_service import bootstrap, people, rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

KEEPS = (rights.PEOPLE_READ, rights.PEOPLE_WRITE)


@pytest.fixture
async def first(app: FastAPI, client: Client, time: Any) -> str:  # noqa: ARG001 - opens the app
    """Make the first administrator; answers who."""
    async with app.state.database.transaction() as session:
        await bootstrap.take_over(session, rights.ALL, now=time.now)
        await bootstrap.start(session, (), now=time.now)
        (found,) = await people.administrators(session, now=time.now)
    return found.id


async def renamed(client: Client, person: str, external_id: str) -> int:
    path = f"/access/v1/people/{person}"
    etag = (await client.get(path)).json()["etag"]
    return int((await client.patch(path, json={"external_id": external_id}, headers={"If-Match": etag})).status_code)


async def lodges(root: Client) -> dict[str, str]:
    return {one["name"]: one["id"] for one in (await root.get("/access/v1/roles?limit=200")).json()["items"]}


async def test_who_keeps_people_takes_nobody_over_by_the_id_that_logs_one_in(
    client: Client, first: str, campus: Any
) -> None:
    root = client.acting(first, rights.ALL)
    keeper = client.acting("per_01J0000000000000000000KEEP", KEEPS)
    assert await renamed(keeper, first, "the-keepers-own") == 403
    plain = await campus.person("plain")
    assert await renamed(keeper, plain, "ext-1") == 200
    await campus.system("banner")
    await campus.permission("banner", "read", "student")
    await campus.role("banner", "clerk", "student.read")
    clerk = await campus.person("clara", "clerk")
    assert await renamed(keeper, clerk, "ext-2") == 403
    assert await renamed(root, clerk, "ext-2") == 200
    team = await root.made("/access/v1/groups", name="Team")
    await campus.give(team["id"], "clerk")
    assert (await root.post(f"/access/v1/groups/{team['id']}/members", json={"person": plain})).status_code == 204
    assert await renamed(keeper, plain, "ext-3") == 403
    assert await renamed(keeper, plain, "ext-1") == 200  # what is no change may be said by anybody


async def test_the_directory_says_who_logs_in_as_whom_but_for_lodges_own_roles(
    directory: Any, client: Client, first: str, campus: Any
) -> None:
    root = client.acting(first, rights.ALL)
    await campus.system("banner")
    await campus.permission("banner", "read", "student")
    await campus.role("banner", "clerk", "student.read")
    clerk = await campus.person("clara", "clerk")
    said = {"op": "replace", "path": "externalId", "value": "ext-2"}
    assert (await directory.patch(f"/Users/{clerk}", said)).status_code == 200
    refused = await directory.patch(f"/Users/{first}", said | {"value": "ext-3"})
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/scim+json")
    officer = await campus.person("olga")
    await root.made("/access/v1/grants", subject=officer, role=(await lodges(root))["support-officer"])
    assert (await directory.patch(f"/Users/{officer}", said | {"value": "ext-4"})).status_code == 403


async def test_a_key_gives_none_of_lodges_rights_that_it_is_not_held_to(client: Client, first: str) -> None:
    root = client.acting(first, rights.ALL)
    made = await root.made("/access/v1/keys", label="script", scopes=["access.grant.any", "access.catalogue.write"])
    by_key = client.acting(first, [rights.GRANT_ANY, rights.CATALOGUE_WRITE], client_id=made["id"])
    bob = await root.made("/access/v1/people", user_name="bob", name="Bob")
    role = (await lodges(root))["auditor"]
    refused = await by_key.post("/access/v1/grants", json={"subject": bob["id"], "role": role})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    (lodge,) = (await root.get("/access/v1/systems?q=lodge")).json()["items"]
    permissions = (await root.get(f"/access/v1/systems/{lodge['id']}/permissions?limit=200")).json()["items"]
    keys = next(one["id"] for one in permissions if one["name"] == "access.keys")
    wider = {"system": lodge["id"], "name": "wider", "permissions": [keys]}
    assert (await by_key.post("/access/v1/roles", json=wider)).status_code == 403
    assert (await root.post("/access/v1/grants", json={"subject": bob["id"], "role": role})).status_code == 201


async def test_nothing_is_set_of_a_thing_that_its_call_does_not_name(client: Client, first: str, campus: Any) -> None:
    root = client.acting(first, rights.ALL)
    await campus.system("banner")
    person = await campus.person("ann")
    for path, body in {
        "/access/v1/people": {"user_name": "x", "name": "X", "status": "active"},
        "/access/v1/roles": {"system": campus.ids["banner"], "name": "r", "everyone": True},
        "/access/v1/grants": {"subject": person, "role": "rol_0", "granted_by": person},
        "/access/v1/keys": {"label": "k", "sha256": "0" * 64},
        "/access/v1/service-accounts": {"name": "s", "id": "svc_0"},
        "/access/v1/groups": {"name": "g", "members": [person]},
    }.items():
        refused = await root.post(path, json=body)
        assert refused.status_code == 422, (path, refused.text)


async def test_nobody_gives_oneself_a_role_through_a_service_account(client: Client, first: str, campus: Any) -> None:
    root = client.acting(first, rights.ALL)
    owner = await campus.person("olga")
    await campus.system("banner", owner=owner)
    await campus.permission("banner", "read", "student")
    clerk = await campus.role("banner", "clerk", "student.read")
    account = (await root.made("/access/v1/service-accounts", name="script", owner=owner))["id"]
    others = (await root.made("/access/v1/service-accounts", name="portal", owner=first))["id"]
    giving = client.acting(owner, [rights.GRANT])
    refused = await giving.post("/access/v1/grants", json={"subject": account, "role": clerk})
    assert (refused.status_code, refused.json().get("code")) == (403, "forbidden")
    assert "answers for" in refused.json()["detail"]
    given = await giving.made("/access/v1/grants", subject=others, role=clerk)
    by_account = client.acting(account, [rights.GRANT_ANY])
    for subject in (owner, account):
        refused = await by_account.post("/access/v1/grants", json={"subject": subject, "role": clerk})
        assert refused.status_code == 403, refused.text
    assert (await root.post(f"/access/v1/grants/{given['id']}/end", json={"reason": "no need"})).status_code == 200
    # Lodge's own roles give no more than their giver has, so that one who is alone can begin.
    for_lodge = (await lodges(root))["directory"]
    assert (await root.post("/access/v1/grants", json={"subject": others, "role": for_lodge})).status_code == 201
