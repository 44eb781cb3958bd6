"""Versions: edited as drafts, classified, validated, judged by other eyes, compared, retired."""

import asyncio
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from enquiry_service import differences, lifecycle, rights
from enquiry_service.column_classes import classified
from enquiry_service.sources import Column
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Forbidden, Invalid
from lodge_kit.testing.client import Client

STUDENT = "SELECT name, upper(name) AS loud FROM campus.student"
BOTH = {"name": "personal", "loud": "personal"}


@pytest.fixture
async def report(olive: Client, source: dict[str, Any]) -> str:
    made = await olive.made("/enquiry/v1/reports", name="Students", source=source["id"], tags=["z", "a", "z"])
    return f"/enquiry/v1/reports/{made['id']}"


async def edit(by: Client, path: str, etag: str = "*", **changes: Any) -> Any:
    return await by.patch(path, json=changes, headers={"If-Match": etag})


@pytest.mark.anyio
async def test_a_column_that_nobody_has_classified_holds_the_version_back(report: str, olive: Client) -> None:
    version = await olive.made(f"{report}/versions", sql=STUDENT, classes={"loud": "personal"})
    assert [(one["data_class"], one["classified_by"]) for one in version["result_columns"]] == [
        (None, None), ("personal", "author"),
    ]  # fmt: skip
    refused = await olive.post(f"{report}/versions/1/submit")
    assert (refused.status_code, refused.json()["code"]) == (409, "unclassified-columns")
    assert "people: name." in refused.json()["detail"]
    await edit(olive, f"{report}/versions/1", classes=BOTH)
    assert (await olive.made(f"{report}/versions/1/submit"))["state"] == "review"


@pytest.mark.anyio
async def test_a_column_of_the_source_keeps_its_class_whatever_the_author_says(
    report: str, olive: Client, peter: Client, source: dict[str, Any]
) -> None:
    kept = await edit(peter, f"/enquiry/v1/sources/{source['id']}", column_classes={"campus.student.name": "special"})
    assert kept.json()["checked_at"] is not None, "what columns tell is no other place"
    wrong = await olive.post(f"{report}/versions", json={"sql": STUDENT, "classes": BOTH | {"age": "none"}})
    assert {(one["pointer"], one["code"]) for one in wrong.json()["errors"]} == {
        ("/classes/name", "classified-by-source"), ("/classes/age", "unknown-column"),
    }  # fmt: skip
    version = await olive.made(f"{report}/versions", sql=STUDENT, classes={"loud": "personal"})
    assert version["result_columns"][0]["data_class"] == "special"
    await olive.made(f"{report}/versions/1/submit")
    for origin in ("student.name", "a.b.c.d", "a..c", "a.b.c\n"):
        answer = await edit(peter, f"/enquiry/v1/sources/{source['id']}", column_classes={origin: "none"})
        assert answer.status_code == 422, origin


@pytest.mark.anyio
async def test_what_was_approved_keeps_its_classes_when_the_source_tells_them_no_more(
    report: str, olive: Client, peter: Client, source: dict[str, Any]
) -> None:
    path = f"/enquiry/v1/sources/{source['id']}"
    await edit(peter, path, column_classes={"campus.student.name": "special"})
    await olive.made(f"{report}/versions", sql=STUDENT, classes={"loud": "personal"})
    await olive.made(f"{report}/versions/1/submit")
    await peter.made(f"{report}/versions/1/approve")
    await edit(peter, path, column_classes={})
    shown = (await olive.get(f"{report}/versions/1")).json()["result_columns"]
    assert [one["data_class"] for one in shown] == ["special", "personal"]
    await edit(peter, path, column_classes={"campus.student.name": "secret"})
    shown = (await olive.get(f"{report}/versions/1")).json()["result_columns"]
    assert shown[0]["data_class"] == "secret"


@pytest.mark.anyio
async def test_what_was_approved_before_columns_had_classes_is_not_run(
    report: str, app: FastAPI, olive: Client, peter: Client
) -> None:
    await olive.made(f"{report}/versions", sql=STUDENT, classes=BOTH)
    await olive.made(f"{report}/versions/1/submit")
    await peter.made(f"{report}/versions/1/approve")
    async with app.state.world.database.transaction() as session:
        await session.execute(text("UPDATE report_version SET classes = '{}'"))
    refused = await olive.post(f"{report}/runs", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "unclassified-columns")
    assert "Have a new version approved" in refused.json()["detail"]


