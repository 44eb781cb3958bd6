"""Registered resources: who registers them, what is refused, and which properties a condition sees."""

from typing import Any

import pytest

from access_service import rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

OWNER = "per_01J0000000000000000000WNER"


@pytest.fixture
async def library(campus: Any) -> Any:
    await campus.system("library")
    await campus.permission("library", "lend", "book", condition='resource.properties.shelf == "open"')
    await campus.permission(
        "library", "sell", "book", condition='resource.properties.shelf == "open"', request_wins=True
    )
    await campus.role("library", "clerk", "book.lend", "book.sell")
    await campus.person("alice", "clerk")
    return campus


def path(library: Any, *parts: str) -> str:
    return "/".join([f"/access/v1/systems/{library.ids['library']}/resources", *parts])


async def test_a_resource_is_registered_changed_and_taken_off(library: Any) -> None:
    book = path(library, "book", "b/1 ä")
    made = await library.admin.call("PUT", book, json={"properties": {"shelf": "open"}})
    assert (made.status_code, made.json()["id"], made.json()["type"]) == (201, "b/1 ä", "book")
    assert made.json()["system"] == {"id": library.ids["library"], "name": "Library"}
    read = await library.admin.get(book)
    assert (read.json(), read.headers["etag"]) == (made.json(), made.json()["etag"])
    again = {"properties": {"shelf": "closed"}}
    assert (await library.admin.call("PUT", book, json=again)).status_code == 428
    assert (await library.admin.call("PUT", book, json=again, headers={"If-Match": '"9"'})).status_code == 412
    changed = await library.admin.call("PUT", book, json=again, headers={"If-Match": made.json()["etag"]})
    assert (changed.status_code, changed.json()["properties"]) == (200, {"shelf": "closed"})
    assert changed.json()["etag"] != made.json()["etag"]
    assert (await library.admin.call("DELETE", book)).status_code == 428
    gone = await library.admin.call("DELETE", book, headers={"If-Match": changed.json()["etag"]})
    assert gone.status_code == 204
    for method in ("GET", "DELETE"):
        assert (await library.admin.call(method, book, headers={"If-Match": "*"})).status_code == 404


async def test_many_are_registered_at_once_all_or_none(library: Any) -> None:
    def books(*names: str, **properties: Any) -> list[dict[str, Any]]:
        return [{"type": "book", "id": name, "properties": properties} for name in names]

    counts = await library.admin.made(path(library), resources=books("1", "2", "3"))
    assert counts == {"created": 3, "changed": 0, "unchanged": 0, "removed": 0}
    body = {"resources": [*books("1"), *books("2", "4", shelf="open")], "removed": [{"type": "book", "id": "3"}]}
    assert await library.admin.made(path(library), **body) == {
        "created": 1, "changed": 1, "unchanged": 1, "removed": 1,
    }  # fmt: skip
    assert await library.admin.made(path(library), **body) == {
        "created": 0, "changed": 0, "unchanged": 3, "removed": 0,
    }  # fmt: skip
    listed = (await library.admin.get(path(library) + "?type=book&limit=2")).json()
    assert [one["id"] for one in listed["items"]] == ["1", "2"]
    assert listed["next_cursor"]
    assert [one["id"] for one in (await library.admin.get(path(library) + "?q=4")).json()["items"]] == ["4"]
    unit = "org_01J00000000000000000000N0T"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"resources": [*books("5"), *books("6", org_unit=unit)]}, "/resources/1/properties/org_unit"),
        ({"resources": books("5", org_unit=None)}, "/resources/0/properties/org_unit"),
        ({"resources": books("5", environment=1)}, "/resources/0/properties/environment"),
        ({"resources": [*books("5"), *books("5")]}, "/resources/1"),
        ({"resources": books("5"), "removed": [{"type": "book", "id": "5"}]}, "/removed/0"),
        ({"resources": [{"type": "book"}]}, "/resources/0/id"), ({"resources": books("")}, "/resources/0/id"),
        ({"resources": books(*map(str, range(1_001)))}, "/resources"), ({"books": []}, "/books"),
    ]  # fmt: skip
    for body, pointer in wrong:
        answer = await library.admin.post(path(library), json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), body
    assert len((await library.admin.get(path(library))).json()["items"]) == 3


async def test_an_idempotency_key_registers_once(library: Any) -> None:
    body = {"resources": [{"type": "book", "id": "1"}]}
    for _ in range(2):
        answer = await library.admin.post(path(library), json=body, headers={"Idempotency-Key": "k"})
        assert answer.json()["created"] == 1


