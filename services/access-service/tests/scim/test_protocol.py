"""What holds of every request: who is let in, failures in SCIM's schema, ETags, what the service says of itself."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from access_service import rights
from access_service.scim.endpoint import Endpoint
from lodge_kit.database import Database
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer
from lodge_kit.world import World

pytestmark = pytest.mark.anyio

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def is_error(answer: Any, status: int) -> bool:
    body = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == "application/scim+json"
        and (body["schemas"], body["status"]) == ([ERROR], str(status))
        and bool(body["detail"])
    )


async def test_a_failure_is_told_in_scims_schema(directory: Any, client: Client) -> None:
    nobody = await client.http.get("/scim/v2/Users")
    assert is_error(nobody, 401)
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    anonymous = client.acting("anonymous")
    assert is_error(await anonymous.get("/scim/v2/Users"), 401)
    assert (await anonymous.get("/scim/v2/ServiceProviderConfig")).status_code == 200
    reader = client.acting("per_01J0000000000000000000READ", (rights.PEOPLE_READ,))
    assert is_error(await reader.post("/scim/v2/Users", json={"userName": "a"}), 403)
    assert is_error(await client.acting("per_01J0000000000000000000N0NE").get("/scim/v2/Users"), 403)
    for path in ("/Users/per_nobody", "/Nothing", "/Users/a/b/c", "/Schemas/nothing"):
        assert is_error(await directory.call("GET", path), 404), path
    assert is_error(await directory.call("PUT", "/Users", {}), 405)
    assert is_error(await directory.client.post("/scim/v2/Users", content=b"{", headers={}), 400)
    xml = await directory.client.post("/scim/v2/Users", content=b"<a/>", headers={"Content-Type": "application/xml"})
    assert is_error(xml, 415)
    assert is_error(await directory.client.get("/scim/v2/Users?filter=%ff%fe"), 400)


async def test_a_database_that_is_away_is_503_with_a_time_to_come_back(
    world: World, app: FastAPI, issuer: Issuer
) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none", name="away")
    endpoint = Endpoint(replace(world, database=away), app.state.verifier)
    transport = httpx.ASGITransport(endpoint)
    async with httpx.AsyncClient(transport=transport, base_url="http://lodge.test") as http:
        reader = Client(http, issuer, "access").acting("per_01J0000000000000000000READ", rights.ALL)
        operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "a"}}
        for answer in (
            await reader.get("/scim/v2/Users"),
            await reader.post("/scim/v2/Bulk", json={"Operations": [operation]}),
        ):
            assert is_error(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
    await away.close()


async def test_the_rules_of_lodges_own_api_do_not_reach_here(directory: Any) -> None:
    made = await directory.user("a")
    path = f"/Users/{made['id']}"
    assert (await directory.client.get(f"/scim/v2{path}?unknown=1")).status_code == 200
    assert (await directory.patch(path, {"op": "add", "path": "title", "value": "T"})).status_code == 200
    assert (await directory.call("DELETE", path)).status_code == 204


async def test_a_condition_on_the_etag_is_held(directory: Any) -> None:
    made = await directory.user("a")
    path, first = f"/Users/{made['id']}", made["meta"]["version"]
    read = await directory.call("GET", path)
    assert read.headers["etag"] == first
    assert read.headers["content-location"] == made["meta"]["location"]
    same = await directory.call("GET", path, if_none_match=first)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first)
    title = {"op": "add", "path": "title", "value": "Dean"}
    changed = await directory.patch(path, title, if_match=first)
    second = changed.headers["etag"]
    assert (changed.status_code, second != first) == (200, True)
    for stale in (
        await directory.patch(path, title, if_match=first),
        await directory.call("PUT", path, {"userName": "b"}, if_match=f"{first}, {first}"),
        await directory.call("DELETE", path, if_match=first),
    ):
        assert is_error(stale, 412)
    assert (await directory.call("GET", path, if_none_match=first)).status_code == 200
    unchanged = await directory.patch(path, title, if_match="*")
    assert (unchanged.status_code, unchanged.headers["etag"]) == (200, second)
    assert (await directory.call("DELETE", path, if_match=second)).status_code == 204


async def test_of_two_who_saw_the_same_version_one_wins(directory: Any) -> None:
    (ann, bob) = await directory.users("ann", "bob")
    group = await directory.group("Team")
    seen = group["meta"]["version"]
    both = await asyncio.gather(
        *(
            directory.patch(
                f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": one}]}, if_match=seen
            )
            for one in (ann, bob)
        )
    )
    assert sorted(answer.status_code for answer in both) == [200, 412]
    assert len(await directory.members(group["id"])) == 1


async def test_of_two_who_saw_no_version_both_are_heard(directory: Any) -> None:
    people = await directory.users("ann", "bob", "cat")
    group = await directory.group("Team")
    both = await asyncio.gather(
        *(
            directory.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": one}]})
            for one in people
        )
    )
    assert [answer.status_code for answer in both] == [200, 200, 200]
    assert set(await directory.members(group["id"])) == set(people)


async def test_of_two_who_take_one_name_at_once_one_is_told(directory: Any) -> None:
    both = await asyncio.gather(*(directory.call("POST", "/Users", {"userName": "ann"}) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [201, 409]
    assert [one.json()["scimType"] for one in both if one.status_code == 409] == ["uniqueness"]


async def test_an_etag_tells_of_what_is_shown_from_elsewhere(directory: Any, admin: Client) -> None:
    unit = await admin.made("/access/v1/org-units", name="Admissions")
    person = await admin.made("/access/v1/people", user_name="a", name="A", org_unit=unit["id"])
    before = (await directory.call("GET", f"/Users/{person['id']}")).headers["etag"]
    path = f"/access/v1/org-units/{unit['id']}"
    await admin.patch(path, json={"name": "Enrolment"}, headers={"If-Match": unit["etag"]})
    assert (await directory.call("GET", f"/Users/{person['id']}", if_none_match=before)).status_code == 200


async def test_addresses_come_from_the_settings_and_never_from_the_host_header(directory: Any) -> None:
    answer = await directory.call(
        "POST", "/Users", {"userName": "a"}, host="evil.example", x_forwarded_host="evil.example"
    )
    assert "evil" not in answer.text + str(answer.headers)
    assert answer.headers["location"] == answer.json()["meta"]["location"]
    assert answer.headers["location"].startswith("http://127.0.0.1:8000/scim/v2/Users/per_")


async def test_everybody_is_one_of_the_users(directory: Any, client: Client) -> None:
    made = await directory.user("ann")
    own = client.acting(made["id"])
    assert (await own.get("/scim/v2/Me")).json()["userName"] == "ann"
    assert (await own.get(f"/scim/v2/Users/{made['id']}")).status_code == 403
    assert is_error(await own.call("DELETE", "/scim/v2/Me"), 403)
    assert is_error(await directory.call("GET", "/Me"), 404)
    assert is_error(await directory.call("POST", "/Me", {"userName": "b"}), 501)


async def test_what_is_published_is_what_is_kept(directory: Any) -> None:
    config = await directory.get("/ServiceProviderConfig")
    for capability in ("patch", "bulk", "filter", "sort", "etag"):
        assert config[capability]["supported"] is True, capability
    assert config["pagination"]["cursor"] is True
    assert config["authenticationSchemes"][0]["type"] == "oauthbearertoken"
    kinds = (await directory.get("/ResourceTypes"))["Resources"]
    assert {one["endpoint"] for one in kinds} == {"/Users", "/Groups"}
    schemas = {one["id"]: one for one in (await directory.get("/Schemas"))["Resources"]}
    attributes = {one["name"]: one for schema in schemas.values() for one in schema["attributes"]}
    assert "password" not in attributes
    assert attributes["userName"]["uniqueness"] == "server"
    assert (attributes["department"]["mutability"], attributes["appointments"]["mutability"]) == (
        "readOnly",
        "readOnly",
    )
    lodge = "urn:ietf:params:scim:schemas:extension:lodge:2.0:Person"
    assert (await directory.get(f"/Schemas/{lodge}"))["id"] == lodge


async def test_the_openapi_document_is_valid_and_made_from_the_schemas(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    validate(document)
    paths = {path for path in document["paths"] if path.startswith("/scim/v2")}
    assert {"/scim/v2", "/scim/v2/Users", "/scim/v2/Groups/{id}", "/scim/v2/Bulk", "/scim/v2/.search"} <= paths
    user = document["components"]["schemas"]["ScimUser"]
    assert {"userName", "emails", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"} <= user[
        "properties"
    ].keys()
    for path in paths:
        for operation in document["paths"][path].values():
            assert operation["operationId"].startswith("access_scim_")
            assert operation["summary"]
            assert set(operation["responses"]["404"]["content"]) == {"application/scim+json"}


async def test_every_operation_of_the_document_asks_who_calls(client: Client) -> None:
    document = (await client.http.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        if path.startswith("/scim/v2"):
            for method in operations:
                assert is_error(await client.http.request(method.upper(), path), 401), f"{method} {path}"


async def test_a_request_is_counted_under_the_place_where_scim_stands(directory: Any, client: Client) -> None:
    await directory.users("ann")
    numbers = (await client.http.get("/metrics")).text
    assert 'lodge_requests_total{method="POST",route="/scim/v2",status="201"} 1.0' in numbers
