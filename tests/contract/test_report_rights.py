"""Rights on one report: given in access-service, kept by enquiry-service, both real; between them stands a relay."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import access_service.app
import access_service.migrations
import access_service.rights
import access_service.settings
import access_service.tables
import enquiry_service.app
import enquiry_service.migrations
import enquiry_service.rights
import enquiry_service.settings
import enquiry_service.tables
from enquiry_service.report_rights import REMEMBERED, RIGHTS, SYSTEM
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

ADMINISTRATOR = "per_01J0000000000000000000ADMN"
OFFICER, APPROVER = "per_01J0000000000000000000FF1C", "per_01J0000000000000000APPR0V"
SERVICE = "svc_01J0000000000000000000ENQ1"
GIVEN = (enquiry_service.rights.GRANTED, enquiry_service.rights.FILE)
SQL = "SELECT id, title FROM course WHERE id <= 3"


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Campus:
    """Both services with one clock, a report that runs, and somebody who is given rights on it."""

    def __init__(self, access: Client, enquiry: Client, time: Time) -> None:
        self.access, self.enquiry, self.time = access, enquiry, time
        self.away = False
        self.system = self.report = self.path = self.person = ""
        self.roles: dict[str, str] = {}

    @property
    def caller(self) -> Client:
        """Answer who holds no role in enquiry-service but to use what one was given."""
        return self.enquiry.acting(self.person, GIVEN, name="Greta Given")

    def later(self) -> None:
        """Let what was remembered of rights be over."""
        self.time.now += REMEMBERED

    async def role(self, right: str, report: str) -> str:
        """Answer a role that gives one right on one report."""
        key = f"{right} {report}"
        if key not in self.roles:
            made = await self.access.made(
                f"/access/v1/systems/{self.system}/permissions", name=f"report.{key}", action=f"report.{right}",
                resource_type="report", condition=f'resource.id == "{report}"',
            )  # fmt: skip
            role = await self.access.made("/access/v1/roles", system=self.system, name=key, permissions=[made["id"]])
            self.roles[key] = role["id"]
        return self.roles[key]

    async def give(self, right: str, *, to: str = "", report: str = "", **more: Any) -> str:
        """Give a right on a report by the ordinary grant; answers the grant's path."""
        role = await self.role(right, report or self.report)
        made = await self.access.made("/access/v1/grants", subject=to or self.person, role=role, **more)
        return f"/access/v1/grants/{made['id']}"

    async def end(self, grant: str) -> None:
        await self.access.made(f"{grant}/end", reason="Over.")

    async def rights(self) -> set[str]:
        """Answer what the person may do with the report; nothing where there is no such report for that one."""
        answer = await self.caller.get(f"{self.path}/rights")
        if answer.status_code == 404:
            return set()
        assert answer.status_code == 200, answer.text
        return set(answer.json()["rights"])

    async def fresh(self) -> set[str]:
        self.later()
        return await self.rights()


async def _report(officer: Client, approver: Client, source: str, name: str) -> str:
    report = await officer.made("/enquiry/v1/reports", name=name, source=source)
    path = f"/enquiry/v1/reports/{report['id']}"
    await officer.made(f"{path}/versions", sql=SQL, classes={"id": "none", "title": "none"})
    await officer.made(f"{path}/versions/1/submit")
    await approver.made(f"{path}/versions/1/approve")
    return str(report["id"])