async def test_who_writes_the_catalogue_or_owns_the_system_registers(library: Any, client: Client) -> None:
    await library.person("olga")
    tag = (await library.admin.get(f"/access/v1/systems/{library.ids['library']}")).headers["etag"]
    owned = await library.admin.patch(
        f"/access/v1/systems/{library.ids['library']}", json={"owner": library.ids["olga"]}, headers={"If-Match": tag}
    )
    assert owned.status_code == 200
    body = {"resources": [{"type": "book", "id": "1"}]}
    one = path(library, "book", "1")
    scoped: dict[str, Any] = {
        rights.CATALOGUE_WRITE.name: ["org_01J00000000000000000000N0T"],
        rights.CATALOGUE_READ.name: "*",
    }
    for caller in (client.acting(OWNER), client.acting(OWNER, scoped)):
        assert (await caller.post(path(library), json=body)).status_code == 403
        assert (await caller.call("PUT", one, json={})).status_code == 403
        assert (await caller.call("DELETE", one, headers={"If-Match": "*"})).status_code == 403
    assert (await client.acting(OWNER).get(path(library))).status_code == 403
    olga = client.acting(library.ids["olga"])
    assert (await olga.post(path(library), json=body)).status_code == 200
    assert (await olga.get(one)).status_code == 200
    assert (await olga.get(path(library))).status_code == 200
    other = await library.system("finance")
    assert (await olga.post(f"/access/v1/systems/{other}/resources", json=body)).status_code == 403
    unknown = "sys_01J00000000000000000000N0T"
    assert (await library.admin.post(f"/access/v1/systems/{unknown}/resources", json=body)).status_code == 404


async def test_what_is_registered_wins_unless_the_permission_says_that_the_question_does(library: Any) -> None:
    await library.register("library", "book", open={"shelf": "open"}, closed={"shelf": "closed"}, bare={})
    for book, said, lend, sell in (
        ("open", {}, True, True), ("closed", {}, False, False), ("bare", {}, False, False),
        ("closed", {"shelf": "open"}, False, True), ("open", {"shelf": "closed"}, True, False),
        ("bare", {"shelf": "open"}, True, True), ("nowhere", {"shelf": "open"}, True, True),
        ("open", {"shelf": None}, True, False),
    ):  # fmt: skip
        assert await library.may("alice", "lend", "book", book, properties=said) is lend, (book, said)
        assert await library.may("alice", "sell", "book", book, properties=said) is sell, (book, said)


async def test_a_scope_is_held_against_where_the_system_says_that_it_is(library: Any) -> None:
    made = library.admin.made
    science, arts = [(await made("/access/v1/org-units", name=name))["id"] for name in ("Science", "Arts")]
    physics = (await made("/access/v1/org-units", name="Physics", parent=science))["id"]
    await library.permission("library", "read", "book")
    await library.permission("library", "scan", "book", request_wins=True)
    await library.role("library", "reader", "book.read", "book.scan")
    await library.person("bob")
    await library.give("bob", "reader", org_unit=science)
    await library.register("library", "book", here={"org_unit": physics}, there={"org_unit": arts}, bare={})
    for book, said, read, scan in (
        ("here", {}, True, True), ("there", {}, False, False), ("bare", {}, False, False),
        ("there", {"org_unit": physics}, False, True), ("here", {"org_unit": arts}, True, False),
        ("bare", {"org_unit": science}, True, True), ("here", {"org_unit": 5}, True, False),
    ):  # fmt: skip
        assert await library.may("bob", "read", "book", book, properties=said) is read, (book, said)
        assert await library.may("bob", "scan", "book", book, properties=said) is scan, (book, said)


async def test_a_condition_that_cannot_be_used_is_refused_at_save(library: Any) -> None:
    where = f"/access/v1/systems/{library.ids['library']}/permissions"
    good = {"name": "x", "action": "x", "resource_type": "book"}
    for condition in ("subject.email ==", 'subject.email.matches("x")', "true" + " && true" * 99, ""):
        answer = await library.admin.post(where, json=good | {"condition": condition})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/condition"), condition
    assert (await library.admin.get(where + "?q=x")).json()["items"] == []
    made = await library.admin.made(where, **good, condition="subject.email == 'a@b'")
    assert (made["condition"], made["request_wins"]) == ("subject.email == 'a@b'", False)


async def test_what_the_server_holds_of_a_subject_is_never_what_the_question_says(library: Any) -> None:
    await library.permission("library", "keep", "book", condition='subject.properties.email == "boss@example.org"')
    await library.permission("library", "open", "book", condition='subject.email == "boss@example.org"')
    await library.permission("library", "close", "book", condition="subject.properties.floor == 2")
    await library.role("library", "keeper", "book.keep", "book.open", "book.close")
    await library.person("boss", "keeper", email="boss@example.org")
    await library.person("carol", "keeper", email="carol@example.org")
    await library.person("dave", "keeper")
    claim = {"email": "boss@example.org", "floor": 2}
    for who, held in (("boss", True), ("carol", False), ("dave", False)):
        for action in ("keep", "open"):
            assert await library.may(who, action, "book", subject_properties=claim) is held, (who, action)
        assert await library.may(who, "close", "book", subject_properties=claim)


async def test_an_error_in_a_condition_denies_and_is_said(library: Any) -> None:
    found = await library.evaluate("alice", "lend", "book")
    assert (found["decision"], found["context"]["reason"]) == (False, "condition-not-met")
    assert found["context"]["error"] == "no such key: shelf"
    long = {"shelf": "x" * 10_001}
    found = await library.evaluate("alice", "lend", "book", properties=long)
    assert (found["decision"], found["context"]["error"]) == (False, "a text is longer than 10,000 characters")
