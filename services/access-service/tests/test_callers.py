"""Whose credential it is: what the gateway asks, and how it hears of changes."""

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from access_service import bootstrap, rights
from access_service.app import create_app
from access_service.settings import Settings
from lodge_kit import serving
from lodge_kit.identity import Permission
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer
from lodge_kit.testing.waiting import until

pytestmark = pytest.mark.anyio

RESOLVE = "/internal/v1/callers/resolve"
PEERS = (Permission("enquiry.file", "File.", ("member",)), Permission("release.read", "Read.", ("auditor",)))


class Time:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def app(settings: Settings, issuer: Issuer, time: Time) -> FastAPI:
    return create_app(settings, clock=time, keys=issuer.keys)


@pytest.fixture
def gateway(client: Client) -> Client:
    return client.acting("gateway")


def of(key: str) -> dict[str, str]:
    return {"key_sha256": hashlib.sha256(key.encode()).hexdigest()}


@pytest.fixture
async def started(app: FastAPI, client: Client, time: Time) -> bootstrap.Started:  # noqa: ARG001 - opens the app
    async with app.state.world.database.transaction() as session:
        await bootstrap.take_over(session, (*rights.ALL, *PEERS), now=time.now)
        return await bootstrap.start(session, ("enquiry",), now=time.now)


async def test_a_key_is_resolved_to_its_owner_and_all_rights_by_service(
    gateway: Client, started: bootstrap.Started
) -> None:
    found = (await gateway.post(RESOLVE, json=of(started.administrator_key or ""))).json()
    assert (found["name"], found["actor"]) == ("First Administrator", None)
    assert found["client_id"].startswith("key_")
    assert found["permissions"]["access"]["access.grant"] == "*"
    assert found["permissions"]["release"] == {"release.read": "*"}
    assert found["permissions"]["enquiry"] == {"enquiry.file": "*"}
    service = (await gateway.post(RESOLVE, json=of(started.service_keys["enquiry"]))).json()
    assert (service["name"], service["id"][:4]) == ("enquiry-service", "svc_")
    assert set(service["permissions"]["access"]) == {"access.people.read", "access.evaluate"}
    assert "enquiry" not in service["permissions"]


@pytest.mark.usefixtures("started")
async def test_whoever_is_active_is_a_member(gateway: Client, admin: Client) -> None:
    await admin.made("/access/v1/people", user_name="a", name="Alice", external_id="ext-a")
    asked = {"issuer": "https://login.example", "external_id": "ext-a", "client_id": "portal"}
    found = (await gateway.post(RESOLVE, json=asked)).json()
    assert (found["name"], found["client_id"]) == ("Alice", "portal")
    assert found["permissions"] == {
        "access": {"access.responsibilities.read": "*"},
        "enquiry": {"enquiry.file": "*"},
    }


