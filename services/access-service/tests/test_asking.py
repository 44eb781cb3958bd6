"""Who may ask what is decided about others."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from access_service import rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

EVALUATE = {"name": "evaluate", "action": "access.evaluate", "type": "lodge"}
UNIT = "org_01J00000000000000000000N0T"


@pytest.fixture
async def campus(campus: Any) -> Any:
    """Two systems, each with records that Alice may read, and Paula, whose portal asks."""
    for key in ("records", "library"):
        await campus.system(key)
        await campus.permission(key, "read", "record", name=f"{key}.read")
        await campus.permission(key, "access.evaluate", "lodge", name=f"{key}.evaluate")
        await campus.role(key, f"{key} reader", f"{key}.read")
        await campus.role(key, f"{key} asker", f"{key}.evaluate")
    await campus.person("alice", "records reader", external_id="ext-a")
    await campus.person("paula")
    return campus


def question(subject: str, system: str | None = None, **more: Any) -> dict[str, Any]:
    properties = {"system": system} if system else {}
    return {
        "subject": {"type": "user", "id": subject}, "action": {"name": "read"},
        "resource": {"type": "record", "id": "1", "properties": properties}, **more,
    }  # fmt: skip


async def statuses(by: Client, body: dict[str, Any]) -> set[int]:
    paths = ("evaluation", "search/resource", "search/action")
    return {(await by.post(f"/access/v1/{path}", json=body)).status_code for path in paths}


async def test_about_others_it_needs_the_right_and_about_oneself_it_does_not(campus: Any, client: Client) -> None:
    paula, alice = client.acting(campus.ids["paula"]), client.acting(campus.ids["alice"])
    refused = await paula.post("/access/v1/evaluation", json=question("alice"))
    assert (refused.status_code, "access.evaluate" in refused.json()["detail"]) == (403, True)
    assert await statuses(paula, question("alice", "records")) == {403}
    assert await statuses(paula, question("nobody")) == {403}
    for named in ("alice", "ext-a", campus.ids["alice"]):
        assert await statuses(alice, question(named)) == {200}
    assert (await alice.post("/access/v1/evaluation", json=question("ext-a"))).json()["decision"] is True
    assert (await alice.post("/access/v1/search/subject", json=question("alice"))).status_code == 403
    everywhere = client.acting(campus.ids["paula"], [rights.EVALUATE])
    assert await statuses(everywhere, question("alice")) == {200}
    assert (await everywhere.post("/access/v1/search/subject", json=question(""))).status_code == 200
    scoped = client.acting(campus.ids["paula"], {rights.EVALUATE.name: [UNIT]})
    assert await statuses(scoped, question("alice")) == {403}
    anonymous = client.acting("anonymous")
    assert (await anonymous.post("/access/v1/evaluation", json=question("alice"))).status_code == 401


async def test_one_may_be_given_the_right_in_one_system(campus: Any, client: Client) -> None:
    paula = client.acting(campus.ids["paula"])
    grant = await campus.give("paula", "records asker")
    for system, expected in (("records", 200), (campus.ids["records"], 200), ("library", 403), ("nowhere", 403)):
        assert await statuses(paula, question("alice", system)) == {expected}, system
        found = await paula.post("/access/v1/search/subject", json=question("", system))
        assert found.status_code == expected
    # Where no system is named, all are meant that know the question; those must all be allowed.
    assert await statuses(paula, question("alice")) == {403}
    assert (
        await paula.post("/access/v1/evaluation", json=question("alice", action={"name": "eat"}))
    ).status_code == 200
    await campus.give("paula", "library asker")
    assert await statuses(paula, question("alice")) == {200}
    await campus.admin.post(f"/access/v1/grants/{grant}/end", json={"reason": "x"})
    assert await statuses(paula, question("alice", "records")) == {403}


@pytest.mark.parametrize("more", [{"org_unit": "science"}, {"environment": "test"}])
async def test_a_part_of_a_system_is_not_enough(campus: Any, client: Client, more: dict[str, str]) -> None:
    if "org_unit" in more:
        more = {"org_unit": (await campus.admin.made("/access/v1/org-units", name="Science"))["id"]}
    await campus.give("paula", "records asker", **more)
    assert await statuses(client.acting(campus.ids["paula"]), question("alice", "records")) == {403}


async def test_the_owner_of_a_system_may_ask_about_it(campus: Any, client: Client) -> None:
    system = campus.ids["library"]
    tag = (await campus.admin.get(f"/access/v1/systems/{system}")).headers["etag"]
    change = {"owner": campus.ids["paula"]}
    await campus.admin.patch(f"/access/v1/systems/{system}", json=change, headers={"If-Match": tag})
    paula = client.acting(campus.ids["paula"])
    assert await statuses(paula, question("alice", "library")) == {200}
    assert await statuses(paula, question("alice", "records")) == {403}


async def test_a_key_that_is_held_to_scopes_needs_the_right_among_them(
    campus: Any, client: Client, app: FastAPI
) -> None:
    await campus.give("paula", "records asker")
    key = await client.acting(campus.ids["paula"]).made("/access/v1/keys", label="portal")
    paula = client.acting(campus.ids["paula"], client_id=key["id"])
    for scopes, expected in ((None, 200), (["enquiry.file"], 403), (["enquiry.file", "access.evaluate"], 200)):
        async with app.state.database.transaction() as session:
            await session.execute(text("UPDATE api_key SET scopes = :scopes"), {"scopes": scopes})
        assert await statuses(paula, question("alice", "records")) == {expected}, scopes


async def test_what_one_may_not_ask_is_an_error_among_several_questions(campus: Any, client: Client) -> None:
    await campus.give("paula", "records asker")
    body = {"evaluations": [question("alice", "records"), question("alice", "library"), question("paula")]}
    answer = await client.acting(campus.ids["paula"]).post("/access/v1/evaluations", json=body)
    assert answer.status_code == 200
    found = answer.json()["evaluations"]
    assert [item["decision"] for item in found] == [True, False, False]
    assert found[1]["context"]["error"]["status"] == 403
    assert "context" not in found[2]
