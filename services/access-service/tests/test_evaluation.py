"""AuthZEN's Access Evaluation and Access Evaluations APIs: what is asked, answered, and refused (1.0)."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

READ = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "record", "id": "record-1"},
}
ARCHIVED = {"type": "record", "id": "record-2", "properties": {"status": "archived"}}


@pytest.fixture
async def records(campus: Any) -> Any:
    """What the working group's certification scenario has a decision point hold."""
    await campus.system("records")
    await campus.permission("records", "read", "record")
    await campus.permission(
        "records", "write", "record",
        condition='!has(resource.properties.status) || resource.properties.status != "archived"',
    )  # fmt: skip
    await campus.permission(
        "records", "write", "record", name="record.amend-archived",
        condition='resource.properties.status == "archived"',
    )  # fmt: skip
    await campus.permission("records", "delete", "record", condition="action.properties.soft")
    await campus.role("records", "editor", "record.read", "record.write", "record.delete")
    await campus.role("records", "archivist", "record.read", "record.amend-archived")
    await campus.person("alice", "editor")
    await campus.person("bob", "archivist", external_id="bob-1")
    return campus


async def test_a_decision_is_by_what_is_asked_alone(records: Any) -> None:
    assert await records.may("alice", "read", "record")
    assert await records.may("alice", "write", "record")
    assert await records.may("bob", "read", "record")
    assert not await records.may("bob", "write", "record")
    assert not await records.may("alice", "write", "record", properties={"status": "archived"})
    assert await records.may("bob", "write", "record", properties={"status": "archived"})
    assert await records.may("alice", "delete", "record", action_properties={"soft": True})
    assert not await records.may("alice", "delete", "record", action_properties={"soft": False})
    assert not await records.may("alice", "delete", "record")


async def test_what_is_not_understood_is_ignored(records: Any) -> None:
    body: dict[str, Any] = READ | {"foo": "bar", "futureField": {"nested": True}, "context": {"time": "1985"}}
    body["subject"] = {**body["subject"], "nick": 1, "properties": {"department": "Sales"}}
    answer = await records.admin.post("/access/v1/evaluation", json=body)
    assert (answer.status_code, answer.json()["decision"]) == (200, True)
    assert answer.headers["content-type"] == "application/json"


async def test_the_answer_says_why_and_a_denial_how_to_ask_for_it(records: Any, time: Any) -> None:
    permit = (await records.evaluate("alice", "read", "record"))["context"]
    assert (permit["reason"], permit["role"], permit["grant"][:4]) == ("held", records.ids["editor"], "grt_")
    assert permit["evaluation_id"].startswith("dec_")
    assert "access_request" not in permit
    properties = {"system": "records", "org_unit": "org_01J00000000000000000000N0T"}
    time.now = datetime(2099, 6, 1, 12, tzinfo=UTC)
    denial = (await records.evaluate("bob", "delete", "record", "r/1", properties=properties))["context"]
    assert (denial["reason"], denial["evaluated_at"]) == ("not-held", "2099-06-01T12:00:00Z")
    wish = denial["access_request"]
    assert wish["expires_at"] == "2099-06-01T13:00:00Z"
    url = urlsplit(wish["form_url"])
    assert (url.netloc, url.path) == ("127.0.0.1:8000", "/access/request")
    assert parse_qs(url.query) == {
        "subject": ["bob"], "action": ["delete"], "type": ["record"], "resource": ["r/1"],
        **{name: [value] for name, value in properties.items()},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "action", "kind", "reason"),
    [
        ("nobody", "read", "record", "subject-unknown"), ("alice", "eat", "record", "permission-unknown"),
        ("alice", "read", "cake", "permission-unknown"), ("bob", "delete", "record", "not-held"),
        ("alice", "delete", "record", "condition-not-met"),
    ],
)  # fmt: skip
async def test_deny_by_default_and_only_what_can_be_given_is_asked_for(
    records: Any, subject: str, action: str, kind: str, reason: str
) -> None:
    found = await records.evaluate(subject, action, kind)
    assert (found["decision"], found["context"]["reason"]) == (False, reason)
    assert ("access_request" in found["context"]) is (reason == "not-held")


async def test_a_subject_of_a_type_that_nobody_is_of_is_unknown(records: Any) -> None:
    for kind, known in (("user", True), ("person", True), ("identity", True), ("spaceship", False), ("", False)):
        assert await records.may("alice", "read", "record", subject_type=kind) is known, kind


