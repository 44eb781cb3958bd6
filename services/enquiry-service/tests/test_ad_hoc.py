"""Runs of drafts for a named enquiry; what answered an enquiry becomes a report; whose file is whose."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from enquiry_service import rights
from enquiry_service.artifacts import destroy_expired
from lodge_kit.audit.routes import reading
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

SQL = "SELECT id, name FROM campus.student WHERE id <= :most ORDER BY id"
MOST = {"name": "most", "type": "integer"}
CLASSES = {"id": "none", "name": "personal"}
SCIENCE, ARTS = "org_01J0000000000000000000SC1E", "org_01J0000000000000000000ARTS"


@pytest.fixture
async def draft(olive: Client, source: dict[str, Any]) -> str:
    report = await olive.made("/enquiry/v1/reports", name="Try", source=source["id"])
    path = f"/enquiry/v1/reports/{report['id']}/versions"
    await olive.made(path, sql=SQL, parameters=[MOST], classes=CLASSES)
    return f"{path}/1"


@pytest.fixture
async def enquiry(olive: Client) -> str:
    made = await olive.made("/enquiry/v1/enquiries", kind="data", title="Who?", description="Who is here?")
    return str(made["id"])


def asking(enquiry: str, most: int = 3) -> dict[str, Any]:
    return {"parameters": {"most": most}, "enquiry": enquiry, "purpose": "To see whether it can be told."}


async def test_a_draft_runs_for_a_named_enquiry_with_fewer_rows_and_is_on_record(
    draft: str, enquiry: str, peter: Client, source: dict[str, Any], work: Callable[[], Awaitable[None]]
) -> None:
    path = f"/enquiry/v1/sources/{source['id']}"
    await peter.patch(path, json={"adhoc_row_limit": 2}, headers={"If-Match": "*"})
    run = await peter.made(f"{draft}/runs", **asking(enquiry))
    assert (run["ad_hoc"], run["enquiry"]["id"], run["status"]) == (True, enquiry, "queued")
    await work()
    ended = (await peter.get(f"/enquiry/v1/runs/{run['id']}")).json()
    assert (ended["status"], ended["rows"]) == ("truncated", 2)
    file = await peter.get(f"/enquiry/v1/runs/{run['id']}/file")
    assert (file.text.splitlines(), file.headers["lodge-truncated"]) == (
        ["id,name", "1,Student 1", "2,Student 2"],
        "?1",
    )
    history = (await peter.get(f"/enquiry/v1/enquiries/{enquiry}/events")).json()
    (step,) = [one for one in history["items"] if one["type"] == "ad-hoc-run"]
    assert step["facts"]["run"] == run["id"]
    edited = await peter.patch(draft, json={"sql": "SELECT 1 AS id, 'x' AS name"}, headers={"If-Match": "*"})
    assert edited.status_code in (409, 422)
    kept = await peter.patch(draft, json={"classes": CLASSES}, headers={"If-Match": "*"})
    assert (kept.status_code, "new version" in kept.json()["detail"]) == (409, True)


async def test_an_ad_hoc_run_wants_a_right_an_enquiry_a_purpose_and_an_open_source(
    draft: str, enquiry: str, olive: Client, peter: Client, client: Client, source: dict[str, Any], who: Any
) -> None:
    refused = await olive.post(f"{draft}/runs", json=asking(enquiry))
    assert (refused.status_code, "enquiry.adhoc" in refused.json()["detail"]) == (403, True)
    for left_out in ("enquiry", "purpose"):
        body = {name: value for name, value in asking(enquiry).items() if name != left_out}
        assert (await peter.post(f"{draft}/runs", json=body)).status_code == 422, left_out
    assert (await peter.post(f"{draft}/runs", json=asking(enquiry) | {"purpose": " "})).status_code == 422
    wrong = await peter.post(f"{draft}/runs", json=asking(enquiry) | {"parameters": {"most": "all"}})
    assert wrong.json()["errors"][0]["pointer"] == "/parameters/most"
    here = {one.name: [SCIENCE] for one in (rights.ADHOC, rights.RUN, rights.READ, rights.REPORTS_READ)}
    local = client.acting(who.ben, here)
    assert (await local.post(f"{draft}/runs", json=asking(enquiry))).status_code in (403, 422), "of no org unit"
    path = f"/enquiry/v1/sources/{source['id']}"
    await peter.patch(path, json={"adhoc_row_limit": 0}, headers={"If-Match": "*"})
    closed = await peter.post(f"{draft}/runs", json=asking(enquiry))
    assert (closed.status_code, "approved reports only" in closed.json()["detail"]) == (403, True)


async def test_a_draft_that_nobody_has_classified_and_a_version_that_is_approved_do_not_run_so(
    draft: str, enquiry: str, olive: Client, peter: Client
) -> None:
    other = draft.removesuffix("/1")
    await olive.made(other, sql="SELECT id FROM campus.student")
    refused = await peter.post(f"{other}/2/runs", json=asking(enquiry) | {"parameters": {}})
    assert (refused.status_code, refused.json()["code"]) == (409, "unclassified-columns")
    await olive.made(f"{draft}/submit")
    await peter.made(f"{draft}/approve")
    late = await peter.post(f"{draft}/runs", json=asking(enquiry))
    assert (late.status_code, "approved version" in late.json()["detail"]) == (409, True)


async def test_an_answered_enquiry_becomes_a_draft_that_its_first_author_does_not_approve(
    draft: str, enquiry: str, olive: Client, peter: Client, source: dict[str, Any], work: Callable[[], Awaitable[None]]
) -> None:
    run = await peter.made(f"{draft}/runs", **asking(enquiry))
    await work()
    wanted = {"name": "Who is here", "enquiry": enquiry, "run": run["id"], "tags": ["asked"]}
    early = await peter.post("/enquiry/v1/reports", json=wanted)
    assert (early.status_code, "Answer it first" in early.json()["detail"]) == (409, True)
    await olive.made(f"/enquiry/v1/enquiries/{enquiry}/answer", body="Here.", runs=[run["id"]])
    for wrong in ({"source": source["id"]}, {"run": None}, {"run": "run_" + 26 * "0"}):
        assert (await peter.post("/enquiry/v1/reports", json=wanted | wrong)).status_code == 422, wrong
    report = await peter.made("/enquiry/v1/reports", **wanted)
    assert (report["enquiry"], report["source"]["id"], report["tags"]) == (enquiry, source["id"], ["asked"])
    found = await peter.get("/enquiry/v1/reports", params={"enquiry": enquiry})
    assert [one["id"] for one in found.json()["items"]] == [report["id"]]
    steps = (await peter.get(f"/enquiry/v1/enquiries/{enquiry}/events")).json()["items"]
    assert [one["facts"]["report"] for one in steps if one["type"] == "became-report"] == [report["id"]]
    path = f"/enquiry/v1/reports/{report['id']}/versions/1"
    version = (await peter.get(path)).json()
    assert (version["sql"], version["state"], version["author"]["name"]) == (SQL, "draft", "Peter Approver")
    await peter.made(f"{path}/submit")
    assert (await olive.post(f"{path}/approve")).status_code == 403, "she wrote what it was made of"


async def test_a_file_is_known_again_by_its_bytes_also_when_ours_is_gone(
    reporting: Any, olive: Client, ada: Client, app: Any, clock: Any, work: Callable[[], Awaitable[None]]
) -> None:
    report = await reporting(SQL, MOST)
    run = await olive.made(f"/enquiry/v1/reports/{report['id']}/runs", parameters={"most": 2}, purpose="A test.")
    await work()
    file = (await olive.get(f"/enquiry/v1/runs/{run['id']}/file")).content
    verify = "/enquiry/v1/artifacts/verify"
    known = {"sha256": hashlib.sha256(file).hexdigest()}
    (told,) = (await olive.get(verify, params=known)).json()["items"]
    assert (told["run"], told["rows"], told["truncated"], told["purpose"], told["parameters"]) == (
        run["id"], 2, False, "A test.", {"most": "2"},
    )  # fmt: skip
    assert (told["requested_by"]["name"], told["destroyed_at"]) == ("Olive Officer", None)
    assert [one["origin"] for one in told["result_columns"]] == ["campus.student.id", "campus.student.name"]
    assert (await olive.get(verify, params={"sha256": hashlib.sha256(file + b" ").hexdigest()})).json()["items"] == []
    assert (await ada.get(verify, params=known)).json()["items"] == [], "who may not see the run learns nothing"
    assert (await olive.get(verify, params={"sha256": "x"})).status_code == 422
    clock.ahead = timedelta(days=31)
    assert await destroy_expired(app.state.world) == 1
    (gone,) = (await olive.get(verify, params=known)).json()["items"]
    assert gone["destroyed_at"] >= gone["destroyed_on"]


async def test_who_saw_a_classified_column_is_on_record_and_found_by_it(
    reporting: Any, olive: Client, peter: Client, client: Client, who: Any, source: dict[str, Any],
    work: Callable[[], Awaitable[None]],
) -> None:  # fmt: skip
    report = await reporting(SQL, MOST)
    kept = {"column_classes": {"campus.student.name": "special"}}
    await peter.patch(f"/enquiry/v1/sources/{source['id']}", json=kept, headers={"If-Match": "*"})
    run = await olive.made(f"/enquiry/v1/reports/{report['id']}/runs", parameters={"most": 2})
    await work()
    await olive.get(f"/enquiry/v1/runs/{run['id']}/file")
    deputy = client.acting(who.peter, rights.ALL, act={"sub": who.ben})
    await deputy.get(f"/enquiry/v1/runs/{run['id']}/file")
    looks = "/enquiry/v1/audit/subject-lookup"
    auditor = client.acting(who.ben, [reading("enquiry")])
    (found,) = (await auditor.get(looks, params={"column": "campus.student.name"})).json()["items"]
    assert (found["run"], found["requested_by"]["id"]) == (run["id"], who.olive)
    assert {one["person"] for one in found["fetched"]} == {who.olive, who.peter, who.ben}
    (plain,) = (await auditor.get(looks, params={"column": "campus.student.id"})).json()["items"]
    assert plain["fetched"] == [], "nothing of people is in it"
    for query in ({"column": "campus.student.fee"}, {"column": "campus.student.name", "source": "src_" + 26 * "0"}):
        assert (await auditor.get(looks, params=query)).json()["items"] == []
    assert (await olive.get(looks, params={"column": "campus.student.name"})).status_code == 403
