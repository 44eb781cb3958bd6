"""What enquiry-service says of itself, and that nothing of it answers a caller whom nobody vouches for."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from enquiry_service import events
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await client.http.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


async def test_the_document_is_valid_and_its_operations_are_told_apart(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    found = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(found) == len(set(found))
    assert all(re.fullmatch(r"enquiry_[a-z]+(_[a-z]+)+", one) for one in found), found
    assert all(operation["summary"] and operation["description"] for _, _, operation in operations(document))
    assert set(document["webhooks"]) >= {fact.type for fact in events.ALL}


async def test_nothing_answers_without_a_token_of_the_gateway(
    document: dict[str, Any], client: Client, issuer: Issuer
) -> None:
    strangers: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer lodge_abc"},
        issuer.headers("per_01J00000000000000000000ADA", audience="access"),
        issuer.headers("per_01J00000000000000000000ADA", audience="enquiry", iat=0, exp=30),
        issuer.headers("anonymous", audience="enquiry"),
    )
    for path, method, _ in operations(document):
        for headers in strangers:
            filled = re.sub(r"{number}", "1", path)
            answer = await client.http.request(method, re.sub(r"{\w+}", "x", filled), headers=headers, json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), (method, path)


async def test_every_right_is_in_the_catalogue_with_its_roles(client: Client, app: FastAPI) -> None:
    found = {one["name"]: one for one in (await client.http.get("/internal/v1/permissions")).json()["items"]}
    of_the_kit = {"enquiry.subscribe", "enquiry.webhooks", "enquiry.audit.read"}
    assert {one.name for one in app.state.service.permissions} | of_the_kit == set(found)
    assert found["enquiry.file"]["roles"] == ["member"]
    assert all(name.startswith("enquiry.") and one["description"].endswith(".") for name, one in found.items())