async def test_a_system_narrows_and_one_that_is_no_text_is_none(records: Any) -> None:
    await records.system("library")
    await records.permission("library", "read", "record", name="loan.read")
    for named, held in (("records", True), (records.ids["records"], True), ("library", False), ("", False), (5, False)):
        assert await records.may("alice", "read", "record", properties={"system": named}) is held, named


async def test_a_grant_for_an_environment_permits_there_only(records: Any) -> None:
    await records.person("carol")
    await records.give("carol", "editor", environment="test")
    for said, held in ({}, False), ({"environment": "test"}, True), ({"environment": "live"}, False):
        assert await records.may("carol", "read", "record", properties=said) is held
    found = await records.evaluate("carol", "read", "record", properties={"environment": ["test"]})
    assert found["context"]["reason"] == "held-elsewhere"
    assert await records.may("alice", "read", "record", properties={"environment": "live"})


# What is refused

_WRONG: dict[str, Any] = {
    "no subject": {"subject": None}, "no action": {"action": None}, "no resource": {"resource": None},
    "no subject's type": {"subject": {"id": "alice"}}, "no subject's id": {"subject": {"type": "user"}},
    "no action's name": {"action": {}}, "no resource's type": {"resource": {"id": "1"}},
    "no resource's id": {"resource": {"type": "record"}}, "a subject that is a text": {"subject": "alice"},
    "a name that is a number": {"action": {"name": 123}},
    "an id that is a number": {"resource": {"type": "x", "id": 1}},
    "an id that is true": {"subject": {"type": "user", "id": True}},
    "properties that are a list": {"action": {"name": "read", "properties": []}},
    "properties that are null": {"action": {"name": "read", "properties": None}},
    "a context that is a text": {"context": "now"},
    "a NUL": {"subject": {"type": "user", "id": "a\0b"}},
    "half a pair": {"resource": {"type": "record", "id": "\ud800"}},
}  # fmt: skip