@pytest.fixture
async def campus(databases: Databases, issuer: Issuer, tmp_path: Path) -> AsyncIterator[Campus]:
    time = Time()
    files = tmp_path / "files"
    files.mkdir()
    with sqlite3.connect(files / "campus.sqlite") as made:
        made.execute("CREATE TABLE course (id INTEGER PRIMARY KEY, title TEXT)")
        made.executemany("INSERT INTO course VALUES (?, ?)", [(n, f"Course {n}") for n in range(1, 10)])
    made.close()
    shared: dict[str, Any] = {"sealing_keys": Fernet.generate_key().decode(), "audit_key": "a test's own"}
    access_url = databases.of(
        "access", lambda url: migrate(url, access_service.migrations, access_service.tables.Row.metadata)
    )
    access = access_service.app.create_app(
        access_service.settings.Settings(database_url=access_url, **shared), clock=time, keys=issuer.keys
    )
    async with opened(access, issuer) as to_access:
        admin = to_access.acting(ADMINISTRATOR, access.state.service.permissions)
        asker = to_access.acting(SERVICE, [access_service.rights.EVALUATE])
        found: Campus

        async def relay(request: web.Request) -> web.Response:
            if found.away:
                return web.Response(status=503)
            answer = await asker.post(request.path, json=await request.json())
            return web.Response(status=answer.status_code, body=answer.content, content_type="application/json")

        served = web.Application()
        served.router.add_post("/access/v1/evaluations", relay)
        runner = web.AppRunner(served, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        enquiry_url = databases.of(
            "enquiry", lambda url: migrate(url, enquiry_service.migrations, enquiry_service.tables.Row.metadata)
        )
        told = enquiry_service.settings.Settings(
            database_url=enquiry_url, gateway_url=f"http://127.0.0.1:{runner.addresses[0][1]}", storage=tmp_path,
            source_secrets=tmp_path, source_files=files, **shared,
        )  # fmt: skip
        enquiry = enquiry_service.app.create_app(told, clock=time, keys=issuer.keys)
        async with opened(enquiry, issuer) as to_enquiry:
            found = Campus(admin, to_enquiry, time)
            found.system = (await admin.made("/access/v1/systems", key=SYSTEM, name="Reports"))["id"]
            found.person = (await admin.made("/access/v1/people", user_name="greta", name="Greta Given"))["id"]
            officer = to_enquiry.acting(OFFICER, enquiry_service.rights.ALL)
            approver = to_enquiry.acting(APPROVER, enquiry_service.rights.ALL)
            source = await officer.made(
                "/enquiry/v1/sources", name="Courses", adapter="sqlite", database="campus.sqlite"
            )
            await officer.made(f"/enquiry/v1/sources/{source['id']}/check")
            found.report = await _report(officer, approver, source["id"], "Courses")
            await _report(officer, approver, source["id"], "Another")
            found.path = f"/enquiry/v1/reports/{found.report}"
            yield found
        await runner.cleanup()


async def test_without_any_right_there_is_no_such_report(campus: Campus) -> None:
    path, caller = campus.path, campus.caller
    for answer in (
        await caller.get(path), await caller.get(f"{path}/versions"), await caller.get(f"{path}/versions/1"),
        await caller.get(f"{path}/versions/1/diff"), await caller.get(f"{path}/parameters"),
        await caller.get(f"{path}/rights"), await caller.post(f"{path}/runs", json={}),
        await caller.post(f"{path}/versions", json={"sql": "SELECT 1"}), await caller.post(f"{path}/versions", json={}),
        await caller.post(f"{path}/versions/1/validate"), await caller.post(f"{path}/versions/1/submit"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), f"{answer.url}: {answer.text}"
    assert (await caller.get("/enquiry/v1/reports")).json()["items"] == []
    unknown = await caller.get("/enquiry/v1/reports/rpt_01J00000000000000000000000")
    assert unknown.status_code == 404


async def test_who_was_given_to_run_one_report_runs_it_and_sees_no_sql(campus: Campus) -> None:
    await campus.give("run")
    path, caller = campus.path, campus.caller
    assert await campus.rights() == {"run"}
    (listed,) = (await caller.get("/enquiry/v1/reports")).json()["items"]
    assert listed["id"] == campus.report
    run = await caller.made(f"{path}/runs")
    assert run["status"] == "queued"
    seen = [await caller.get(f"{path}/parameters"), await caller.get(path)]
    assert [(one.status_code, "FROM course" in one.text) for one in seen] == [(200, False)] * 2
    await campus.enquiry.acting(OFFICER, enquiry_service.rights.ALL).made(f"{path}/versions", sql=SQL)
    for refused in (
        await caller.get(f"{path}/versions"), await caller.get(f"{path}/versions/1"),
        await caller.get(f"{path}/versions/1/diff"), await caller.get(f"{path}/versions/1/parameters"),
        await caller.post(f"{path}/versions/2/validate"),
        await caller.patch(f"{path}/versions/2", json={"sql": "SELECT 1"}, headers={"If-Match": "*"}),
        await caller.post(f"{path}/versions", json={"sql": "SELECT 1"}),
        await caller.post(f"{path}/versions/1/approve"),
    ):  # fmt: skip
        assert (refused.status_code, "FROM course" in refused.text) == (403, False), refused.url


async def test_the_sql_is_seen_by_who_was_given_that_and_edited_by_who_was_given_both(campus: Campus) -> None:
    path, caller = campus.path, campus.caller
    grant = await campus.give("see-sql")
    assert (await caller.get(f"{path}/versions/1")).json()["sql"] == SQL
    assert (await caller.post(f"{path}/runs", json={})).status_code == 403
    await campus.give("edit")
    campus.later()
    written = await caller.made(f"{path}/versions", sql="SELECT id FROM course", classes={"id": "none"})
    changed = {"sql": "SELECT title FROM course", "classes": {"title": "none"}}
    edited = await caller.patch(f"{path}/versions/2", json=changed, headers={"If-Match": written["etag"]})
    assert (edited.status_code, edited.json()["sql"]) == (200, "SELECT title FROM course")
    await campus.end(grant)
    campus.later()
    assert (await caller.post(f"{path}/versions/2/submit")).json()["sql"] is None
    assert (await caller.post(f"{path}/versions/2/validate")).status_code == 403


async def test_to_unmask_is_a_right_of_its_own(campus: Campus) -> None:
    await campus.give("unmask")
    assert await campus.rights() == {"unmask"}
    assert (await campus.caller.post(f"{campus.path}/runs", json={})).status_code == 403
    officer = campus.enquiry.acting(OFFICER, enquiry_service.rights.ALL)
    assert (await officer.get(f"{campus.path}/rights")).json()["rights"] == ["edit", "run", "see-sql"]


async def test_a_right_ends_within_the_bound_whatever_ended_it(campus: Campus) -> None:
    grant = await campus.give("run")
    assert await campus.rights() == {"run"}
    await campus.end(grant)
    assert await campus.fresh() == set()
    until = campus.time.now + timedelta(hours=1)
    await campus.give("run", valid_to=until.isoformat())
    assert await campus.fresh() == {"run"}
    campus.time.now = until
    assert await campus.rights() == set()
    group = (await campus.access.made("/access/v1/groups", name="Course team"))["id"]
    members = f"/access/v1/groups/{group}/members"
    assert (await campus.access.post(members, json={"person": campus.person})).status_code == 204
    await campus.give("see-sql", to=group)
    assert await campus.fresh() == {"see-sql"}
    assert (await campus.access.post(f"{members}/{campus.person}/remove")).status_code == 204
    assert await campus.fresh() == set()
    await campus.give("edit")
    assert await campus.fresh() == {"edit"}
    await campus.access.made(f"/access/v1/people/{campus.person}/deactivate")
    assert await campus.fresh() == set()


async def test_while_nobody_can_be_asked_no_old_right_stands_beyond_the_bound(campus: Campus) -> None:
    await campus.give("run")
    assert await campus.rights() == {"run"}
    campus.away = True
    assert await campus.rights() == {"run"}
    campus.later()
    for answer in (await campus.caller.get(campus.path), await campus.caller.post(f"{campus.path}/runs", json={})):
        assert (answer.status_code, answer.json()["code"]) == (503, "rights-away")
    officer = campus.enquiry.acting(OFFICER, enquiry_service.rights.ALL)
    assert (await officer.get(f"{campus.path}/versions/1")).json()["sql"] == SQL


async def test_a_key_held_to_other_permissions_has_no_right_on_one_report(campus: Campus) -> None:
    await campus.give("run")
    held = campus.enquiry.acting(campus.person, [enquiry_service.rights.FILE])
    assert (await held.get(campus.path)).status_code == 403
    assert (await held.post(f"{campus.path}/runs", json={})).status_code == 403


async def test_the_file_of_a_run_is_there_as_long_as_the_right_is(campus: Campus) -> None:
    grant = await campus.give("run")
    run = await campus.caller.made(f"{campus.path}/runs")
    file = f"/enquiry/v1/runs/{run['id']}/file"
    assert (await campus.caller.get(file)).json()["detail"].startswith("This run is queued")
    await campus.end(grant)
    campus.later()
    assert (await campus.caller.get(file)).status_code == 403
    other = (await campus.access.made("/access/v1/people", user_name="oscar", name="Oscar Other"))["id"]
    await campus.give("run", to=other)
    stranger = campus.enquiry.acting(other, GIVEN)
    assert (await stranger.get(file)).status_code == 404


async def test_a_right_on_one_report_fills_no_org_units(campus: Campus) -> None:
    officer, approver = (campus.enquiry.acting(one, enquiry_service.rights.ALL) for one in (OFFICER, APPROVER))
    scoped = {
        "sql": "SELECT title FROM course WHERE :scope IS NULL OR title IN (SELECT value FROM json_each(:scope))",
        "parameters": [{"name": "scope", "type": "caller_scope"}], "classes": {"title": "none"},
    }  # fmt: skip
    await officer.made(f"{campus.path}/versions", **scoped)
    await officer.made(f"{campus.path}/versions/2/submit")
    await approver.made(f"{campus.path}/versions/2/approve")
    await campus.give("run")
    for wanted in (None, ["Course 1"], "*"):
        refused = await campus.caller.post(f"{campus.path}/runs", json={"parameters": {"scope": wanted}})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "set-by-lodge"), wanted
    run = await campus.caller.made(f"{campus.path}/runs")
    assert run["parameters"]["scope"] == "[]"
    everywhere = await officer.made(f"{campus.path}/runs")
    assert everywhere["parameters"]["scope"] is None


_STEPS = st.lists(st.tuples(st.sampled_from(RIGHTS), st.booleans()), min_size=1, max_size=6)


@given(steps=_STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
async def test_after_whatever_was_given_and_ended_what_is_kept_is_what_is_held(
    campus: Campus, steps: list[tuple[str, bool]]
) -> None:
    grants: dict[str, str] = {}
    for right, gives in steps:
        if gives and right not in grants:
            grants[right] = await campus.give(right)
        elif not gives and right in grants:
            await campus.end(grants.pop(right))
            campus.time.now += timedelta(seconds=1)
        await campus.rights()  # what is remembered now is wrong at the next step
    assert await campus.fresh() == set(grants)
    for left in grants.values():
        await campus.end(left)
    campus.time.now += timedelta(seconds=1)
