"""Lists of enquiry-service: filtered, found by words, counted, and as tables."""

import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

ENQUIRIES = "/enquiry/v1/enquiries"


async def titles(who: Client, **asked: Any) -> list[str]:
    answer = await who.get(ENQUIRIES, params=asked)
    assert answer.status_code == 200, answer.text
    return [one["title"] for one in answer.json()["items"]]


async def test_enquiries_are_filtered_and_found(ada: Client, ben: Client, olive: Client, who: Any) -> None:
    await ada.made(ENQUIRIES, title="Students by faculty", description="Enrolled this term")
    second = await ben.made(ENQUIRIES, title="Fees 100% unpaid", kind="foi")
    await olive.made(f"{ENQUIRIES}/{second['id']}/assign", assignee="me")
    assert await titles(olive) == ["Fees 100% unpaid", "Students by faculty"]
    assert await titles(olive, sort="created_at") == ["Students by faculty", "Fees 100% unpaid"]
    for asked, found in (
        ({"q": "TERM students"}, ["Students by faculty"]),
        ({"q": "100%"}, ["Fees 100% unpaid"]),
        ({"q": "0%u"}, []),
        ({"status": "open"}, ["Fees 100% unpaid"]),
        ({"status": "new,open", "kind": "data"}, ["Students by faculty"]),
        ({"assignee": "me"}, ["Fees 100% unpaid"]),
        ({"requester": who.ada}, ["Students by faculty"]),
        ({"updated_after": "2999-01-01T00:00:00Z"}, []),
    ):
        assert await titles(olive, **asked) == found, asked
    assert await titles(ada, requester="me") == await titles(ada) == ["Students by faculty"]
    assert await titles(ada, q="fees") == []
    counted = (await olive.get(f"{ENQUIRIES}?count=true&limit=1")).json()
    assert (counted["count"], counted["count_exact"], len(counted["items"])) == (2, True, 1)


async def test_filters_that_mean_nothing_are_refused(olive: Client) -> None:
    for asked, pointer in (
        ("status=nonsense", "query/status/0"),
        ("kind=nonsense", "query/kind"),
        ("org_unit=nonsense", "query/org_unit"),
        ("sort=title", "query/sort"),
        ("updated_after=2026-01-01T00:00:00", "query/updated_after"),
    ):
        refused = await olive.get(f"{ENQUIRIES}?{asked}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    for path in (ENQUIRIES, "/enquiry/v1/runs", "/enquiry/v1/reports", "/enquiry/v1/sources"):
        unknown = await olive.get(f"{path}?statsu=new")
        assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown-parameter")


async def test_every_list_is_a_table_too(
    ada: Client, olive: Client, reporting: Any, work: Callable[[], Awaitable[None]]
) -> None:
    enquiry = await ada.made(ENQUIRIES, title="=cmd()", description='a, b\n"c"')
    report = await reporting("SELECT id FROM campus.course")
    run = await olive.made(f"/enquiry/v1/reports/{report['id']}/runs", enquiry=enquiry["id"])
    await work()

    async def table(path: str) -> list[dict[str, str]]:
        answer = await olive.get(f"/enquiry/v1/{path}", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))

    (row,) = await table("enquiries")
    assert (row["title"], row["description"], row["requester_name"]) == ("'=cmd()", 'a, b\n"c"', "Ada Asker")
    (row,) = await table("runs")
    assert (row["id"], row["status"], row["rows"], row["report_id"]) == (run["id"], "done", "200", report["id"])
    (row,) = await table("reports")
    assert (row["source_name"], row["approved_version"]) == ("Student records", "1")
    (row,) = await table("sources")
    assert row["owner_name"] == "Peter Approver"
    (row,) = await table(f"reports/{report['id']}/versions")
    assert (row["sql"], row["approver_name"]) == ("SELECT id FROM campus.course", "Peter Approver")
    assert [row["type"] for row in await table(f"enquiries/{enquiry['id']}/events")] == ["received"]
    assert await table("tasks") == []


async def test_reports_runs_and_sources_are_found(
    olive: Client, peter: Client, reporting: Any, source: dict[str, Any], who: Any
) -> None:
    report = await reporting("SELECT id FROM campus.course")
    run = await olive.made(f"/enquiry/v1/reports/{report['id']}/runs")
    for path, found in (
        (f"reports?q={report['name'][-8:]}", report["id"]),
        ("reports?owner=me", report["id"]),
        (f"reports?source={source['id']}", report["id"]),
        ("sources?q=RECORDS", source["id"]),
        (f"sources?owner={who.peter}", source["id"]),
        (f"runs?report={report['id']}&status=queued,running", run["id"]),
        ("runs?requested_by=me&count=true", run["id"]),
    ):
        answer = (await olive.get(f"/enquiry/v1/{path}")).json()
        assert [one["id"] for one in answer["items"]] == [found], path
        assert answer["items"][0]["etag"]
        assert answer.get("count", 1) == 1
    for path in (
        "reports?q=nothing",
        "reports?owner=me",
        "sources?q=nothing",
        "runs?requested_by=me",
        "runs?status=done",
    ):
        assert (await peter.get(f"/enquiry/v1/{path}")).json()["items"] == [], path
