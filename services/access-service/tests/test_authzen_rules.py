"""What the Authorization API 1.0 demands of every endpoint alike, a rule each; section numbers are the standard's."""

from typing import Any

import pytest

from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

ALICE = {"subject": {"type": "user", "id": "alice"}}
READ = {"action": {"name": "read"}}
RECORD = {"resource": {"type": "record", "id": "1"}}
ASKED: dict[str, dict[str, Any]] = {
    "evaluation": ALICE | READ | RECORD,
    "evaluations": ALICE | READ | RECORD | {"evaluations": [{}]},
    "search/subject": READ | RECORD | {"subject": {"type": "user"}},
    "search/resource": ALICE | READ | {"resource": {"type": "record"}},
    "search/action": ALICE | RECORD,
}


@pytest.fixture
async def records(campus: Any) -> Any:
    """Records of which one is registered, that alice may read."""
    await campus.system("records")
    await campus.permission("records", "read", "record")
    await campus.role("records", "reader", "record.read")
    await campus.register("records", "record", **{"1": {}})
    await campus.person("alice", "reader")
    return campus


@pytest.mark.parametrize("path", ASKED)
async def test_an_answer_is_json_and_a_charset_beside_the_type_is_no_other_type(records: Any, path: str) -> None:
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        answer = await records.admin.post(f"/access/v1/{path}", json=ASKED[path], headers={"Content-Type": kind})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), kind


@pytest.mark.parametrize("path", ASKED)
async def test_it_is_asked_by_post_alone(records: Any, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = await records.admin.call(method, f"/access/v1/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json"), method


@pytest.mark.parametrize("path", ASKED)
async def test_what_the_standard_may_add_later_is_ignored(records: Any, path: str) -> None:
    """Section 5: unknown members are no errors."""
    plain = (await records.admin.post(f"/access/v1/{path}", json=ASKED[path])).json()
    more = {name: {**part, "later": 1} if isinstance(part, dict) else part for name, part in ASKED[path].items()}
    answer = await records.admin.post(f"/access/v1/{path}", json=more | {"later": {"than": "this"}})
    assert (answer.status_code, answer.json().keys()) == (200, plain.keys())
    for said in ("decision", "results"):
        assert answer.json().get(said) == plain.get(said)


async def test_a_search_ignores_the_id_of_what_it_looks_for(records: Any) -> None:
    """Section 8: an id of the kind that is searched does not narrow the search."""
    for kind in ("subject", "resource"):
        asked = ASKED[f"search/{kind}"]
        plain = await records.search(kind, **asked)
        assert plain["results"]
        named = asked | {kind: asked[kind] | {"id": "no such id"}}
        assert (await records.search(kind, **named))["results"] == plain["results"]


async def test_what_a_search_finds_is_permitted_one_by_one(records: Any) -> None:
    """Section 8: each result, put into an evaluation, is a permit."""
    for kind in ("subject", "resource", "action"):
        asked = ASKED[f"search/{kind}"]
        for found in (await records.search(kind, **asked))["results"]:
            answer = await records.admin.post("/access/v1/evaluation", json=asked | {kind: found})
            assert answer.json()["decision"] is True, (kind, found)


async def test_an_answer_for_each_question_in_their_order(records: Any) -> None:
    """Section 7: as many decisions as questions, in the same order."""
    several = [{"action": {"name": name}} for name in ("read", "eat", "read", "eat", "eat")]
    body = ALICE | RECORD | {"evaluations": several}
    found = (await records.admin.post("/access/v1/evaluations", json=body)).json()["evaluations"]
    assert [one["decision"] for one in found] == [True, False, True, False, False]


async def test_a_denial_is_no_error(records: Any, admin: Client) -> None:
    """Section 10: errors are of the call; a decision is 200 whatever it is."""
    assert records
    for wrong in ({"type": "user", "id": "nobody"}, {"type": "spaceship", "id": "alice"}):
        answer = await admin.post("/access/v1/evaluation", json=READ | RECORD | {"subject": wrong})
        assert (answer.status_code, answer.json()["decision"]) == (200, False)
