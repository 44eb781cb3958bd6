"""The way of an enquiry, from its filing to the file that answers it."""

import base64
import csv
import hashlib
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest

from enquiry_service import events, rights
from lodge_kit.events import envelope
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

Work = Callable[[], Awaitable[None]]

SQL = "SELECT id, name FROM campus.student WHERE id <= :most ORDER BY id"
MOST = {"name": "most", "type": "integer", "minimum": 1}
MANY = {"most": 5000}


async def test_an_enquiry_is_answered_with_a_run_whose_file_only_those_concerned_may_fetch(
    ada: Client, ben: Client, olive: Client, reporting: Any, work: Work, database_url: str, who: Any
) -> None:
    enquiry = await ada.made("/enquiry/v1/enquiries", title="Students, a few", purpose="Planning rooms.")
    path = f"/enquiry/v1/enquiries/{enquiry['id']}"
    assert (await ben.get(path)).status_code == 404
    assigned = await olive.made(f"{path}/assign", assignee="me")
    assert (assigned["assignee"], assigned["status"]) == ({"id": who.olive, "name": "Olive Officer"}, "open")

    report = await reporting(SQL, MOST)
    asked = await olive.post(
        f"/enquiry/v1/reports/{report['id']}/runs", json={"enquiry": enquiry["id"], "parameters": {"most": 3}}
    )
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    run_path = asked.headers["location"]
    assert run_path == f"/enquiry/v1/runs/{asked.json()['id']}"
    assert (await olive.get(f"{run_path}/file")).json()["detail"].startswith("This run is queued")
    await work()
    run = (await olive.get(run_path)).json()
    assert (run["status"], run["rows"], run["reason"]) == ("done", 3, None)

    for stranger in (ada, ben):
        assert (await stranger.get(run_path)).status_code == 404
        assert (await stranger.get(f"{run_path}/file")).status_code == 404
    unanswered = await olive.made(f"/enquiry/v1/reports/{report['id']}/runs", enquiry=enquiry["id"], parameters=MANY)
    await work()
    answered = await olive.made(f"{path}/answer", body="Here they are.", runs=[run["id"]])
    assert answered["status"] == "answered"

    file = await ada.get(f"{run_path}/file")
    assert file.status_code == 200
    assert list(csv.reader(io.StringIO(file.text)))[1] == ["1", "Student 1"]
    digest = hashlib.sha256(file.content)
    assert (digest.hexdigest(), len(file.content)) == (run["sha256"], run["bytes"])
    assert file.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert file.headers["lodge-truncated"] == "?0"
    assert (await ada.get("/enquiry/v1/runs")).json()["items"] == [(await ada.get(run_path)).json()]
    assert (await ada.get(f"/enquiry/v1/runs/{unanswered['id']}/file")).status_code == 404, "it was not answered with"
    assert (await ben.get(f"{run_path}/file")).status_code == 404

    (told,) = (await ada.get("/enquiry/v1/tasks")).json()["items"]
    assert (told["title"], told["event_type"]) == ("Your enquiry was answered.", "enquiry.answered")
    assert (await olive.get("/enquiry/v1/tasks")).json()["items"] == []
    facts = _written(database_url)
    assert [fact["type"] for fact in facts if fact["data"]["subject"]["id"] == enquiry["id"]] == [
        "enquiry.received", "enquiry.assigned", "enquiry.answered",
    ]  # fmt: skip
    (finished,) = [fact["data"] for fact in facts if fact["data"]["subject"]["id"] == run["id"]]
    assert (finished["status"], finished["rows"], finished["sha256"]) == ("done", 3, run["sha256"])
    assert finished["cause"]["request_id"] == asked.headers["x-request-id"]


def _written(url: str) -> list[Any]:
    """Answer the events in their order, each checked against the model that the OpenAPI document shows."""
    models = {fact.type: envelope(fact) for fact in events.ALL}
    with psycopg.connect(url) as database:
        bodies = [body for (body,) in database.execute("SELECT body FROM event ORDER BY id").fetchall()]
    found = [json.loads(body) for body in bodies]
    for fact in found:
        models[fact["type"]].model_validate(fact)
    return found


async def test_what_the_team_says_among_itself_is_not_for_the_requester(ada: Client, olive: Client) -> None:
    enquiry = await ada.made("/enquiry/v1/enquiries", title="Students by programme")
    path = f"/enquiry/v1/enquiries/{enquiry['id']}"
    await olive.made(f"{path}/messages", body="She may not have this.", visibility="internal")
    await olive.made(f"{path}/messages", body="Which term do you mean?", visibility="public")
    await ada.made(f"{path}/messages", body="The present one.", visibility="public")
    refused = await ada.post(f"{path}/messages", json={"body": "x", "visibility": "internal"})
    assert (refused.status_code, "enquiry.answer" in refused.json()["detail"]) == (403, True)

    hers = (await ada.get(f"{path}/messages")).json()["items"]
    assert [(one["body"], one["author"]["name"]) for one in hers] == [
        ("Which term do you mean?", "Olive Officer"), ("The present one.", "Ada Asker"),
    ]  # fmt: skip
    steps = [one["type"] for one in (await ada.get(f"{path}/events")).json()["items"]]
    assert steps == ["received", "message-public", "message-public"]
    for kind in ("messages", "events"):
        whole = await olive.get(f"{path}/{kind}", headers={"Accept": "text/csv"})
        cut = await ada.get(f"{path}/{kind}", headers={"Accept": "text/csv"})
        assert "internal" in whole.text
        assert "internal" not in cut.text
    assert len((await olive.get(f"{path}/messages")).json()["items"]) == 3