@pytest.mark.anyio
async def test_a_draft_is_edited_by_those_who_saw_it_and_only_as_a_draft(
    report: str, olive: Client, peter: Client
) -> None:
    path = f"{report}/versions/1"
    version = await olive.made(f"{report}/versions", sql=STUDENT, classes=BOTH)
    assert (await edit(olive, path, '"9"', sql="SELECT 1 AS one")).status_code == 412
    assert (await olive.patch(path, json={"sql": "SELECT 1"})).status_code == 428
    for sql, code in (("DELETE FROM campus.student", "unsafe-sql"), ("SELECT shoe FROM campus.student", None)):
        refused = await edit(olive, path, sql=sql)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/sql")
        assert code in (None, refused.json()["code"])
    assert (await edit(olive, path, sql="SELECT name FROM campus.student")).status_code == 422, "loud is gone"
    assert (await olive.get(path)).json() == version, "what is refused changes nothing"
    edited = (
        await edit(peter, path, version["etag"], sql="SELECT id FROM campus.student", classes={"id": "none"})
    ).json()
    assert (edited["editors"], edited["author"]["name"]) == (["per_01J0000000000000000PETER00"], "Olive Officer")
    await olive.made(f"{path}/submit")
    late = await edit(olive, path, sql="SELECT 1 AS one")
    assert (late.status_code, "approve, send-back, retire" in late.json()["detail"]) == (409, True)


@pytest.mark.anyio
async def test_neither_author_nor_editor_nor_a_deputy_of_another_approves(
    report: str, olive: Client, peter: Client, client: Client, database_url: str
) -> None:
    path = f"{report}/versions/1"
    await olive.made(f"{report}/versions", sql=STUDENT, classes=BOTH)
    assert (await edit(peter, path, classes=BOTH)).status_code == 200
    await olive.made(f"{path}/submit")
    wanda = "per_01J000000000000000000WANDA"
    as_wanda = client.acting(wanda, [rights.APPROVE], name="Wanda", act={"sub": "per_01J0000000000000000000FF1C"})
    for one in (olive, peter, as_wanda):
        refused = await one.post(f"{path}/approve")
        assert (refused.status_code, "another" in refused.json()["detail"]) == (403, True)
    with psycopg.connect(database_url) as database, pytest.raises(psycopg.errors.CheckViolation):
        database.execute("UPDATE report_version SET approver = editors[1]")
    approved = await client.acting(wanda, [rights.APPROVE], name="Wanda").post(f"{path}/approve")
    assert approved.json()["state"] == "approved"


