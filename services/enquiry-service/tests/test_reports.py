"""Reports over HTTP: SQL that can only read, written by one and approved by another."""

from typing import Any

import pytest

from enquiry_service import rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def versions(olive: Client, source: dict[str, Any]) -> str:
    report = await olive.made("/enquiry/v1/reports", name="Students", source=source["id"])
    return f"/enquiry/v1/reports/{report['id']}/versions"


REFUSED = {
    "DELETE FROM campus.student": "line 1",
    "SELECT id\nINTO campus.stolen FROM campus.student": "line",
    "WITH gone AS (DELETE FROM campus.student RETURNING id) SELECT id FROM gone": "line 1",
    "SELECT 1; SELECT 2": "one",
    "SELECT 1; DROP TABLE campus.student": "one",
    "SELECT id,\n  pg_sleep(1) FROM campus.student": "line 2, column 3",
    "SELECT amount FROM hidden.salary": "hidden",
    "SELECT rolname FROM pg_catalog.pg_roles": "pg_catalog",
    "SELECT id FROM campus.student WHERE id = :most": "most",
    "COPY campus.student TO '/tmp/x'": "",
    "not SQL at all": "",
    "SELECT '\x00'": "control",
}


@pytest.mark.parametrize("sql", REFUSED)
async def test_what_is_more_than_reading_is_refused_with_its_place(sql: str, versions: str, olive: Client) -> None:
    refused = await olive.post(versions, json={"sql": sql})
    assert (refused.status_code, refused.json()["code"]) == (422, "unsafe-sql"), refused.text
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/sql"
    assert REFUSED[sql] in error["detail"]
    assert (await olive.get(versions)).json()["items"] == []


async def test_what_the_source_does_not_understand_is_refused_in_its_words(versions: str, olive: Client) -> None:
    for sql, word in (
        ("SELECT shoe_size FROM campus.student", "shoe_size"),
        ("SELECT id FROM campus.lecturer", "campus.lecturer"),
        ("SELECT id + name FROM campus.student", "operator"),
    ):
        refused = await olive.post(versions, json={"sql": sql})
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/sql", "refused-by-source")
        assert word in error["detail"]


async def test_a_version_tells_its_columns_and_where_they_come_from(versions: str, olive: Client) -> None:
    sql = "SELECT name, fee * :rate AS raised FROM campus.student WHERE enrolled > :since"
    parameters = [
        {"name": "rate", "type": "decimal", "default": "1.25"},
        {"name": "since", "type": "date", "label": "Enrolled after"},
    ]
    made = await olive.post(versions, json={"sql": sql, "parameters": parameters})
    assert (made.status_code, made.headers["location"]) == (201, f"{versions}/1")
    version = made.json()
    nobody_said = {"data_class": None, "classified_by": None}
    assert version["result_columns"] == [
        {"name": "name", "type": "text", "origin": "campus.student.name"} | nobody_said,
        {"name": "raised", "type": "numeric", "origin": None} | nobody_said,
    ]
    assert (version["number"], version["state"], version["author"]["name"]) == (1, "draft", "Olive Officer")
    assert [one["name"] for one in version["parameters"]] == ["rate", "since"]
    assert (await olive.get(f"{versions}/1")).json() == version


async def test_definitions_that_make_no_sense_are_pointed_at(versions: str, olive: Client) -> None:
    for parameter, pointer in (
        ({"name": "a", "type": "integer", "minimum": 9, "maximum": 1}, "/parameters/0"),
        ({"name": "a", "type": "money"}, "/parameters/0"),
        ({"name": "A B", "type": "text"}, "/parameters/0/name"),
        ({"name": "a", "type": "choice", "choices": []}, "/parameters/0/choices"),
    ):
        wrong = await olive.post(versions, json={"sql": "SELECT :a", "parameters": [parameter]})
        assert wrong.status_code == 422
        assert [one["pointer"] for one in wrong.json()["errors"]] == [pointer]
    twice = [{"name": "a", "type": "integer"}, {"name": "a", "type": "text"}]
    wrong = await olive.post(versions, json={"sql": "SELECT :a", "parameters": twice})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/parameters/1/name")


