"""Data sources over HTTP: registered on an operator's host, proved to be read only, their secret never shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

SOURCES = "/enquiry/v1/sources"
SELECT = {"sql": "SELECT id FROM campus.student"}


@contextmanager
def may_write(campus: Any) -> Iterator[None]:
    names = {"role": sql.Identifier(campus.role)}
    with psycopg.connect(campus.owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("GRANT INSERT ON campus.course TO {role}").format(**names))
        try:
            yield
        finally:
            owner.execute(sql.SQL("REVOKE INSERT ON campus.course FROM {role}").format(**names))


async def test_a_source_is_on_one_of_the_operators_hosts(peter: Client, place: dict[str, Any]) -> None:
    for wrong in ({"host": "169.254.169.254"}, {"host": "db.example"}, {"port": 5433}, {"host": "localhost"}):
        refused = await peter.post(SOURCES, json=place | wrong)
        assert refused.status_code == 422, wrong
        assert refused.json()["errors"][0] | {"detail": ""} == {
            "pointer": "/host", "code": "host-not-allowed", "detail": "",
        }  # fmt: skip
    strange: list[dict[str, Any]] = [
        {"host": "127.0.0.1,a"}, {"host": "/run"}, {"port": 0}, {"password": "x"}, {"allowed_schemas": []},
    ]  # fmt: skip
    for one in strange:
        refused = await peter.post(SOURCES, json=place | one)
        assert refused.json()["errors"][0]["pointer"] == f"/{next(iter(one))}"
    assert (await peter.get(SOURCES)).json()["items"] == []


async def test_a_secret_that_is_not_there_is_told_by_its_name(peter: Client, place: dict[str, Any]) -> None:
    missing = await peter.post(SOURCES, json=place | {"secret_name": "absent"})
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (422, "secret-missing")
    for outside in ("../secrets/campus", "Campus", "campus\n"):
        refused = await peter.post(SOURCES, json=place | {"secret_name": outside})
        assert refused.json()["errors"][0]["pointer"] == "/secret_name"


async def test_nothing_is_written_on_a_source_that_was_not_proved(
    peter: Client, olive: Client, campus: Any, place: dict[str, Any]
) -> None:
    source = await peter.made(SOURCES, **place)
    assert (source["checked_at"], source["owner"]["name"]) == (None, "Peter Approver")
    report = await olive.made("/enquiry/v1/reports", name="Students", source=source["id"])
    versions = f"/enquiry/v1/reports/{report['id']}/versions"
    unchecked = await olive.post(versions, json=SELECT)
    assert (unchecked.status_code, unchecked.json()["code"]) == (409, "source-not-proven")
    with may_write(campus):
        checked = await peter.made(f"{SOURCES}/{source['id']}/check")
    assert "table-privileges" in {one["code"] for one in checked["check_findings"] if one["blocking"]}
    assert checked["checked_at"] is not None
    refused = await olive.post(versions, json=SELECT)
    assert (refused.status_code, refused.json()["code"]) == (409, "source-not-proven")
    assert "campus.course" in refused.json()["detail"]
    checked = await peter.made(f"{SOURCES}/{source['id']}/check")
    assert [one for one in checked["check_findings"] if one["blocking"]] == []
    assert (await olive.post(versions, json=SELECT)).status_code == 201


async def test_a_source_that_is_away_says_so_without_its_secret(
    peter: Client, olive: Client, place: dict[str, Any], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.source_secrets / "hushed").write_text("hush-hush")
    seen = []
    elsewhere: list[dict[str, Any]] = [{"port": 1}, {"database": "nowhere"}, {"username": "nobody_of_ours"}]
    for number, wrong in enumerate(elsewhere):
        wanted = place | wrong | {"name": f"Away {number}", "secret_name": "hushed"}
        source = await peter.made(SOURCES, **wanted)
        answer = await peter.post(f"{SOURCES}/{source['id']}/check")
        (finding,) = answer.json()["check_findings"]
        assert (finding["code"], finding["blocking"]) == ("unreachable", True)
        assert f"{place['host']}:" in finding["detail"]
        seen += [answer.text, (await peter.get(f"{SOURCES}/{source['id']}")).text]
    seen.append((await olive.get(SOURCES, headers={"Accept": "text/csv"})).text)
    printed = capsys.readouterr()
    assert "hush-hush" not in "".join([*seen, printed.out, printed.err])


async def test_another_place_needs_another_proof_and_another_name_does_not(
    peter: Client, source: dict[str, Any], settings: Any
) -> None:
    path = f"{SOURCES}/{source['id']}"

    async def changed(**facts: Any) -> Any:
        answer = await peter.patch(path, json=facts, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    for kept in ({"name": "Records"}, {"row_limit": 10}, {"host": source["host"]}, {"allowed_functions": ["repeat"]}):
        assert (await changed(**kept))["checked_at"] is not None, kept
    (settings.source_secrets / "other").write_text("other")
    for voided in ({"allowed_schemas": ["campus", "hidden"]}, {"secret_name": "other"}, {"port": 1}):
        await peter.made(f"{path}/check")
        found = await changed(**voided)
        assert (found["checked_at"], found["check_findings"]) == (None, []), voided
    for wrong, pointer in (({"host": "db.example"}, "/host"), ({"secret_name": "absent"}, "/secret_name")):
        refused = await peter.patch(path, json=wrong, headers={"If-Match": "*"})
        assert refused.json()["errors"][0]["pointer"] == pointer
    assert (await peter.get(path)).json()["host"] == source["host"]


async def test_a_change_must_have_seen_the_last_one(peter: Client, source: dict[str, Any]) -> None:
    path = f"{SOURCES}/{source['id']}"
    stale = await peter.patch(path, json={"name": "A"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "etag-stale")
    assert (await peter.patch(path, json={"name": "A"})).status_code == 428
    taken = await peter.post(SOURCES, json={**source_place(source)})
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")


def source_place(source: dict[str, Any]) -> dict[str, Any]:
    wanted = ("name", "host", "port", "database", "username", "secret_name", "allowed_schemas")
    return {name: source[name] for name in wanted}


async def test_only_those_who_keep_sources_change_them(olive: Client, ada: Client, source: dict[str, Any]) -> None:
    path = f"{SOURCES}/{source['id']}"
    for refused in (
        await olive.post(SOURCES, json=source_place(source)),
        await olive.post(f"{path}/check"),
        await olive.patch(path, json={"name": "A"}, headers={"If-Match": "*"}),
    ):
        assert refused.status_code == 403
        assert "enquiry.sources" in refused.json()["detail"]
    assert "enquiry.reports.read" in (await ada.get(path)).json()["detail"]