@pytest.mark.parametrize("wrong", _WRONG)
@pytest.mark.parametrize("path", ["evaluation", "evaluations"])
async def test_what_is_no_question_is_400(admin: Client, path: str, wrong: str) -> None:
    changed = READ | _WRONG[wrong]
    body = {name: part for name, part in changed.items() if part is not None}
    answer = await admin.post(
        f"/access/v1/{path}", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request"), answer.text


@pytest.mark.parametrize("path", ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"])
async def test_what_is_no_json_object_is_400(admin: Client, path: str) -> None:
    as_json = {"Content-Type": "application/json"}
    for content, headers in (
        (b"", as_json), (b"{", as_json), (b"[]", as_json), (b"null", as_json), (b'"x"', as_json), (b"\xff", as_json),
        (b"{}", {"Content-Type": "text/plain"}), (b"{}", {}),
    ):  # fmt: skip
        answer = await admin.post(f"/access/v1/{path}", content=content, headers=headers)
        assert answer.status_code == 400, (content, headers, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_stranger_is_told_so_before_what_is_wrong(client: Client) -> None:
    for path in ("evaluation", "evaluations", "search/subject"):
        answer = await client.http.post(f"/access/v1/{path}", json={"subject": 1})
        assert answer.status_code == 401, path


async def test_the_callers_request_id_comes_back(records: Any) -> None:
    for path, status in (("evaluation", 200), ("evaluations", 200), ("search/subject", 200), ("search/action", 200)):
        headers = {"X-Request-ID": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"}
        answer = await records.admin.post(f"/access/v1/{path}", json=READ, headers=headers)
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, headers["X-Request-ID"]), path
    refused = await records.admin.post("/access/v1/evaluation", json={}, headers={"X-Request-ID": "x-1"})
    assert (refused.status_code, refused.headers["x-request-id"]) == (400, "x-1")


# Several at once


async def evaluations(records: Any, **body: Any) -> list[dict[str, Any]]:
    answer = await records.admin.post("/access/v1/evaluations", json=body)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["evaluations"]
    found: list[dict[str, Any]] = answer.json()["evaluations"]
    return found


def decided(items: list[dict[str, Any]]) -> list[bool]:
    assert all(set(item) == {"decision"} for item in items), items
    return [item["decision"] for item in items]


async def test_a_part_of_a_question_stands_wholly_in_place_of_the_default(records: Any) -> None:
    write = READ | {"action": {"name": "write"}}
    assert decided(await evaluations(records, **write, evaluations=[{}, {"resource": ARCHIVED}])) == [True, False]
    bob = {"subject": {"type": "user", "id": "bob"}}
    found = await evaluations(records, **(write | {"resource": ARCHIVED}), evaluations=[{}, bob])
    assert decided(found) == [False, True]
    found = await evaluations(records, evaluations=[READ, write | bob])
    assert decided(found) == [True, False]
    # No merging within a part: the default's type does not come to the item's id.
    found = await evaluations(records, **READ, evaluations=[{"resource": {"id": "record-2"}}])
    assert (found[0]["decision"], found[0]["context"]["error"]["status"]) == (False, 400)


async def test_a_context_is_inherited_and_replaced(records: Any) -> None:
    await records.permission("records", "export", "record", condition="context.on_site")
    await records.role("records", "exporter", "record.export")
    await records.give("alice", "exporter")
    body: dict[str, Any] = READ | {"action": {"name": "export"}, "context": {"on_site": True}}
    found = await evaluations(records, **body, evaluations=[{}, {"context": {"on_site": False}}, {"context": {}}])
    assert decided(found) == [True, False, False]


@pytest.mark.parametrize(
    ("semantic", "actions", "expected"),
    [
        (None, "rdwr", [True, False, True, True]),
        ("execute_all", "rdwr", [True, False, True, True]),
        ("deny_on_first_deny", "rdwr", [True, False]),
        ("deny_on_first_deny", "rw", [True, True]),
        ("permit_on_first_permit", "dwr", [False, True]),
        ("permit_on_first_permit", "dd", [False, False]),
    ],
)
async def test_one_decision_may_settle_it(
    records: Any, semantic: str | None, actions: str, expected: list[bool]
) -> None:
    names = {"r": "read", "w": "write", "d": "delete"}
    items = [{"action": {"name": names[one]}} for one in actions]
    options = {"evaluations_semantic": semantic, "another_option": "value"} if semantic else {"other": 1}
    assert decided(await evaluations(records, **READ, evaluations=items, options=options)) == expected


async def test_a_question_that_is_broken_is_denied_and_the_others_are_decided(records: Any) -> None:
    items: list[Any] = [{}, {"resource": {"type": "record"}}, "no object", {"action": {"name": 1}}, None, {}]
    found = await evaluations(records, **READ, evaluations=items)
    assert [item["decision"] for item in found] == [True, False, False, False, False, True]
    for item in found[1:5]:
        assert item["context"]["error"]["status"] == 400
        assert item["context"]["error"]["message"]
    assert "resource.id" in found[1]["context"]["error"]["message"]
    without = {name: part for name, part in READ.items() if name != "resource"}
    found = await evaluations(records, **without, evaluations=[{"resource": READ["resource"]}, {}])
    assert [item["decision"] for item in found] == [True, False]
    # An error is a denial, and settles what a denial settles.
    stop = {"evaluations_semantic": "deny_on_first_deny"}
    assert len(await evaluations(records, **READ, evaluations=items, options=stop)) == 2


@pytest.mark.parametrize("more", [{}, {"evaluations": []}])
async def test_without_several_it_is_a_single_evaluation(records: Any, more: dict[str, Any]) -> None:
    answer = await records.admin.post("/access/v1/evaluations", json=READ | more)
    assert (answer.status_code, answer.json()["decision"]) == (200, True)
    assert answer.json()["context"]["reason"] == "held"
    assert (await records.admin.post("/access/v1/evaluations", json=more)).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": {"evaluations_semantic": "sometimes"}}, {"options": {"evaluations_semantic": None}},
        {"options": []}, {"evaluations": {}}, {"evaluations": "x"}, {"evaluations": None}, {"subject": "alice"},
        {"context": []}, {"context": None},
        {"resource": None}, {"evaluations": [{}] * 1_001},
    ],
)  # fmt: skip
async def test_what_is_wrong_with_the_whole_is_400(admin: Client, wrong: dict[str, Any]) -> None:
    body = READ | {"evaluations": [{}]} | wrong
    assert (await admin.post("/access/v1/evaluations", json=body)).status_code == 400


# Where the decision point is


async def test_anybody_may_read_where_the_decision_point_is_and_no_host_poisons_it(
    client: Client, settings: Any
) -> None:
    assert settings.public_url == "http://127.0.0.1:8000"
    anonymous = client.acting("anonymous")
    answer = await anonymous.get("/.well-known/authzen-configuration", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    base = "http://127.0.0.1:8000"
    assert answer.json() == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        "search_subject_endpoint": f"{base}/access/v1/search/subject",
        "search_resource_endpoint": f"{base}/access/v1/search/resource",
        "search_action_endpoint": f"{base}/access/v1/search/action",
    }
