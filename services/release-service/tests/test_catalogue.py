"""Suppliers, products and releases over HTTP."""

import csv
import io
from typing import Any

import pytest

from lodge_kit.testing.client import Client
from release_service import rights

pytestmark = pytest.mark.anyio

OFFICER = "per_01J00000000000000000000FFC"
SOMEBODY = "per_01J0000000000000000000SMBD"
NOBODY = "per_01J00000000000000000000N0B"
UNIT = "org_01J0000000000000000000VN1T"


async def product(officer: Client, **facts: Any) -> dict[str, Any]:
    supplier = await officer.made("/release/v1/suppliers", name=f"Supplier of {facts.get('name', 'Records')}")
    body = {"supplier": supplier["id"], "name": "Campus Records", "owner": OFFICER} | facts
    return await officer.made("/release/v1/products", **body)


async def record(officer: Client, product_id: str, *versions: str) -> None:
    for version in versions:
        await officer.made("/release/v1/releases", product=product_id, version=version)


async def versions(officer: Client, query: str) -> list[str]:
    answer = await officer.get(f"/release/v1/releases?{query}")
    assert answer.status_code == 200, answer.text
    return [one["version"] for one in answer.json()["items"]]


async def test_a_supplier_is_added_read_and_changed(officer: Client) -> None:
    made = await officer.post("/release/v1/suppliers", json={"name": "Meridian"})
    assert (made.status_code, made.headers["etag"]) == (201, made.json()["etag"])
    path = made.headers["location"]
    assert (await officer.get(path)).json() == made.json()
    again = await officer.get(path, headers={"If-None-Match": made.json()["etag"]})
    assert again.status_code == 304
    body = {"website": "https://meridian.example"}
    changed = await officer.patch(path, json=body, headers={"If-Match": made.json()["etag"]})
    assert (changed.json()["website"], changed.json()["etag"]) == ("https://meridian.example", '"2"')
    stale = await officer.patch(path, json=body, headers={"If-Match": made.json()["etag"]})
    assert (stale.status_code, stale.json()["code"]) == (412, "etag-stale")
    same = await officer.post("/release/v1/suppliers", json={"name": "Meridian"})
    assert (same.status_code, same.json()["code"]) == (409, "conflict")
    assert [one["name"] for one in (await officer.get("/release/v1/suppliers?q=merid")).json()["items"]] == ["Meridian"]


async def test_a_product_names_those_it_refers_to(officer: Client) -> None:
    made = await product(officer)
    assert made["supplier"]["name"] == "Supplier of Records"
    assert made["owner"] == {"id": OFFICER, "name": "Olive Officer"}
    other = await product(officer, name="Campus Finance", owner=SOMEBODY)
    assert other["owner"] == {"id": SOMEBODY, "name": "Some Body"}
    for asked, names in (("owner=me", ["Campus Records"]), ("q=FINANCE", ["Campus Finance"])):
        items = (await officer.get(f"/release/v1/products?{asked}")).json()["items"]
        assert [one["name"] for one in items] == names
    by_supplier = await officer.get(f"/release/v1/products?supplier={made['supplier']['id']}&count=true")
    assert by_supplier.json()["count"] == 1


async def test_an_owner_who_is_nobody_is_refused(officer: Client) -> None:
    supplier = await officer.made("/release/v1/suppliers", name="Meridian")
    for owner, code in ((NOBODY, "unknown-person"), ("svc_01J00000000000000000000N0B", "string-pattern-mismatch")):
        body = {"supplier": supplier["id"], "name": "R", "owner": owner}
        answer = await officer.post("/release/v1/products", json=body)
        assert answer.status_code == 422
        assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [("/owner", code)]


async def test_a_pattern_that_cannot_run_is_pointed_at(officer: Client) -> None:
    made = await product(officer)
    answer = await officer.patch(
        f"/release/v1/products/{made['id']}", json={"exclude": "(?<=x)y"}, headers={"If-Match": "*"}
    )
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/exclude")
    assert "look-around" in answer.json()["detail"]