async def test_nobody_approves_what_he_or_she_has_written(versions: str, olive: Client, peter: Client) -> None:
    await olive.made(versions, sql="SELECT id FROM campus.student", classes={"id": "none"})
    assert (await peter.post(f"{versions}/1/approve")).status_code == 409, "it was not submitted"
    submitted = await olive.made(f"{versions}/1/submit")
    assert submitted["state"] == "review"
    own = await olive.post(f"{versions}/1/approve")
    assert own.status_code == 403
    assert "another" in own.json()["detail"]
    back = await peter.made(f"{versions}/1/send-back", reason="Say which term.")
    assert (back["state"], back["reason"]) == ("draft", "Say which term.")
    await olive.made(f"{versions}/1/submit")
    approved = await peter.made(f"{versions}/1/approve")
    assert (approved["state"], approved["approver"]["name"]) == ("approved", "Peter Approver")
    assert (await peter.post(f"{versions}/1/approve")).status_code == 409
    report = versions.removesuffix("/versions")
    assert (await olive.get(report)).json()["approved_version"] == 1

    await peter.made(versions, sql="SELECT name FROM campus.student", classes={"name": "personal"})
    await peter.made(f"{versions}/2/submit")
    assert (await olive.get(report)).json()["approved_version"] == 1
    await olive.made(f"{versions}/2/approve")
    states = {one["number"]: one["state"] for one in (await olive.get(versions)).json()["items"]}
    assert states == {1: "retired", 2: "approved"}
    assert (await olive.get(report)).json()["approved_version"] == 2
    first = (await olive.get(f"{versions}/1")).json()
    assert (first["reason"], first["etag"]) == ("Superseded.", '"6"')


async def test_a_report_is_renamed_by_those_who_saw_its_last_state(versions: str, olive: Client) -> None:
    path = versions.removesuffix("/versions")
    assert (await olive.patch(path, json={"name": "A"}, headers={"If-Match": '"9"'})).status_code == 412
    renamed = await olive.patch(path, json={"name": "A"}, headers={"If-Match": '"1"'})
    assert (renamed.json()["name"], renamed.headers["etag"]) == ("A", '"2"')
    assert (await olive.patch(path, json={"name": None}, headers={"If-Match": "*"})).status_code == 422
    assert (await olive.post("/enquiry/v1/reports", json={"name": "A", "source": "src_" + 26 * "0"})).json()["errors"][
        0
    ]["pointer"] == "/source"


async def test_each_step_needs_its_own_right(versions: str, client: Client, who: Any, olive: Client) -> None:
    await olive.made(versions, sql="SELECT id FROM campus.student")
    nobody = client.acting(who.ben)
    reader = client.acting(who.ben, [rights.REPORTS_READ])
    assert (await reader.get(f"{versions}/1")).status_code == 200
    for verb, body, right in (
        ("/1/submit", None, "enquiry.reports.write"),
        ("/1/approve", None, "enquiry.reports.approve"),
        ("/1/send-back", {"reason": "x"}, "enquiry.reports.approve"),
        ("", {"sql": "SELECT 1"}, "enquiry.reports.write"),
    ):
        refused = await reader.post(f"{versions}{verb}", json=body)
        assert (refused.status_code, right in refused.json()["detail"]) == (403, True), verb
    refused = await nobody.get(f"{versions}/1")
    assert (refused.status_code, "enquiry.reports.read" in refused.json()["detail"]) == (403, True)


async def test_what_is_not_there_is_not_found(olive: Client, peter: Client, versions: str) -> None:
    gone = "/enquiry/v1/reports/rpt_" + 26 * "0"
    for answer in (
        await olive.get(gone),
        await olive.get(f"{gone}/versions"),
        await olive.get(f"{versions}/7"),
        await olive.post(f"{gone}/versions", json={"sql": "SELECT 1"}),
        await olive.post(f"{versions}/7/submit"),
        await olive.post(f"{gone}/runs", json={}),
        await olive.get("/enquiry/v1/runs/run_" + 26 * "0"),
        await olive.get("/enquiry/v1/enquiries/enq_" + 26 * "0"),
        await peter.post("/enquiry/v1/sources/src_" + 26 * "0" + "/check"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), answer.url