async def test_an_auditor_reads_and_does_not_take_part(ada: Client, client: Client) -> None:
    enquiry = await ada.made("/enquiry/v1/enquiries", title="Students by programme")
    path = f"/enquiry/v1/enquiries/{enquiry['id']}"
    auditor = client.acting("per_01J0000000000000000000AVD1", [rights.READ, rights.REPORTS_READ])
    assert (await auditor.get(path)).status_code == 200
    for verb, body in (
        ("messages", {"body": "x", "visibility": "public"}),
        ("messages", {"body": "x", "visibility": "internal"}),
        ("assign", {"assignee": "me"}),
        ("answer", {"body": "x"}),
        ("close", {"outcome": "refused"}),
    ):
        refused = await auditor.post(f"{path}/{verb}", json=body)
        assert refused.status_code == 403, verb
        assert "enquiry.answer" in refused.json()["detail"]


async def test_an_enquiry_is_closed_and_opened_again(ada: Client, olive: Client) -> None:
    enquiry = await ada.made("/enquiry/v1/enquiries", title="Students by programme")
    path = f"/enquiry/v1/enquiries/{enquiry['id']}"
    await olive.made(f"{path}/assign", assignee="me")
    assert (await ada.post(f"{path}/close", json={"outcome": "refused"})).status_code == 403
    closed = await ada.made(f"{path}/close", outcome="withdrawn", reason="Found it myself.")
    assert (closed["status"], closed["outcome"]) == ("closed", "withdrawn")
    for verb, body in (
        ("close", {"outcome": "withdrawn"}),
        ("answer", {"body": "x"}),
        ("assign", {"assignee": None}),
        ("messages", {"body": "x", "visibility": "public"}),
    ):
        assert (await olive.post(f"{path}/{verb}", json=body)).status_code == 409, verb
    again = await ada.made(f"{path}/reopen", reason="It was another one.")
    assert (again["status"], again["outcome"]) == ("open", None)
    assert (await ada.post(f"{path}/reopen", json={"reason": "x"})).status_code == 409
    assert [one["title"] for one in (await olive.get("/enquiry/v1/tasks")).json()["items"]] == [
        "An enquiry of yours was opened again."
    ]
    await olive.made(f"{path}/close", outcome="not-held")
    assert [one["title"] for one in (await ada.get("/enquiry/v1/tasks")).json()["items"]] == [
        "Your enquiry was closed."
    ]
    assert (await olive.get("/enquiry/v1/tasks")).json()["items"] == []


async def test_an_enquiry_is_filed_for_another_by_those_who_answer(ada: Client, olive: Client, who: Any) -> None:
    made = await olive.made("/enquiry/v1/enquiries", title="By telephone", requester=who.ben, received_on="2026-03-02")
    assert made["requester"] == {"id": who.ben, "name": "Ben Bystander"}
    assert made["received_on"] == "2026-03-02"
    assert (
        await ada.post("/enquiry/v1/enquiries", json={"title": "By telephone", "requester": who.ben})
    ).status_code == 403
    unknown = await olive.post("/enquiry/v1/enquiries", json={"title": "Who?", "requester": who.ada[:-1] + "X"})
    assert unknown.json()["errors"][0] | {"detail": ""} == {
        "pointer": "/requester", "code": "unknown-person", "detail": "",
    }  # fmt: skip
    future = await ada.post("/enquiry/v1/enquiries", json={"title": "Soon", "received_on": "2999-01-01"})
    assert future.json()["errors"][0]["pointer"] == "/received_on"


async def test_an_answer_takes_finished_runs_of_the_same_enquiry_only(
    ada: Client, olive: Client, reporting: Any, work: Work
) -> None:
    report = await reporting(SQL, MOST)
    runs = f"/enquiry/v1/reports/{report['id']}/runs"
    one = await ada.made("/enquiry/v1/enquiries", title="One")
    other = await ada.made("/enquiry/v1/enquiries", title="Other")
    finished = await olive.made(runs, enquiry=one["id"], parameters=MANY)
    await work()
    waiting = await olive.made(runs, enquiry=other["id"], parameters=MANY)
    for run in (finished, waiting):
        answer = {"body": "Here.", "runs": [run["id"]]}
        refused = await olive.post(f"/enquiry/v1/enquiries/{other['id']}/answer", json=answer)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/runs")
    assert (await ada.get(f"/enquiry/v1/enquiries/{other['id']}")).json()["status"] == "new"
