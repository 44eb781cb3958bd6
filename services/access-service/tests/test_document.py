"""What access-service says of itself, and that nothing of it is open by mistake."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from openapi_spec_validator import validate

from access_service import events
from lodge_kit.identity import caller
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

OPEN = {"/healthz", "/readyz", "/metrics", "/internal/v1/permissions", "/internal/v1/callers/permissions"}
"""The last verifies a token of any audience, which the dependency does not."""


def own_paths(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what answers as another standard has it, which has tests of its own."""
    return {path: item for path, item in document["paths"].items() if not path.startswith("/scim/")}


def asks_who_calls(dependant: Dependant) -> bool:
    return dependant.call is caller or any(asks_who_calls(one) for one in dependant.dependencies)


@pytest.mark.usefixtures("client")
async def test_every_route_asks_who_calls_but_those_that_are_open(app: FastAPI) -> None:
    routes = [one for one in iter_route_contexts(app.routes) if isinstance(one.original_route, APIRoute)]
    assert len(routes) > 40
    unguarded = {one.path for one in routes if not asks_who_calls(one.original_route.dependant)}  # type: ignore[attr-defined]  # an APIRoute has it
    assert unguarded == OPEN


async def test_every_operation_without_a_credential_is_401(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    for path, operations in own_paths(document).items():
        for method in operations:
            answer = await client.http.request(method.upper(), path, json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), f"{method} {path}"


async def test_the_document_is_valid_and_says_what_can_go_wrong(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert set(document["webhooks"]) == {fact.type for fact in events.ALL}
    operations: list[dict[str, Any]] = [one for path in own_paths(document).values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    for one in operations:
        assert one["operationId"].startswith("access_")
        assert one["summary"], one["operationId"]
        assert {"400", "401", "403", "422", "503"} <= set(one["responses"]), one["operationId"]
        for status, response in one["responses"].items():
            if status >= "400":
                assert set(response["content"]) == {"application/problem+json"}, (one["operationId"], status)
    assert "sha256" not in str(document)