@pytest.mark.anyio
async def test_a_version_is_validated_against_its_source_as_it_is_today(
    report: str, olive: Client, client: Client, campus: Any, who: Any
) -> None:
    with psycopg.connect(campus.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE campus.passing AS SELECT 1 AS id, 'x' AS word")
        owner.execute(f"GRANT SELECT ON campus.passing TO {campus.role}")
        try:
            await olive.made(f"{report}/versions", sql="SELECT id, word FROM campus.passing", classes={"id": "none"})
            good = await olive.made(f"{report}/versions/1/validate")
            assert (good["valid"], good["moved"], good["unclassified"], good["tables"]) == (
                True, False, ["word"], ["campus.passing"],
            )  # fmt: skip
            owner.execute("ALTER TABLE campus.passing ALTER id TYPE text")
            moved = await olive.made(f"{report}/versions/1/validate")
            assert (moved["valid"], moved["moved"], moved["result_columns"][0]["type"]) == (True, True, "text")
            owner.execute("ALTER TABLE campus.passing DROP word")
            broken = await olive.made(f"{report}/versions/1/validate")
        finally:
            owner.execute("DROP TABLE campus.passing")
    assert (broken["valid"], broken["findings"][0]["code"]) == (False, "refused-by-source")
    assert "word" in broken["findings"][0]["detail"]
    reader = client.acting(who.ben, [rights.REPORTS_READ])
    assert (await reader.post(f"{report}/versions/1/validate")).status_code == 403


@pytest.mark.anyio
async def test_two_versions_are_compared_by_line_parameter_and_column(report: str, olive: Client) -> None:
    first = "SELECT id\nFROM campus.student\nWHERE id < :most"
    most = {"name": "most", "type": "integer"}
    await olive.made(f"{report}/versions", sql=first, parameters=[most], classes={"id": "none"})
    since = {"name": "since", "type": "date"}
    second = "SELECT id, name\nFROM campus.student\nWHERE id < :most AND enrolled > :since\n"
    await olive.made(
        f"{report}/versions", sql=second, parameters=[most | {"maximum": 9}, since], classes={"id": "none"}
    )
    found = (await olive.get(f"{report}/versions/2/diff")).json()
    assert found["sql"].splitlines() == [
        "--- version 1", "+++ version 2", "@@ -1,3 +1,3 @@", "-SELECT id", "+SELECT id, name", " FROM campus.student",
        "-WHERE id < :most", "\\ No newline at end of file", "+WHERE id < :most AND enrolled > :since",
    ]  # fmt: skip
    assert (found["parameters"]["added"], found["parameters"]["changed"]) == (
        ["since"], {"most": {"maximum": [None, 9]}},
    )  # fmt: skip
    assert found["result_columns"]["added"] == ["name"]
    back = (await olive.get(f"{report}/versions/1/diff", params={"against": 2})).json()
    assert (back["parameters"]["removed"], back["result_columns"]["removed"]) == (["since"], ["name"])
    assert (await olive.get(f"{report}/versions/1/diff")).status_code == 404, "nothing is before the first"


@pytest.mark.anyio
async def test_what_is_retired_runs_no_more(
    report: str, olive: Client, peter: Client, client: Client, who: Any
) -> None:
    path = f"{report}/versions/1"
    await olive.made(f"{report}/versions", sql=STUDENT, classes=BOTH)
    await olive.made(f"{path}/submit")
    await peter.made(f"{path}/approve")
    writer = client.acting(who.ben, [rights.REPORTS_READ, rights.REPORTS_WRITE])
    assert (await writer.post(f"{path}/retire", json={"reason": "x"})).status_code == 403
    retired = await peter.made(f"{path}/retire", reason="The table goes away.")
    assert (retired["state"], retired["reason"]) == ("retired", "The table goes away.")
    assert (await olive.post(f"{report}/runs", json={})).json()["code"] == "nothing-approved"
    again = await peter.post(f"{path}/retire", json={"reason": "x"})
    assert (again.status_code, "Write a new version." in again.json()["detail"]) == (409, True)
    await olive.made(f"{report}/versions", sql=STUDENT)
    assert (await olive.made(f"{report}/versions/2/retire", reason="A mistake."))["state"] == "retired"


@pytest.mark.anyio
async def test_reports_are_found_by_tag_and_state_and_given_to_another(
    report: str, olive: Client, client: Client, who: Any
) -> None:
    shown = (await olive.get(report)).json()
    assert (shown["tags"], shown["owner"]["id"]) == (["a", "z"], who.olive)
    for query, found in (({"tag": "a"}, 1), ({"tag": "b"}, 0), ({"state": "draft"}, 0), ({"owner": who.olive}, 1)):
        assert len((await olive.get("/enquiry/v1/reports", params=query)).json()["items"]) == found, query
    await olive.made(f"{report}/versions", sql=STUDENT)
    assert len((await olive.get("/enquiry/v1/reports", params={"state": "draft", "tag": "z"})).json()["items"]) == 1
    writer = client.acting(who.ben, [rights.REPORTS_READ, rights.REPORTS_WRITE], name="Ben")
    assert (await edit(writer, report, owner=who.ben)).status_code == 403
    assert (await edit(olive, report, owner="per_01J0000000000000000000N0NE")).status_code == 422
    given_away = await edit(olive, report, owner=who.ben)
    assert given_away.json()["owner"] == {"id": who.ben, "name": "Ben Bystander"}
    assert (await edit(writer, report, tags=["b"])).json()["tags"] == ["b"]
    assert (await edit(writer, report, tags=[" "])).status_code == 422


LINES = st.lists(st.text("ab\r\x0b\x0c\u2028 ", max_size=3), max_size=12)
TEXTS = LINES.map("\n".join)


def patched(before: str, diff: str) -> str:
    """Apply a unified diff that has the whole text for its context, as `patch` does."""
    if not diff:
        return before
    lines = diff.split("\n")[3:-1]
    kept: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line[:1] in (" ", "+"):
            kept.append(line[1:] + ("" if following.startswith("\\") else "\n"))
    return "".join(kept)


@given(TEXTS, TEXTS)
def test_a_diff_makes_the_one_text_into_the_other(before: str, after: str) -> None:
    diff = differences.unified(before, after, names=("a", "b"), context=100)
    assert patched(before, diff) == after
    assert (diff == "") == (before == after)


def test_texts_too_long_to_compare_are_refused() -> None:
    with pytest.raises(Invalid, match="2000 lines"):
        differences.unified("\n" * 2_001, "", names=("a", "b"))


NAMED = st.dictionaries(st.sampled_from("abcde"), st.integers(0, 2)).map(
    lambda found: [{"name": name, "value": value} for name, value in found.items()]
)


@given(NAMED, NAMED)
def test_a_comparison_loses_nothing_and_turns_round(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    there, back = differences.between(before, after), differences.between(after, before)
    was, now = ({one["name"]: one["value"] for one in things} for things in (before, after))
    assert set(there.added) == set(back.removed) == now.keys() - was.keys()
    assert set(there.removed) == set(back.added) == was.keys() - now.keys()
    assert there.changed.keys() == {name for name in was.keys() & now.keys() if was[name] != now[name]}
    assert all(one["value"] == list(reversed(back.changed[name]["value"])) for name, one in there.changed.items())


PEOPLE = st.sampled_from(["per_a", "per_b", "per_c"])
DEEDS = st.lists(st.tuples(st.sampled_from(sorted(lifecycle.STEPS)), PEOPLE, st.none() | PEOPLE), max_size=12)


@given(PEOPLE, DEEDS)
def test_whatever_is_done_in_whatever_order_what_is_approved_was_seen_by_other_eyes(
    author: str, deeds: list[tuple[lifecycle.Deed, str, str | None]]
) -> None:
    state: str = "draft"
    wrote = {author}
    for deed, person, deputy in deeds:
        by = Caller(id=person, name="", actor=deputy)
        try:
            following = lifecycle.after(state, deed)
            if deed == "approve":
                lifecycle.demand_other_eyes(wrote, by)
        except (Conflict, Forbidden):
            continue
        if deed == "rewrite":
            wrote |= lifecycle.hands(by)
        if following == "approved":
            assert state == "review"
            assert not {person, deputy} & wrote
        assert state not in ("approved", "retired") or following == "retired", "what is approved never changes"
        state = following


CLASSES = st.dictionaries(st.sampled_from(["a.b.c", "a.b.d"]), st.sampled_from(["none", "personal", "secret"]))
COLUMNS = st.lists(
    st.builds(Column, name=st.sampled_from(["c", "d"]), type=st.just("text"), origin=st.sampled_from(["a.b.c", None])),
    max_size=4,
)


@given(COLUMNS, st.dictionaries(st.sampled_from(["c", "d"]), st.sampled_from(["none", "special"])), CLASSES)
def test_no_author_makes_less_of_what_the_source_has_classified(
    columns: list[Column], said: dict[str, Any], known: dict[str, Any]
) -> None:
    for column, one in zip(columns, classified(columns, said=said, known=known), strict=True):
        expected = known.get(column.origin or "", said.get(column.name))
        assert one.data_class == expected
        assert (one.classified_by is None) == (expected is None)


@pytest.mark.anyio
async def test_who_runs_reports_finds_those_that_run_and_never_their_sql(
    report: str, olive: Client, peter: Client, client: Client, who: Any
) -> None:
    runner = client.acting(who.ben, [rights.RUN])
    await olive.made(f"{report}/versions", sql=STUDENT, classes=BOTH)
    assert (await runner.get(report)).status_code == 404, "nothing of it runs yet"
    assert (await runner.get("/enquiry/v1/reports")).json()["items"] == []
    await olive.made(f"{report}/versions/1/submit")
    await peter.made(f"{report}/versions/1/approve")
    found = (await runner.get("/enquiry/v1/reports")).json()["items"]
    assert found == [(await runner.get(report)).json()]
    assert (found[0]["name"], "campus" in str(found)) == ("Students", False)
    assert (await runner.get(f"{report}/parameters")).status_code == 200
    for path in ("", "/1", "/1/diff", "/1/parameters"):
        assert (await runner.get(f"{report}/versions{path}")).status_code == 403, path
    nobody = client.acting(who.ada, [rights.FILE])
    for path in (report, "/enquiry/v1/reports", "/enquiry/v1/reports/rpt_" + 26 * "0"):
        refused = await nobody.get(path)
        assert (refused.status_code, "enquiry.reports.read" in refused.json()["detail"]) == (403, True)


@pytest.mark.anyio
async def test_an_edit_and_an_ad_hoc_run_at_once_never_run_what_was_not_asked_for(
    report: str, olive: Client, peter: Client
) -> None:
    made = await olive.made("/enquiry/v1/enquiries", kind="data", title="Who?", description="Who is here?")
    for number in range(1, 5):
        await olive.made(f"{report}/versions", sql=STUDENT, classes=BOTH)
        path = f"{report}/versions/{number}"
        ran, edited = await asyncio.gather(
            peter.post(f"{path}/runs", json={"enquiry": made["id"], "purpose": "A race."}),
            edit(olive, path, sql=STUDENT + " WHERE id = 1"),
        )
        assert ran.status_code == 202, ran.text
        assert edited.status_code in (200, 409), edited.text
        late = await edit(olive, path, sql=STUDENT)
        assert late.status_code == 409, "what was run stays as it is"