async def test_releases_are_listed_by_the_order_of_their_versions_page_by_page(officer: Client) -> None:
    made = await product(officer)
    await record(officer, made["id"], "9.10", "9.2", "9.9", "10.0", "9.2.1", "9.10-rc1")
    expected = ["9.2", "9.2.1", "9.9", "9.10-rc1", "9.10", "10.0"]
    seen: list[str] = []
    query: str | None = f"product={made['id']}&sort=version&limit=2"
    while query:
        page = (await officer.get(f"/release/v1/releases?{query}")).json()
        seen += [one["version"] for one in page["items"]]
        cursor = page["next_cursor"]
        query = f"product={made['id']}&sort=version&limit=2&cursor={cursor}" if cursor else None
    assert seen == expected
    assert await versions(officer, f"product={made['id']}") == expected[::-1]
    newest = (await officer.get(f"/release/v1/products/{made['id']}")).json()["newest"]
    assert newest["name"] == "10.0"
    table = await officer.get(f"/release/v1/releases?product={made['id']}", headers={"Accept": "text/csv"})
    assert [row["version"] for row in csv.DictReader(io.StringIO(table.text))] == expected[::-1]
    across = await officer.get("/release/v1/releases?sort=version")
    assert (across.status_code, across.json()["errors"][0]["pointer"]) == (422, "query/sort")


async def test_releases_without_a_date_come_last_and_break_no_page(officer: Client) -> None:
    made = await product(officer)
    await record(officer, made["id"], "1.0", "1.1")
    for version, day in (("1.2", "2026-01-31"), ("1.3", "2026-02-01")):
        body = {"product": made["id"], "version": version, "available_on": day}
        await officer.made("/release/v1/releases", **body)
    first = (await officer.get("/release/v1/releases?sort=-available_on&limit=3")).json()
    rest = (await officer.get(f"/release/v1/releases?sort=-available_on&limit=3&cursor={first['next_cursor']}")).json()
    assert [one["version"] for one in first["items"] + rest["items"]] == ["1.3", "1.2", "1.1", "1.0"]


