"""People are erased: what said who they were is nowhere, and what was granted and done is still on record."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from access_service import rights
from access_service.settings import Settings
from access_service.tables import Row
from lodge_kit import audit
from lodge_kit.audit.routes import reading
from lodge_kit.tables import Row as KitRow
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

WORD = "zaphod"
EXTERNAL = "u-4711"


@pytest.fixture
async def zaphod(campus: Any, admin: Client, time: Any) -> str:
    """Somebody of whom every free word says who it is, who has left and holds nothing any more."""
    await campus.system("banner")
    await campus.permission("banner", "read", "student")
    await campus.role("banner", "clerk", "student.read")
    unit = await admin.made("/access/v1/org-units", name="Physics")
    found = await campus.person(
        WORD, external_id=EXTERNAL, given_name="Zaphod", family_name="of zaphod", email="zaphod@campus.example",
        title="zaphod's", employee_number="zaphod-1",
    )  # fmt: skip
    appointment = {"org_unit": unit["id"], "kind": "staff", "title": "zaphod's own", "starts_on": "2026-01-01"}
    await admin.made(f"/access/v1/people/{found}/appointments", **appointment)
    await admin.made("/access/v1/keys", owner=found, label="zaphod's laptop")
    grant = await campus.give(WORD, "clerk", reason="zaphod helps")
    path = f"/access/v1/grants/{grant}/end"
    later = time.now + timedelta(days=1)
    time.now += timedelta(seconds=1)
    assert (await admin.post(path, json={"reason": "zaphod", "at": later.isoformat()})).status_code == 200
    time.now += timedelta(seconds=1)
    assert (await admin.post(path, json={"reason": "zaphod moved"})).status_code == 200
    assert (await admin.post(f"/access/v1/people/{found}/deactivate")).status_code == 200
    return str(found)


async def kept(app: FastAPI, word: str) -> set[str]:
    """Answer the tables that have the word anywhere."""
    found = set()
    async with app.state.database.transaction() as session:
        for table in (*Row.metadata.sorted_tables, *KitRow.metadata.sorted_tables):
            asked = text(f'SELECT 1 FROM "{table.name}" t WHERE t::text ILIKE :word LIMIT 1')  # noqa: S608 - our own tables
            if (await session.execute(asked, {"word": f"%{word}%"})).first():
                found.add(table.name)
    return found


async def test_of_who_is_erased_no_name_is_left_and_every_deed_is(
    app: FastAPI, admin: Client, zaphod: str, settings: Settings
) -> None:
    before = await kept(app, WORD)
    assert {"person", "role_grant", "past_grant", "appointment", "api_key", "audit_personal"} <= before
    erased = await admin.post(f"/access/v1/people/{zaphod}/erase")
    assert erased.status_code == 200, erased.text
    shown = erased.json()
    assert (shown["name"], shown["status"], shown["email"]) == ("Erased person", "inactive", None)
    assert shown["erased_at"] is not None
    assert await kept(app, WORD) == set()
    assert await kept(app, EXTERNAL) == {"event"}  # the institution's own id, by which others were told
    grants = (await admin.get(f"/access/v1/grants?subject={zaphod}")).json()["items"]
    assert [one["end_reason"] for one in grants] == [""]
    auditor = admin.acting("per_01J0000000000000000000AVD1", (reading("access"),))
    deeds = (await auditor.get(f"/access/v1/audit-events?subject_id={zaphod}")).json()["items"]
    assert {"person.created", "person.left", "person.deleted", "audit.erased"} <= {one["action"] for one in deeds}
    key = settings.audit_key.get_secret_value().encode()
    async with app.state.database.transaction() as session:
        assert await audit.seal(session, key) > 0
    assert (await audit.verify(app.state.database, key)).finding is None


async def test_who_is_erased_is_found_by_nobody_and_frees_the_names(admin: Client, zaphod: str) -> None:
    assert (await admin.post(f"/access/v1/people/{zaphod}/erase")).status_code == 200
    assert (await admin.get(f"/access/v1/people/{zaphod}")).status_code == 404
    assert (await admin.get(f"/access/v1/people/{zaphod}?history=true")).json()["user_name"] == f"erased-{zaphod}"
    assert (await admin.get(f"/scim/v2/Users/{zaphod}")).status_code == 404
    assert (await admin.post(f"/access/v1/people/{zaphod}/reactivate")).status_code == 404
    await admin.made("/access/v1/people", user_name=WORD, name="Another", external_id=EXTERNAL)
    again = await admin.post(f"/access/v1/people/{zaphod}/erase")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_whom_the_directory_deleted_can_be_erased(admin: Client, zaphod: str) -> None:
    assert (await admin.call("DELETE", f"/scim/v2/Users/{zaphod}")).status_code == 204
    assert (await admin.post(f"/access/v1/people/{zaphod}/erase")).status_code == 200


async def test_who_is_active_or_holds_something_is_not_erased(admin: Client, campus: Any, zaphod: str) -> None:
    assert (await admin.post(f"/access/v1/people/{zaphod}/reactivate")).status_code == 200
    refused = await admin.post(f"/access/v1/people/{zaphod}/erase")
    assert (refused.status_code, refused.json()["code"]) == (409, "still-here")
    grant = await campus.give(WORD, "clerk")
    assert (await admin.post(f"/access/v1/people/{zaphod}/deactivate")).status_code == 200
    refused = await admin.post(f"/access/v1/people/{zaphod}/erase")
    assert (refused.status_code, refused.json()["code"]) == (409, "still-here")
    assert grant in refused.json()["detail"]
    assert (await admin.get(f"/access/v1/people/{zaphod}")).json()["name"] == "Zaphod"


async def test_erasing_needs_a_right_of_its_own(admin: Client, zaphod: str) -> None:
    path = f"/access/v1/people/{zaphod}/erase"
    keeper = admin.acting("per_01J0000000000000000000KEEP", (rights.PEOPLE_READ, rights.PEOPLE_WRITE))
    assert (await keeper.post(path)).status_code == 403
    elsewhere = admin.acting("per_01J0000000000000000000HEAD", {rights.PEOPLE_ERASE.name: ["org_1"]})
    assert (await elsewhere.post(path)).status_code == 403
    assert (await admin.post("/access/v1/people/per_0/erase")).status_code == 404
