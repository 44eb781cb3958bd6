"""Many operations in one request: each for itself, in one transaction, within limits."""

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


async def bulk(directory: Any, *operations: dict[str, Any], **more: Any) -> httpx.Response:
    body = {"schemas": [BULK], "Operations": list(operations), **more}
    answer: httpx.Response = await directory.call("POST", "/Bulk", body)
    return answer


def post(name: str, **data: Any) -> dict[str, Any]:
    return {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name, **data}}


async def test_what_is_made_is_referred_to_before_it_has_an_id(directory: Any) -> None:
    group = {"displayName": "Team", "members": [{"value": "bulkId:ann"}, {"value": "bulkId:boss"}]}
    done = await bulk(
        directory,
        {"method": "POST", "path": "/Groups", "bulkId": "team", "data": group},
        post("ann", **{ENTERPRISE: {"manager": {"value": "bulkId:boss"}}}),
        post("boss"),
    )
    assert done.status_code == 200, done.text
    assert [one["status"] for one in done.json()["Operations"]] == ["201", "201", "201"]
    (team,) = (await directory.get("/Groups"))["Resources"]
    assert len(team["members"]) == 2
    assert await directory.found(f"{ENTERPRISE}:manager pr") == ["ann"]


async def test_one_that_fails_undoes_itself_alone(directory: Any) -> None:
    ann = await directory.user("ann")
    path = f"/Users/{ann['id']}"
    title = {"op": "replace", "path": "title", "value": "Dean"}
    done = await bulk(
        directory,
        post("bob"),
        post("ANN"),
        {"method": "PATCH", "path": path, "data": {"Operations": [title]}},
        {"method": "PATCH", "path": path, "version": 'W/"1"', "data": {"Operations": [title]}},
        {"method": "DELETE", "path": "/Users/per_nobody"},
        {"method": "PUT", "path": path, "data": {"userName": "ann", "emails": [{"value": "nonsense"}]}},
        {"method": "GET", "path": path},
        {"method": "DELETE", "path": "/Me"},
        {"method": "DELETE", "path": path},
    )
    statuses = [one["status"] for one in done.json()["Operations"]]
    assert statuses == ["201", "409", "200", "412", "404", "400", "400", "400", "204"], done.text
    assert done.json()["Operations"][1]["response"]["scimType"] == "uniqueness"
    assert await directory.found("userName pr") == ["bob"]


async def test_it_stops_at_as_many_errors_as_the_caller_bears(directory: Any) -> None:
    done = await bulk(directory, post("a"), post("A"), post("b"), failOnErrors=1)
    assert [one["status"] for one in done.json()["Operations"]] == ["201", "409"]
    assert await directory.found("userName pr") == ["a"]


async def test_many_people_come_at_once_but_no_more_than_is_said(directory: Any, rows: Any) -> None:
    done = await bulk(directory, *(post(f"u{number}", title="Clerk") for number in range(100)))
    assert {one["status"] for one in done.json()["Operations"]} == {"201"}
    assert len(await rows("SELECT 1 FROM event WHERE type = 'person.created'")) == 100
    most = (await directory.get("/ServiceProviderConfig"))["bulk"]["maxOperations"]
    refused = await bulk(directory, *(post(f"v{number}") for number in range(most + 1)))
    assert refused.status_code == 413
    assert (await directory.get("/Users", count=0))["totalResults"] == 100


async def test_a_body_beyond_the_limit_is_refused_in_scims_schema(directory: Any) -> None:
    for path, body in (("/Bulk", post("a", title="x" * 10_000_001)), ("/Users", {"userName": "x" * 10_000_001})):
        refused = await directory.call("POST", path, body)
        assert (refused.status_code, refused.headers["content-type"]) == (413, "application/scim+json")
        assert refused.json()["status"] == "413"