async def test_scopes_name_every_org_unit_below(gateway: Client, admin: Client, started: bootstrap.Started) -> None:
    made = admin.made
    science = await made("/access/v1/org-units", name="Science")
    physics = await made("/access/v1/org-units", name="Physics", parent=science["id"])
    alice = await made("/access/v1/people", user_name="a", name="Alice", external_id="ext-a")
    whose = (await gateway.post(RESOLVE, json=of(started.administrator_key or ""))).json()["id"]
    roles = (await admin.get("/access/v1/roles?q=auditor")).json()["items"]
    body = {"subject": alice["id"], "role": roles[0]["id"], "org_unit": science["id"]}
    given = await admin.acting(whose, rights.ALL).post("/access/v1/grants", json=body)
    assert given.status_code == 201
    found = (await gateway.post(RESOLVE, json={"external_id": "ext-a"})).json()
    assert found["permissions"]["release"] == {"release.read": sorted([science["id"], physics["id"]])}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"key_sha256": "0" * 64}, 401, "key-unknown"), ({"external_id": "nobody"}, 403, "person-unknown"),
        ({}, 422, "invalid"), ({"external_id": ""}, 422, "invalid"), ({"key_sha256": "x"}, 422, "invalid"),
        ({"key_sha256": "0" * 64, "external_id": "a"}, 422, "invalid"), ({"key": "lodge_1_2"}, 422, "invalid"),
    ],
)  # fmt: skip
async def test_what_is_no_credential_is_refused(gateway: Client, body: dict[str, str], status: int, code: str) -> None:
    answer = await gateway.post(RESOLVE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_only_the_gateway_asks_whose_a_credential_is(client: Client, admin: Client) -> None:
    for path in (RESOLVE, "/internal/v1/changes"):
        method = "POST" if path == RESOLVE else "GET"
        assert (await admin.call(method, path, json={"external_id": "a"})).status_code == 403
        assert (await client.http.request(method, path, json={"external_id": "a"})).status_code == 401


async def test_a_key_serves_until_it_is_revoked_or_expires_or_its_owner_leaves(
    gateway: Client, admin: Client, time: Time
) -> None:
    alice = await admin.made("/access/v1/people", user_name="a", name="Alice")
    me = admin.acting(alice["id"])
    expires = (time.now + timedelta(hours=1)).isoformat()
    short = await me.made("/access/v1/keys", label="short", expires_at=expires)
    other = await me.made("/access/v1/keys", label="portal")

    async def code(key: dict[str, Any]) -> str:
        answer = await gateway.post(RESOLVE, json=of(key["key"]))
        return "ok" if answer.status_code == 200 else f"{answer.status_code} {answer.json()['code']}"

    assert (await code(short), await code(other)) == ("ok", "ok")
    time.now += timedelta(hours=1)
    assert (await code(short), await code(other)) == ("401 key-unknown", "ok")
    states = {one["label"]: one["state"] for one in (await me.get("/access/v1/keys")).json()["items"]}
    assert states == {"short": "expired", "portal": "live"}
    await admin.post(f"/access/v1/people/{alice['id']}/deactivate")
    assert await code(other) == "403 caller-inactive"
    await admin.post(f"/access/v1/people/{alice['id']}/reactivate")
    revoked = await me.post(f"/access/v1/keys/{other['id']}/revoke")
    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert (await me.post(f"/access/v1/keys/{other['id']}/revoke")).status_code == 409
    assert await code(other) == "401 key-unknown"


async def test_a_key_is_shown_once_and_kept_nowhere(
    admin: Client, app: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = await admin.made("/access/v1/people", user_name="a", name="Alice")
    me = admin.acting(alice["id"])
    with structlog.testing.capture_logs() as logged:
        made = await me.made("/access/v1/keys", label="portal")
        listed = await me.get("/access/v1/keys")
        table = await me.get("/access/v1/keys", headers={"Accept": "text/csv"})
    secret = made["key"].split("_", 2)[2]
    assert len(secret) >= 43
    app.state.account.lines.flush()
    assert secret not in listed.text + table.text + repr(logged) + capsys.readouterr().out
    assert "sha256" not in listed.text
    async with app.state.world.database.transaction() as session:
        for table_name in ("api_key", "audit_event", "event"):
            rows = await session.execute(text(f"SELECT t::text FROM {table_name} t"))  # noqa: S608 - the test's own
            assert secret not in "".join(rows.scalars())


async def test_keys_of_others_need_the_right_and_two_live_ones_are_enough(admin: Client, client: Client) -> None:
    alice = await admin.made("/access/v1/people", user_name="a", name="Alice")
    stranger = client.acting("per_01J00000000000000000000STR")
    refused = await stranger.post("/access/v1/keys", json={"owner": alice["id"]})
    assert (refused.status_code, "access.keys" in refused.json()["detail"]) == (403, True)
    scoped = client.acting("per_01J00000000000000000000STR", {rights.KEYS.name: ["org_01J00000000000000000000000"]})
    assert (await scoped.post("/access/v1/keys", json={"owner": alice["id"]})).status_code == 403
    assert (await stranger.get(f"/access/v1/keys?owner={alice['id']}")).status_code == 403
    keys = [await admin.made("/access/v1/keys", owner=alice["id"], label="x") for _ in range(2)]
    assert (await admin.post("/access/v1/keys", json={"owner": alice["id"], "label": "x"})).status_code == 409
    assert (await stranger.post(f"/access/v1/keys/{keys[0]['id']}/revoke")).status_code == 404
    assert (await admin.post(f"/access/v1/keys/{keys[0]['id']}/revoke")).status_code == 200
    await admin.made("/access/v1/keys", owner=alice["id"], label="x")
    past = await admin.post("/access/v1/keys", json={"owner": alice["id"], "expires_at": "2020-01-01T00:00:00Z"})
    assert (past.status_code, past.json()["errors"][0]["pointer"]) == (422, "/expires_at")


async def test_a_key_in_use_does_not_wait_for_another_call_with_it(
    gateway: Client, admin: Client, app: FastAPI
) -> None:
    alice = await admin.made("/access/v1/people", user_name="a", name="Alice")
    made = await admin.acting(alice["id"]).made("/access/v1/keys")
    async with app.state.world.database.transaction() as session:
        await session.execute(text("SELECT 1 FROM api_key FOR UPDATE"))
        async with asyncio.timeout(5):
            assert (await gateway.post(RESOLVE, json=of(made["key"]))).status_code == 200
    answers = await asyncio.gather(*(gateway.post(RESOLVE, json=of(made["key"])) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    (shown,) = (await admin.acting(alice["id"]).get("/access/v1/keys")).json()["items"]
    assert shown["last_used_at"] is not None


async def test_permissions_that_are_too_long_for_a_token_are_read_with_that_token(
    client: Client, issuer: Issuer, started: bootstrap.Started, gateway: Client
) -> None:
    whose = (await gateway.post(RESOLVE, json=of(started.administrator_key or ""))).json()["id"]
    for audience, names in (("release", {"release.read"}), ("enquiry", {"enquiry.file"})):
        headers = issuer.headers(whose, audience=audience, permissions_ref=True)
        found = (await client.http.get("/internal/v1/callers/permissions", headers=headers)).json()
        assert set(found["permissions"]) == names
    for headers in ({}, issuer.headers(whose, audience="gateway")):
        assert (await client.http.get("/internal/v1/callers/permissions", headers=headers)).status_code == 401


async def test_one_reads_ones_own_rights(client: Client, gateway: Client, started: bootstrap.Started) -> None:
    found = (await gateway.post(RESOLVE, json=of(started.administrator_key or ""))).json()
    me = (await client.acting(found["id"]).get("/access/v1/me")).json()
    assert (me["id"], me["permissions"]["access.grant"]) == (found["id"], "*")
    assert list(me["permissions"]) == sorted(me["permissions"])
    chosen = await client.acting(found["id"]).call("PUT", "/access/v1/me/notices", json={"notices": "daily"})
    assert chosen.json() == {"notices": "daily"}
    names = await client.acting(found["id"]).get(f"/access/v1/names?id={found['id']},per_x")
    assert names.json()["items"] == [{"id": found["id"], "name": "First Administrator"}]


# First start


@pytest.mark.usefixtures("client")
async def test_a_first_start_is_made_once_however_many_try(app: FastAPI, time: Time) -> None:

    async def start() -> bootstrap.Started:
        async with app.state.world.database.transaction() as session:
            await bootstrap.take_over(session, rights.ALL, now=time.now)
            return await bootstrap.start(session, (), now=time.now)

    started = await asyncio.gather(*(start() for _ in range(4)))
    assert [one.administrator_key is not None for one in started].count(True) == 1
    async with app.state.world.database.transaction() as session:
        for table, count in (("system", 1), ("role", len(bootstrap.ROLES)), ("person", 1), ("api_key", 1)):
            found = await session.execute(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - the test's own
            assert found.scalar_one() == count, table


@pytest.mark.usefixtures("client")
async def test_a_services_permissions_are_added_and_never_taken_away(app: FastAPI, time: Time) -> None:

    async def told(*permissions: Permission) -> int:
        async with app.state.world.database.transaction() as session:
            return await bootstrap.take_over(session, permissions, now=time.now)

    assert await told(*PEERS) == 2
    assert await told(*PEERS) == 0
    assert await told(PEERS[0], Permission("enquiry.new", "New.", ("member", "no-such-role"))) == 1
    async with app.state.world.database.transaction() as session:
        rows = await session.execute(
            text(
                "SELECT r.name, p.name FROM role_permission rp JOIN role r ON r.id = rp.role_id"
                " JOIN permission p ON p.id = rp.permission_id ORDER BY 1, 2"
            )
        )
        assert [tuple(row) for row in rows] == [
            ("administrator", "enquiry.file"), ("administrator", "enquiry.new"), ("administrator", "release.read"),
            ("auditor", "release.read"), ("member", "enquiry.file"), ("member", "enquiry.new"),
        ]  # fmt: skip


# The stream of changes


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[tuple[str, serving.Server, asyncio.Task[None]]]:
    """Serve the app as the command does, but for the signals, which are the test run's own."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=20, http=serving.Prompt)
    server = serving.Server(config, app)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - serve() takes the run's signals
        await until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", server, running
        finally:
            server.stop()
            await running


async def test_changes_of_rights_are_streamed_and_the_stream_ends_with_the_server(app: FastAPI, issuer: Issuer) -> None:
    headers = issuer.headers("gateway", audience="access")
    admin = issuer.headers(
        "per_01J0000000000000000000ADMN", audience="access", permissions={p.name: "*" for p in rights.ALL}
    )
    async with served(app) as (url, server, running), aiohttp.ClientSession() as http:

        async def made(path: str, **body: Any) -> Any:
            async with http.post(f"{url}/access/v1/{path}", json=body, headers=admin) as answer:
                assert answer.status < 300, await answer.text()
                return await answer.json() if answer.status != 204 else None

        alice = (await made("people", user_name="a", name="Alice"))["id"]
        group = (await made("groups", name="Team"))["id"]
        system = (await made("systems", key="records", name="Records"))["id"]
        role = (await made("roles", system=system, name="Clerk"))["id"]
        async with http.get(f"{url}/internal/v1/changes", headers=headers) as stream:
            assert stream.headers["content-type"] == "application/x-ndjson"

            async def heard() -> Any:
                async with asyncio.timeout(10):
                    while True:
                        line = json.loads(await stream.content.readline())
                        if "ping" not in line:
                            return line

            assert json.loads(await stream.content.readline()) == {"ping": True}
            grant = (await made("grants", subject=alice, role=role))["id"]
            assert await heard() == {"drop": [alice]}
            await made(f"grants/{grant}/end", reason="x")
            assert await heard() == {"drop": [alice]}
            await made(f"groups/{group}/members", person=alice)
            assert await heard() == {"drop": [alice]}
            await made("grants", subject=group, role=role)
            assert await heard() == {"drop": [alice]}
            await made(f"roles/{role}/retire")
            assert await heard() == {"drop": "*"}
            key = await made("keys", owner=alice)
            await made(f"keys/{key['id']}/revoke")
            assert await heard() == {"drop": [key["id"]]}
            await made(f"people/{alice}/deactivate")
            assert await heard() == {"drop": [alice]}
            assert json.loads(await stream.content.readline()) == {"ping": True}
            began = asyncio.get_running_loop().time()
            server.stop()
            rest = await stream.content.read()
            await running
            assert asyncio.get_running_loop().time() - began < 5
            assert all(json.loads(line) == {"ping": True} for line in rest.splitlines())
