"""What every request meets first and last."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
import structlog
from fastapi.exceptions import RequestValidationError
from openapi_spec_validator import validate
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import text

from lodge_kit import edge
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def logged() -> Any:
    with structlog.testing.capture_logs() as found:
        yield found


@pytest.fixture
def requests(desk: Any, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """Answer the lines of the requests so far."""

    def told() -> list[dict[str, Any]]:
        desk.app.state.account.lines.flush()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"request"' in line]

    return told


async def test_an_unsafe_request_id_is_replaced_and_a_safe_one_kept(clerk: Client) -> None:
    for sent, kept in (("abc.DEF-1_2", True), ("a b", False), ("x" * 65, False), ("<script>", False)):
        answer = await clerk.get("/desk/v1/slips", headers={"X-Request-Id": sent})
        assert (answer.headers["x-request-id"] == sent) is kept


async def test_the_request_id_is_in_the_problem_and_in_the_header(clerk: Client) -> None:
    answer = await clerk.get("/desk/v1/slips?wrong=1")
    assert answer.status_code == 400
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.json()["instance"] == "/desk/v1/slips"


async def test_the_log_line_has_the_status_as_a_number_and_no_query(
    clerk: Client, requests: Callable[[], list[dict[str, Any]]]
) -> None:
    await clerk.get("/desk/v1/slips?token=whsec_secret")
    await clerk.get("/desk/v1/slips")
    await clerk.get("/desk/v1/nothing")
    lines = requests()
    assert [line["status"] for line in lines] == [400, 200, 404]
    assert {type(line["status"]) for line in lines} == {int}
    assert [line["caller"] for line in lines][1] == "per_01J0000000000000000000CERK"
    assert "whsec_secret" not in repr(lines)


async def test_an_unknown_parameter_is_refused_where_the_route_has_a_body_too(clerk: Client) -> None:
    answer = await clerk.post("/desk/v1/slips?dry=1", json={"text": "x"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-parameter")
    assert "dry" in answer.json()["detail"]


async def test_a_method_that_a_path_does_not_take_is_405_and_says_which_it_takes(clerk: Client) -> None:
    answer = await clerk.call("DELETE", "/desk/v1/slips")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert {"GET", "POST"} >= set(answer.headers["allow"].split(", ")) > set()
    odd = await clerk.call("BREW", "/desk/v1/slips")
    assert odd.status_code == 405


async def test_nothing_is_redirected_to_an_address_that_the_caller_chose(clerk: Client) -> None:
    answer = await clerk.get("/desk/v1/slips/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_413(clerk: Client, declared: bool) -> None:  # noqa: FBT001 - a case
    async def parts() -> Any:
        for _ in range(30):
            yield b" " * 100_000

    body: Any = b" " * 3_000_000 if declared else parts()
    answer = await clerk.post("/desk/v1/slips", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert answer.json()["code"] == "content-too-large"


async def test_wrong_values_are_pointed_at_and_malformed_json_is_400(clerk: Client) -> None:
    wrong = await clerk.post("/desk/v1/slips", json={"number": "x", "a/b": 1})
    assert {one["pointer"] for one in wrong.json()["errors"]} == {"/text", "/number", "/a~1b"}
    malformed = await clerk.post("/desk/v1/slips", content=b'{"text":', headers=JSON)
    assert (malformed.status_code, malformed.json()["code"]) == (400, "malformed-json")
    query = await clerk.get("/desk/v1/slips?limit=500")
    assert [one["pointer"] for one in query.json()["errors"]] == ["query/limit"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"pets": [{"kind": "cat", "lives": "x"}]}, "/pets/0/lives"),
        ({"pets": [{"kind": "cat"}]}, "/pets/0/lives"),
        ({"pets": [{"kind": "dog"}]}, "/pets/0"),
        ({"pets": [{"kind": "cat", "lives": 9, "tail": 1}]}, "/pets/0/tail"),
        ({"pets": {}}, "/pets"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_pointer_names_places_of_the_body_and_no_branches_of_our_models(body: Any, pointer: str) -> None:
    class Cat(BaseModel, extra="forbid"):
        kind: Literal["cat"]
        lives: int

    class Cow(BaseModel):
        kind: Literal["cow"]

    class Pets(BaseModel):
        pets: list[Annotated[Cat | Cow, Field(discriminator="kind")]]

    with pytest.raises(ValidationError) as wrong:
        Pets.model_validate(body)
    errors = [{**one, "loc": ("body", *one["loc"])} for one in wrong.value.errors()]
    problem = edge.problem_of(RequestValidationError(errors, body=body))
    assert [one.pointer for one in problem.errors] == [pointer]


async def test_a_text_that_no_database_can_hold_is_pointed_at(clerk: Client) -> None:
    for body, pointer in (
        (rb'{"text": "a\u0000b"}', "/text"),
        (rb'{"text": "x", "once": "\ud83d"}', "/once"),
        (rb'{"text": "\u0000", "more": [{"a/b": "\u0000"}]}', "/more/0/a~1b, /text"),
        (rb'{"text": "\u0000", "more": {"\u0000": 1}}', "/more, /text"),
    ):
        answer = await clerk.post("/desk/v1/slips", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), body
        assert ", ".join(one["pointer"] for one in answer.json()["errors"]) == pointer
        assert pointer in answer.json()["detail"]
    asked = await clerk.get("/desk/v1/slips?q=%00")
    assert [one["pointer"] for one in asked.json()["errors"]] == ["query/q"]
    assert (await clerk.patch("/desk/v1/slips/a%00", json={"text": "x"}, headers={"If-Match": "*"})).status_code == 404
    paired = await clerk.post("/desk/v1/slips", content=rb'{"text": "\ud83d\ude00 \\u0000"}', headers=JSON)
    assert (paired.status_code, paired.json()["text"]) == (201, "\N{GRINNING FACE} \\u0000")


async def test_a_number_that_the_database_cannot_hold_is_422(clerk: Client) -> None:
    answer = await clerk.post("/desk/v1/slips", json={"text": "x", "number": 2**70})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"", "application/json", (422, "The body is missing: send a JSON object.")),
        (b"[]", "application/json", (422, "Some values are wrong: the body itself. Each is explained under errors.")),
        (b"text=x", "application/x-www-form-urlencoded", (415, "application/json")),
        (b'{"text": "x"}', "text/plain", (415, "application/json")),
        (b'{"text": "x"}', None, (415, "application/json")),
        (b'{"text": "x"', "application/json", (400, "not JSON")),
        (b'{"text": "\xff"}', "application/json", (400, "not JSON")),
        (b'{"text": "x"}', "Application/JSON; charset=utf-8", (201, "")),
    ],
)
async def test_a_body_that_cannot_be_read_is_told_why(
    clerk: Client, content: bytes, kind: str | None, expected: tuple[int, str]
) -> None:
    answer = await clerk.post("/desk/v1/slips", content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == expected[0]
    assert expected[1] in answer.json().get("detail", "")


async def test_what_a_patch_takes_is_said_with_415(clerk: Client) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    path, seen = f"/desk/v1/slips/{made['id']}", {"If-Match": made["etag"]}
    answer = await clerk.patch(path, content=b"{}", headers=seen | {"Content-Type": "application/xml"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")
    assert answer.headers["accept"] == "application/merge-patch+json, application/json"
    merged = await clerk.patch(
        path, content=b'{"text": "y"}', headers=seen | {"Content-Type": "application/merge-patch+json"}
    )
    assert merged.status_code == 200


@pytest.mark.parametrize("content", [b"{", b'{"text": "\xff"}', b"", b" " * 3_000_000, rb'{"text": "\u0000"}'])
async def test_a_stranger_is_told_so_before_what_is_wrong_with_the_body(clerk: Client, content: bytes) -> None:
    async def parts() -> Any:
        yield content

    for headers in ({}, {"Authorization": "Bearer none"}, {"Idempotency-Key": "k"}):
        answer = await clerk.http.post("/desk/v1/slips", content=parts(), headers=JSON | headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_parameter_that_has_one_value_is_refused_twice(clerk: Client) -> None:
    for query in ("number=1&number=2", "limit=5&limit=5", "q=a&number=1&q="):
        answer = await clerk.get(f"/desk/v1/slips?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "repeated-parameter"), query
        assert query.split("=")[0] in answer.json()["detail"]
    several = await clerk.get("/desk/v1/slips?among=1&among=2")
    assert several.status_code == 200


async def test_an_error_on_our_side_says_nothing_of_itself_but_the_log_does(
    clerk: Client, logged: list[dict[str, Any]], requests: Callable[[], list[dict[str, Any]]]
) -> None:
    answer = await clerk.post("/desk/v1/slips", json={"text": "x", "fail": True})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "on our side" not in answer.json()["detail"].replace("went wrong on our side", "")
    failed = [line for line in logged if line["event"] == "request failed"]
    assert "RuntimeError" in repr(failed)
    assert requests()[0]["status"] == 500


@pytest.mark.usefixtures("clerk")
async def test_a_failed_statement_does_not_put_its_values_into_the_log(desk: Any) -> None:
    with pytest.raises(Exception, match="no_such_table") as caught:
        async with desk.world.database.transaction() as session:
            await session.execute(text("SELECT * FROM no_such_table WHERE a = :a"), {"a": "a person's secret"})
    assert "a person's secret" not in str(caught.value)


async def test_a_service_says_how_it_is_and_counts_what_it_does(clerk: Client) -> None:
    assert (await clerk.http.get("/healthz")).json() == {"status": "alive"}
    assert (await clerk.http.get("/readyz")).json() == {"status": "ready"}
    await clerk.get("/desk/v1/slips")
    counted = (await clerk.http.get("/metrics")).text
    assert 'lodge_requests_total{method="GET",route="/desk/v1/slips",status="200"} 1.0' in counted
    named = (await clerk.http.get("/internal/v1/permissions")).json()["items"]
    assert [one["name"] for one in named] == [
        "desk.read",
        "desk.write",
        "desk.subscribe",
        "desk.webhooks",
        "desk.audit.read",
    ]


async def test_the_document_is_valid_openapi_with_problems_and_webhooks(clerk: Client) -> None:
    document = (await clerk.http.get("/openapi.json")).json()
    validate(document)
    assert set(document["webhooks"]) == {"slip.filed", "desk.opened"}
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    for one in operations:
        assert one["summary"]
        assert {"401", "403", "422"} <= set(one["responses"])
        assert set(one["responses"]["422"]["content"]) == {"application/problem+json"}
