"""API keys over HTTP: scopes, rotation, ends; and the service accounts that hold them."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from access_service import bootstrap, people, rights, rounds
from access_service.app import create_app
from access_service.settings import Settings
from lodge_kit import notices
from lodge_kit.identity import Permission
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

KEYS, ACCOUNTS = "/access/v1/keys", "/access/v1/service-accounts"
PEERS = (Permission("enquiry.file", "File.", ("member",)), Permission("release.read", "Read.", ("auditor",)))
Resolve = Callable[[dict[str, Any]], Awaitable[Any]]


@pytest.fixture
async def first(app: FastAPI, client: Client, time: Any) -> str:  # noqa: ARG001 - opens the app
    """Make the first administrator; answers who."""
    async with app.state.database.transaction() as session:
        await bootstrap.take_over(session, (*rights.ALL, *PEERS), now=time.now)
        await bootstrap.start(session, (), now=time.now)
        (found,) = await people.administrators(session, now=time.now)
    return found.id


@pytest.fixture
def root(client: Client, first: str) -> Client:
    return client.acting(first, rights.ALL)


@pytest.fixture
def resolve(client: Client) -> Resolve:
    async def asked(key: dict[str, Any]) -> Any:
        digest = hashlib.sha256(key["key"].encode()).hexdigest()
        answer = await client.acting("gateway").post("/internal/v1/callers/resolve", json={"key_sha256": digest})
        return answer.json()["permissions"] if answer.status_code == 200 else answer.json()["code"]

    return asked


async def give(root: Client, subject: str, role: str) -> None:
    found = {one["name"]: one["id"] for one in (await root.get("/access/v1/roles?limit=200")).json()["items"]}
    await root.made("/access/v1/grants", subject=subject, role=found[role])


async def person(root: Client, name: str, **more: Any) -> str:
    return str((await root.made("/access/v1/people", user_name=name, name=name.title(), **more))["id"])


# Scopes


async def test_a_key_is_held_to_its_scopes_and_never_exceeds_its_owner(
    root: Client, client: Client, resolve: Resolve, issuer: Issuer
) -> None:
    alice = await person(root, "alice")
    await give(root, alice, "auditor")
    me = client.acting(alice)
    scopes = ["release.read", "access.people.read", "access.grant"]
    made = await me.made(KEYS, label="portal", scopes=scopes)
    assert made["scopes"] == sorted(scopes)
    held = {"access": {"access.people.read": "*"}, "release": {"release.read": "*"}}
    assert await resolve(made) == held
    assert set((await resolve(await me.made(KEYS, label="all")))["enquiry"]) == {"enquiry.file"}
    mine = (await client.acting(alice, client_id=made["id"]).get("/access/v1/me")).json()
    assert list(mine["permissions"]) == ["access.people.read", "release.read"]
    # Permissions too long for a token are asked for with it: they are held to the key there, too.
    headers = issuer.headers(alice, audience="enquiry", permissions_ref=True, client_id=made["id"])
    assert (await client.http.get("/internal/v1/callers/permissions", headers=headers)).json() == {"permissions": {}}


async def test_scopes_are_permissions_of_lodge(root: Client) -> None:
    wrong = await root.post(KEYS, json={"scopes": ["access.keys", "access.fly", "records.amend"]})
    assert wrong.status_code == 422
    assert [(one["pointer"], one["code"]) for one in wrong.json()["errors"]] == [
        ("/scopes/1", "unknown-permission"), ("/scopes/2", "unknown-permission"),
    ]  # fmt: skip
    assert (await root.post(KEYS, json={"scopes": []})).status_code == 422


async def test_a_key_makes_no_key_that_may_do_more(root: Client, client: Client, first: str) -> None:
    made = await root.made(KEYS, label="script", scopes=["access.keys", "access.people.read"])
    by_key = client.acting(first, [rights.KEYS, rights.PEOPLE_READ], client_id=made["id"])
    for wanted in ({}, {"scopes": ["access.grant"]}, {"scopes": ["access.people.read", "access.grant"]}):
        refused = await by_key.post(KEYS, json={"label": "more", **wanted})
        assert (refused.status_code, "held to access.keys" in refused.json()["detail"]) == (403, True)
    narrow = await by_key.made(KEYS, label="less", scopes=["access.people.read"])
    assert narrow["scopes"] == ["access.people.read"]
    bob = await person(root, "bob")
    await give(root, bob, "auditor")
    refused = await by_key.post(KEYS, json={"owner": bob, "scopes": ["access.people.read", "access.keys"]})
    assert refused.status_code == 201  # bob holds no access.keys, so this one does neither
    # An administrator's whole key is as good as an administrator.
    await root.made(KEYS, label="whole")
    keeper = client.acting(bob, [rights.KEYS])
    refused = await keeper.post(KEYS, json={"owner": first})
    assert (refused.status_code, "access.grant" in refused.json()["detail"]) == (403, True)
    assert (await keeper.post(KEYS, json={"owner": first, "scopes": ["access.keys"]})).status_code == 201


# Rotation and ends


async def test_a_key_is_rotated_in_one_call_and_the_old_one_serves_through_the_overlap(
    root: Client, client: Client, resolve: Resolve, time: Any, app: FastAPI
) -> None:
    me = client.acting(await person(root, "alice"))
    ends = time.now + timedelta(days=90)
    old = await me.made(KEYS, label="portal", scopes=["enquiry.file"], expires_at=ends.isoformat())
    time.now += timedelta(days=80)
    me = client.acting(old["owner"]["id"])
    new = await me.made(f"{KEYS}/{old['id']}/rotate", overlap_hours=2)
    assert (new["label"], new["scopes"], new["expires_at"]) == (
        "portal", ["enquiry.file"], (time.now + timedelta(days=90)).isoformat().replace("+00:00", "Z"),
    )  # fmt: skip
    assert await resolve(old) == await resolve(new) == {"enquiry": {"enquiry.file": "*"}}
    again = await me.post(f"{KEYS}/{old['id']}/rotate", json={})
    assert (again.status_code, "2 live keys" in again.json()["detail"]) == (409, True)
    time.now += timedelta(hours=2)
    assert await resolve(old) == "key-unknown"
    assert await resolve(new) == {"enquiry": {"enquiry.file": "*"}}
    gone = await me.post(f"{KEYS}/{old['id']}/rotate", json={})
    assert (gone.status_code, "Make a new one" in gone.json()["detail"]) == (409, True)
    await rounds.once(app.state.world)
    async with app.state.database.transaction() as session:
        rows = await session.execute(text("SELECT type FROM event WHERE subject_id = :id"), {"id": old["id"]})
        assert list(rows.scalars()) == ["key.rotated"]  # nobody is warned of an end that he made


async def test_a_rotation_without_overlap_ends_the_old_key_at_once(
    root: Client, client: Client, resolve: Resolve
) -> None:
    me = client.acting(await person(root, "alice"))
    old = await me.made(KEYS, label="portal")
    new = await me.made(f"{KEYS}/{old['id']}/rotate", overlap_hours=0)
    assert (await resolve(old), new["expires_at"]) == ("key-unknown", None)
    assert (await me.get(f"{KEYS}/{old['id']}")).json()["state"] == "expired"
    stranger = client.acting("per_01J00000000000000000000STR")
    for path in (f"{KEYS}/{new['id']}", f"{KEYS}/key_x"):
        assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(f"{KEYS}/{new['id']}/rotate", json={})).status_code == 404


async def test_two_who_rotate_a_key_at_the_same_moment_make_one_successor(root: Client, client: Client) -> None:
    me = client.acting(await person(root, "alice"))
    old = await me.made(KEYS, label="portal")
    answers = await asyncio.gather(*(me.post(f"{KEYS}/{old['id']}/rotate", json={}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    answers = await asyncio.gather(*(me.post(KEYS, json={"label": "x"}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]


async def test_an_installation_says_how_long_keys_live(settings: Settings, issuer: Issuer, time: Any) -> None:
    app = create_app(settings.model_copy(update={"longest_key_days": 30}), clock=time, keys=issuer.keys)
    async with opened(app, issuer) as client:
        admin = client.acting("per_01J0000000000000000000ADMN", rights.ALL)
        me = client.acting((await admin.made("/access/v1/people", user_name="a", name="A"))["id"])
        longest = (time.now + timedelta(days=30)).isoformat().replace("+00:00", "Z")
        made = await me.made(KEYS)
        assert made["expires_at"] == longest
        late = await me.post(KEYS, json={"expires_at": (time.now + timedelta(days=31)).isoformat()})
        assert (late.status_code, late.json()["errors"][0]["code"]) == (422, "too-long")
        time.now += timedelta(days=1)
        rotated = await me.made(f"{KEYS}/{made['id']}/rotate")
        assert rotated["expires_at"] == (time.now + timedelta(days=30)).isoformat().replace("+00:00", "Z")


async def tasks(app: FastAPI, who: Client) -> list[str]:
    await notices.route(app.state.world)
    items = (await who.get("/access/v1/tasks?sort=created_at")).json()["items"]
    return [one["title"] for one in items if one["event_type"] == "key.expiring"]


async def test_the_owner_is_told_14_days_and_a_day_before_a_key_expires_once_each(
    root: Client, client: Client, time: Any, app: FastAPI
) -> None:
    alice = await person(root, "alice")
    account = await root.made(ACCOUNTS, name="portal", owner=alice)
    ends = (time.now + timedelta(days=20)).isoformat()
    key = await client.acting(alice).made(KEYS, label="mine", expires_at=ends)
    await root.made(KEYS, owner=account["id"], label="its", expires_at=ends)
    short = (time.now + timedelta(days=7)).isoformat()
    await client.acting(alice).made(KEYS, label="short", expires_at=short)
    began = time.now
    seen: dict[int, list[str]] = {}
    for day in (5, 6, 7, 19, 20):
        time.now = began + timedelta(days=day)
        for _ in range(2):
            await rounds.once(app.state.world)
        seen[day] = await tasks(app, client.acting(alice))
    soon = ["The API key “its” expires within 14 days", "The API key “mine” expires within 14 days"]
    last = [one.replace("14 days", "a day") for one in soon]
    said = {day: sorted(one.partition(". ")[0] for one in titles) for day, titles in seen.items()}
    over = ["The API key “short” expires within a day"]
    assert said == {5: [], 6: sorted([*soon, *over]), 7: sorted([*soon, *over]), 19: sorted([*last, *over]),
                    20: sorted([*last, *over])}  # fmt: skip
    async with app.state.database.transaction() as session:
        rows = await session.execute(text("SELECT count(*) FROM event WHERE type = 'key.expiring'"))
        assert rows.scalar_one() == 5
    assert (await client.acting(alice).post(f"{KEYS}/{key['id']}/revoke")).status_code == 200
    assert len(await tasks(app, client.acting(alice))) == 2


# Service accounts


async def test_a_service_account_is_read_changed_put_out_of_use_and_back(root: Client, resolve: Resolve) -> None:
    alice = await person(root, "alice")
    made = await root.post(ACCOUNTS, json={"name": "portal", "owner": alice})
    path = made.headers["location"]
    account = (await root.get(path)).json()
    assert (account, account["owner"]["name"], account["etag"]) == (made.json(), "Alice", '"1"')
    assert (await root.post(ACCOUNTS, json={"name": "portal"})).status_code == 409
    assert (await root.post(ACCOUNTS, json={"name": "other", "owner": account["id"]})).status_code == 422
    assert (await root.patch(path, json={"description": "x"})).status_code == 428
    changed = await root.patch(path, json={"description": "The portal.", "source": "hr"}, headers={"If-Match": '"1"'})
    assert (changed.json()["source"], changed.headers["etag"]) == ("hr", '"2"')
    assert (await root.patch(path, json={"name": "x"}, headers={"If-Match": '"2"'})).status_code == 422
    await give(root, account["id"], "support-officer")
    key = await root.made(KEYS, owner=account["id"], label="live")
    assert "access" in await resolve(key)
    assert (await root.post(f"{path}/deactivate")).json()["status"] == "inactive"
    assert await resolve(key) == "caller-inactive"
    asked = {"subject": {"type": "user", "id": account["id"]}, "action": {"name": "access.people.read"},
             "resource": {"type": "lodge", "id": "1"}}  # fmt: skip
    assert not (await root.post("/access/v1/evaluation", json=asked)).json()["decision"]
    assert (await root.post(f"{path}/deactivate")).status_code == 409
    assert (await root.post(f"{path}/reactivate")).json()["status"] == "active"
    assert "access" in await resolve(key)
    assert (await root.get(f"{ACCOUNTS}/svc_x")).status_code == 404
    assert (await root.post(f"{ACCOUNTS}/svc_x/deactivate")).status_code == 404


async def test_who_answers_for_an_account_sees_it_and_keeps_its_keys(root: Client, client: Client) -> None:
    alice = await person(root, "alice")
    mine = await root.made(ACCOUNTS, name="mine", owner=alice)
    other = await root.made(ACCOUNTS, name="other")
    me = client.acting(alice)
    assert [one["name"] for one in (await me.get(f"{ACCOUNTS}?owner=me")).json()["items"]] == ["mine"]
    assert (await me.get(ACCOUNTS)).status_code == 403
    assert (await me.get(f"{ACCOUNTS}/{mine['id']}")).status_code == 200
    assert (await me.get(f"{ACCOUNTS}/{other['id']}")).status_code == 404
    key = await me.made(KEYS, owner=mine["id"], label="first")
    assert [one["id"] for one in (await me.get(f"{KEYS}?owner={mine['id']}")).json()["items"]] == [key["id"]]
    assert (await me.post(KEYS, json={"owner": other["id"]})).status_code == 403
    assert (await me.get(f"{KEYS}?owner={other['id']}")).status_code == 403
    # More than one may do oneself, one does not by an account's key either.
    await give(root, mine["id"], "support-officer")
    refused = await me.post(f"{KEYS}/{key['id']}/rotate", json={})
    assert (refused.status_code, "could do what you may not" in refused.json()["detail"]) == (403, True)
    assert (await me.post(f"{KEYS}/{key['id']}/revoke")).status_code == 200
    assert (await me.post(f"{ACCOUNTS}/{mine['id']}/deactivate")).status_code == 403
    table = await root.get(ACCOUNTS, headers={"Accept": "text/csv"})
    assert table.text.count("\r\n") == 3


async def test_the_deputy_is_told_when_nobody_answers_for_an_account_any_more(
    root: Client, client: Client, app: FastAPI
) -> None:
    deputy = await person(root, "deputy")
    owner = await person(root, "owner", deputy=deputy)
    account = await root.made(ACCOUNTS, name="portal", owner=owner)
    await root.made(ACCOUNTS, name="unowned")

    async def told() -> list[tuple[str, str]]:
        await notices.route(app.state.world)
        items = (await client.acting(deputy).get("/access/v1/tasks")).json()["items"]
        return [(one["event_type"], one["subject_id"]) for one in items]

    assert (await root.post(f"/access/v1/people/{owner}/deactivate")).status_code == 200
    assert await told() == [("service_account.orphaned", account["id"])]
    path = f"{ACCOUNTS}/{account['id']}"
    assert (await root.patch(path, json={"owner": deputy}, headers={"If-Match": "*"})).status_code == 200
    assert await told() == []
