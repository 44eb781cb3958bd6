"""One OpenAPI document of all services, and the page that shows it, without a word to the world outside."""

import os
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from gateway.openapi import merged
from gateway.routing import PublicPaths, Routes
from gateway.settings import PUBLIC, Config
from gateway.testing import Lodge, World

ROUTES = Routes(Config().routes, dict.fromkeys(("access", "enquiry", "release"), "http://127.0.0.1:1"))
OWN: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "Lodge", "version": "1"}, "paths": {"/healthz": {}}}
PROBLEM = {"type": "object", "properties": {"title": {"type": "string"}}}


def operation(name: str, schema: str = "Problem") -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"operationId": name, "tags": ["x"], "responses": {"200": {"description": "So.", "content": content}}}


def document(service: str, **schemas: Any) -> dict[str, Any]:
    item = {"get": operation(f"{service}_list_things", next(iter(schemas), "Problem"))}
    return {
        "openapi": "3.1.0",
        "info": {"title": service, "version": "1"},
        "tags": [{"name": "x", "description": "Things."}],
        "paths": {
            f"/{service}/v1/things": item,
            "/internal/v1/secrets": {"get": operation("internal", "Secret")},
            "/healthz": {"get": operation("health")},
        },
        "webhooks": {f"{service}.happened": {"post": operation(f"{service}_happened")}},
        "components": {
            "schemas": {"Problem": PROBLEM, "Secret": {"type": "string"}, **schemas},
            "securitySchemes": {"internal": {"type": "http", "scheme": "bearer"}},
        },
    }


def join(**services: dict[str, Any]) -> dict[str, Any]:
    found = merged(OWN, services, routes=ROUTES, public=PublicPaths(PUBLIC))
    validate(found)
    return found


def test_paths_that_the_gateway_does_not_route_to_a_service_are_left_out_with_what_only_they_use() -> None:
    found = join(access=document("access"), enquiry=document("enquiry"))
    assert set(found["paths"]) == {"/healthz", "/access/v1/things", "/enquiry/v1/things"}
    assert found["components"]["schemas"] == {"Problem": PROBLEM}
    assert set(found["webhooks"]) == {"access.happened", "enquiry.happened"}
    assert found["tags"] == [{"name": "x", "description": "Things."}]


def test_the_gateways_way_to_sign_in_stands_in_the_place_of_the_services() -> None:
    release = document("release")
    release["paths"]["/release/v1/calendar.ics"] = {"get": operation("calendar")}
    found = join(release=release)
    assert set(found["components"]["securitySchemes"]) == {"bearer"}
    assert found["security"] == [{"bearer": []}]
    assert found["paths"]["/release/v1/calendar.ics"]["get"]["security"] == []
    assert "security" not in found["paths"]["/release/v1/things"]["get"]


def test_a_name_with_two_meanings_gets_its_service_in_front_and_so_does_what_refers_to_it() -> None:
    page = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    one = document("access", Page=page, Item={"type": "string"})
    two = document("enquiry", Page=page, Item={"type": "integer"})
    found = join(access=one, enquiry=two)
    schemas = found["components"]["schemas"]
    assert set(schemas) == {"Problem", "Page", "Item", "enquiry_Page", "enquiry_Item"}
    assert schemas["Page"]["items"] == {"$ref": "#/components/schemas/Item"}
    assert schemas["enquiry_Page"]["items"] == {"$ref": "#/components/schemas/enquiry_Item"}
    content = found["paths"]["/enquiry/v1/things"]["get"]["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/enquiry_Page"}


def test_a_discriminators_mapping_is_renamed_and_keeps_what_it_names() -> None:
    choice = {"oneOf": [], "discriminator": {"propertyName": "k", "mapping": {"a": "#/components/schemas/A"}}}
    one = document("access", Choice=choice, A={"type": "string"})
    two = document("enquiry", Choice=choice, A={"type": "integer"})
    schemas = merged(OWN, {"access": one, "enquiry": two}, routes=ROUTES, public=PublicPaths(()))["components"][
        "schemas"
    ]
    assert schemas["enquiry_Choice"]["discriminator"]["mapping"] == {"a": "#/components/schemas/enquiry_A"}


def test_operations_are_told_apart() -> None:
    one, two = document("access"), document("enquiry")
    two["paths"]["/enquiry/v1/things"]["get"]["operationId"] = "access_list_things"
    found = join(access=one, enquiry=two)
    assert found["paths"]["/enquiry/v1/things"]["get"]["operationId"] == "access_list_things_2"


def test_merging_changes_none_of_its_sources() -> None:
    one = document("access")
    join(access=one)
    assert one == document("access")


async def read(lodge: Lodge) -> dict[str, Any]:
    async with lodge.client.get(lodge.url + "/openapi.json") as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


@pytest.mark.anyio
async def test_the_document_is_of_all_services_and_its_last_good_copy_when_one_is_away(lodge: Lodge) -> None:
    lodge.access.document = document("access")
    found = await read(lodge)
    assert found["x-stale"] == ["enquiry", "release"]
    lodge.service.document = document("enquiry") | {"x": "y"}
    lodge.time.moved = 2
    found = await read(lodge)
    assert "x-stale" not in found
    assert {"/access/v1/things", "/enquiry/v1/things", "/readyz", "/.well-known/jwks.json"} <= set(found["paths"])
    validate(found)
    lodge.access.document = None
    lodge.time.moved = 40
    found = await read(lodge)
    assert found["x-stale"] == ["access"]
    assert "/access/v1/things" in found["paths"]


@pytest.mark.anyio
async def test_the_index_links_to_what_there_is(lodge: Lodge) -> None:
    async with lodge.client.get(lodge.url + "/") as answer:
        links = (await answer.json())["links"]
    assert links["docs"] == "/docs"


@pytest.mark.needs("chromium")
@pytest.mark.anyio
async def test_the_page_lists_the_operations_and_asks_nobody_outside(world: World, tmp_path: Path) -> None:
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only with a browser

    from lodge_kit.testing.needs import chromium  # noqa: PLC0415 - only with a browser

    world.access.document, world.service.document = document("access"), document("enquiry")
    asked: list[str] = []
    complaints: list[str] = []
    async with world.lodge() as lodge, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                # Not loopback's own name: the page asks less of the world there.
                "--host-resolver-rules=MAP lodge.example 127.0.0.1",
            ],
        )  # fmt: skip
        page = await browser.new_page(viewport={"width": 1100, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        origin = f"http://lodge.example:{lodge.port}"
        await page.goto(f"{origin}/docs")
        await page.get_by_text("/openapi.json").first.wait_for()
        for tag in await page.locator(".opblock-tag").all():
            if await tag.get_attribute("data-is-open") != "true":
                await tag.click()
        await page.get_by_text("/access/v1/things").wait_for()
        await page.get_by_text("/enquiry/v1/things").wait_for()
        picture = os.environ.get("LODGE_PICTURES")
        await page.screenshot(path=Path(picture or tmp_path) / "docs.png")
        await browser.close()
    assert {url for url in asked if not url.startswith((origin, "data:"))} == set()
    assert complaints == []