async def test_two_spellings_of_a_version_are_one_release(officer: Client) -> None:
    made = await product(officer)
    await record(officer, made["id"], "1.0")
    again = await officer.post("/release/v1/releases", json={"product": made["id"], "version": "v1.0.0"})
    assert (again.status_code, again.json()["code"]) == (409, "release-known")
    wrong = await officer.post("/release/v1/releases", json={"product": made["id"], "version": "soon"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/version")


async def test_the_same_idempotency_key_makes_one_release(officer: Client) -> None:
    made = await product(officer)
    body = {"product": made["id"], "version": "1.0"}
    first = await officer.post("/release/v1/releases", json=body, headers={"Idempotency-Key": "k"})
    second = await officer.post("/release/v1/releases", json=body, headers={"Idempotency-Key": "k"})
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert await versions(officer, f"product={made['id']}") == ["1.0"]


async def test_another_scheme_orders_all_releases_anew_or_changes_nothing(officer: Client) -> None:
    made = await product(officer, scheme="rpm")
    await record(officer, made["id"], "1.0-beta", "1.0", "1.0.1")
    path = f"/release/v1/products/{made['id']}"
    assert await versions(officer, f"product={made['id']}&sort=version") == ["1.0", "1.0-beta", "1.0.1"]
    changed = await officer.patch(path, json={"scheme": "maven"}, headers={"If-Match": made["etag"]})
    assert changed.status_code == 200, changed.text
    assert await versions(officer, f"product={made['id']}&sort=version") == ["1.0-beta", "1.0", "1.0.1"]
    refused = await officer.patch(path, json={"scheme": "semver"}, headers={"If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "scheme-does-not-fit")
    assert "1.0" in refused.json()["detail"]
    assert (await officer.get(path)).json()["scheme"] == "maven"
    assert await versions(officer, f"product={made['id']}&sort=version") == ["1.0-beta", "1.0", "1.0.1"]


async def test_an_announced_release_is_published_and_a_withdrawn_one_is_the_newest_no_longer(officer: Client) -> None:
    made = await product(officer)
    await record(officer, made["id"], "1.0")
    body = {"product": made["id"], "version": "1.1", "state": "announced", "announced_on": "2026-05-01"}
    announced = await officer.made("/release/v1/releases", **body)
    product_path, path = f"/release/v1/products/{made['id']}", f"/release/v1/releases/{announced['id']}"
    assert (await officer.get(product_path)).json()["newest"]["name"] == "1.0"
    published = await officer.post(f"{path}/publish")
    assert published.json()["state"] == "available"
    assert published.json()["available_on"]
    assert (await officer.post(f"{path}/publish")).status_code == 409
    assert (await officer.get(product_path)).json()["newest"]["name"] == "1.1"
    withdrawn = await officer.post(f"{path}/withdraw", json={"reason": "Loses module marks."})
    assert (withdrawn.json()["state"], withdrawn.json()["withdrawal_reason"]) == ("withdrawn", "Loses module marks.")
    assert (await officer.get(product_path)).json()["newest"]["name"] == "1.0"
    assert await versions(officer, "state=withdrawn,announced") == ["1.1"]
    assert (await officer.post(f"{path}/withdraw", json={"reason": "Again."})).status_code == 409


async def test_a_release_is_not_available_before_it_is_announced(officer: Client) -> None:
    made = await product(officer)
    body = {"product": made["id"], "version": "1", "announced_on": "2026-05-02", "available_on": "2026-05-01"}
    answer = await officer.post("/release/v1/releases", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/available_on")


@pytest.mark.parametrize("kind", ["suppliers", "products", "releases", "sources", "sightings"])
async def test_what_is_not_there_is_404_and_what_is_unknown_is_400(officer: Client, kind: str) -> None:
    gone = await officer.get(f"/release/v1/{kind}/xxx_01J00000000000000000000N0B")
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
    unknown = await officer.get(f"/release/v1/{kind}?stat=x")
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown-parameter")
    table = await officer.get(f"/release/v1/{kind}", headers={"Accept": "text/csv"})
    assert table.text.startswith("id,etag,")


async def test_who_lacks_a_right_is_told_which(officer: Client, client: Client) -> None:
    made = await product(officer)
    nobody = client.acting(SOMEBODY)
    reader = client.acting(SOMEBODY, [rights.READ])
    source = {"product": made["id"], "url": "https://supplier.example/feed"}
    for who, method, path, body, permission in (
        (nobody, "GET", "/products", None, "release.read"),
        (reader, "POST", "/suppliers", {"name": "X"}, "release.manage"),
        (reader, "PATCH", f"/products/{made['id']}", {"name": "X"}, "release.manage"),
        (reader, "POST", "/sources", source, "release.sources"),
        (client.acting(SOMEBODY, [rights.READ, rights.MANAGE]), "POST", "/sources", source, "release.sources"),
    ):
        answer = await who.call(method, f"/release/v1{path}", json=body, headers={"If-Match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert permission in answer.json()["detail"]
    assert (await client.get("/release/v1/products")).status_code == 401


async def test_rights_in_one_org_unit_reach_its_products_only(officer: Client, client: Client) -> None:
    mine = await product(officer, name="Library", org_unit=UNIT)
    other = await product(officer, name="Finance")
    await record(officer, mine["id"], "1.0")
    await record(officer, other["id"], "2.0")
    local = client.acting(SOMEBODY, {rights.READ.name: [UNIT], rights.MANAGE.name: [UNIT]})
    assert [one["name"] for one in (await local.get("/release/v1/products")).json()["items"]] == ["Library"]
    assert await versions(local, "") == ["1.0"]
    assert (await local.get(f"/release/v1/products/{other['id']}")).status_code == 404
    hidden = await local.post("/release/v1/releases", json={"product": other["id"], "version": "3.0"})
    assert (hidden.status_code, hidden.json()["errors"][0]["code"]) == (422, "unknown-product")
    assert (await local.post("/release/v1/releases", json={"product": mine["id"], "version": "1.1"})).status_code == 201
    away = await local.patch(
        f"/release/v1/products/{mine['id']}", json={"org_unit": None}, headers={"If-Match": mine["etag"]}
    )
    assert away.status_code == 403
