"""The clocks of enquiries over HTTP: turned, explained, told of, and standing once they have ended."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import psycopg
import pytest
from fastapi import FastAPI

from enquiry_service import due_dates, rights
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

ENQUIRIES = "/enquiry/v1/enquiries"
DAYS_OFF = "/enquiry/v1/calendars/days-off"
Work = Callable[[], Awaitable[None]]
Move = Callable[[str], None]


@pytest.fixture
def move(clock: Any) -> Move:
    """Answer what makes it noon of a day."""

    def to(day: str) -> None:
        clock.ahead = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC) - datetime.now(UTC)

    to("2026-03-02")
    return to


@pytest.fixture
def keeper(client: Client) -> Client:
    return client.acting("per_01J00000000000000000KEEPER", [rights.CALENDARS], name="Kay Keeper")


async def asked(olive: Client, kind: str = "foi", **more: Any) -> str:
    """File an enquiry; answers its path."""
    return f"{ENQUIRIES}/{(await olive.made(ENQUIRIES, title='How many students?', kind=kind, **more))['id']}"


async def due_on(who: Client, path: str) -> str | None:
    shown = (await who.get(path)).json()
    explained = (await who.get(f"{path}/clock")).json()
    assert explained["due_on"] == shown["due_on"], "what is kept is what follows from the log"
    day: str | None = shown["due_on"]
    return day


def told(database_url: str, *types: str) -> list[dict[str, Any]]:
    with psycopg.connect(database_url) as database:
        found = database.execute("SELECT body FROM event WHERE type = ANY(%s) ORDER BY id", [list(types)]).fetchall()
    return [json.loads(body)["data"] for (body,) in found]


async def test_a_date_is_explained_day_by_day_to_whoever_may_see_the_enquiry(
    ada: Client, ben: Client, olive: Client, move: Move
) -> None:
    move("2026-03-04")
    made = await ada.made(ENQUIRIES, title="How many students?", kind="foi", received_on="2026-03-02")
    assert (made["due_on"], made["clock_state"]) == ("2026-03-31", "running")
    path = f"{ENQUIRIES}/{made['id']}"
    assert (await ben.get(f"{path}/clock")).status_code == 404
    explained = (await ada.get(f"{path}/clock")).json()
    assert explained["summary"].startswith("Due on Tuesday 31 March 2026: 20 working days after Monday 2 March 2026.")
    (stage,) = explained["stages"]
    assert (stage["stage"], stage["profile"], stage["state"], stage["to_count"]) == ("request", "foia", "running", 20)
    assert "FOIA 2000: section 10(1)" in stage["law"]
    days = {one["on"]: (one["counted"], one["number"], one["reason"]) for one in stage["days"]}
    assert days["2026-03-02"] == (False, None, "Received: counting begins after this day.")
    assert days["2026-03-03"] == (True, 1, "Counted.")
    assert days["2026-03-17"] == (False, None, "Saint Patrick's Day (Northern Ireland).")
    assert days["2026-03-31"] == (True, 20, "The last day.")
    assert sum(one["counted"] for one in stage["days"]) == 20
    assert await due_on(olive, path) == "2026-03-31"


@pytest.mark.usefixtures("move")
async def test_each_kind_has_its_own_clock(olive: Client) -> None:
    for kind, more, expected in (
        ("foi", {}, "2026-03-31"), ("sar", {}, "2026-04-02"), ("data", {}, "2026-03-16"),
        ("data", {"priority": "urgent"}, "2026-03-04"), ("fault", {"received_on": "2026-02-27"}, "2026-03-06"),
    ):  # fmt: skip
        assert await due_on(olive, await asked(olive, kind, **more)) == expected


async def test_a_pause_stops_the_clock_until_what_was_asked_for_has_come(
    ada: Client, olive: Client, move: Move, who: Any, database_url: str
) -> None:
    path = await asked(olive, requester=who.ada)
    move("2026-03-06")
    paused = await olive.made(f"{path}/pause", cause="clarification", reason="Which year?", on="2026-03-05")
    assert (paused["status"], paused["due_on"], paused["clock_state"]) == ("waiting", None, "paused")
    assert (await olive.post(f"{path}/pause", json={"cause": "fee", "reason": "x"})).status_code == 409
    waiting = (await ada.get(f"{path}/clock")).json()
    assert waiting["summary"].startswith("No date yet")
    move("2026-03-10")
    resumed = await olive.made(f"{path}/resume", on="2026-03-09")
    assert (resumed["status"], resumed["due_on"]) == ("open", "2026-04-09")
    (stage,) = (await ada.get(f"{path}/clock")).json()["stages"]
    assert stage["counted_from"] == "2026-03-09"
    (pause,) = stage["pauses"]
    assert (pause["first_on"], pause["last_on"], pause["reason"]) == ("2026-03-05", "2026-03-09", "Which year?")
    assert pause["paused_by"] == pause["resumed_by"] == {"id": who.olive, "name": "Olive Officer"}
    assert pause["paused_at"].startswith("2026-03-06T12")
    assert [(one["was"], one["due_on"]) for one in told(database_url, "enquiry.due_changed")] == [
        ("2026-03-31", None), (None, "2026-04-09"),
    ]  # fmt: skip
    assert (await olive.post(f"{path}/resume", json={})).status_code == 409


async def test_a_step_is_entered_for_a_day_that_the_log_allows(olive: Client, move: Move) -> None:
    path = await asked(olive)
    move("2026-03-10")
    asking = {"cause": "fee", "reason": "Beyond the limit."}
    for day in ("2026-03-01", "2026-03-11", "1026-03-09"):
        refused = await olive.post(f"{path}/pause", json=asking | {"on": day})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/on"), day
    await olive.made(f"{path}/pause", **asking, on="2026-03-05")
    early = await olive.post(f"{path}/resume", json={"on": "2026-03-04"})
    assert early.json()["errors"][0]["pointer"] == "/on"
    assert (await olive.get(path)).json()["due_on"] is None
    await olive.made(f"{path}/resume", on="2026-03-09")
    assert await due_on(olive, path) == "2026-04-07"


async def test_what_a_law_does_not_know_or_comes_too_late_is_refused(olive: Client, move: Move) -> None:
    path = await asked(olive)
    for verb, body, code in (
        ("pause", {"cause": "identity", "reason": "x"}, "clock-has-none"),
        ("review", {"reason": "x"}, "conflict"),
        ("retract", {"reason": "x"}, "conflict"),
    ):
        refused = await olive.post(f"{path}/{verb}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, code), verb
    too_long = await olive.post(f"{path}/extend", json={"reason": "x", "more": 21})
    assert too_long.json()["errors"][0]["pointer"] == "/more"
    move("2026-04-01")
    for verb, body in (("pause", {"cause": "fee", "reason": "x"}), ("extend", {"reason": "x"})):
        late = await olive.post(f"{path}/{verb}", json=body)
        assert (late.status_code, late.json()["code"], "2026-03-31" in late.json()["detail"]) == (409, "too-late", True)
    extended = await olive.made(f"{path}/extend", reason="Public interest.", on="2026-03-30")
    assert extended["due_on"] == "2026-04-30"
    assert (await olive.post(f"{path}/extend", json={"reason": "x"})).status_code == 409
    answered = await olive.made(f"{path}/answer", body="Seven.")
    assert answered["clock_state"] == "ended"
    assert (await olive.post(f"{path}/pause", json={"cause": "fee", "reason": "x"})).status_code == 409


@pytest.mark.usefixtures("move")
async def test_a_step_that_was_a_mistake_is_taken_back_and_stays_in_the_log(olive: Client) -> None:
    path = await asked(olive)
    await olive.made(f"{path}/pause", cause="clarification", reason="Which year?")
    taken_back = await olive.made(f"{path}/retract", reason="The wrong enquiry.")
    assert (taken_back["status"], taken_back["due_on"]) == ("open", "2026-03-31")
    await olive.made(f"{path}/extend", reason="Public interest.")
    await olive.made(f"{path}/retract", reason="It was not told.")
    assert await due_on(olive, path) == "2026-03-31"
    steps = [one["type"] for one in (await olive.get(f"{path}/events")).json()["items"]]
    assert steps == [
        "received", "clock-paused", "clock-retracted", "clock-extended", "clock-retracted",
    ]  # fmt: skip
    assert (await olive.post(f"{path}/retract", json={"reason": "x"})).status_code == 409


async def test_the_day_of_receipt_and_the_priority_are_put_right(olive: Client, move: Move) -> None:
    path = await asked(olive, "data")
    for change, expected in (({"received_on": "2026-02-27"}, "2026-03-13"), ({"priority": "high"}, "2026-03-06")):
        changed = await olive.patch(path, json=change, headers={"If-Match": "*"})
        assert changed.json()["due_on"] == expected
    await olive.made(f"{path}/pause", cause="clarification", reason="x")
    move("2026-03-05")
    after = await olive.patch(path, json={"received_on": "2026-03-04"}, headers={"If-Match": "*"})
    assert (after.status_code, after.json()["errors"][0]["code"]) == (422, "after-a-step")


async def test_a_review_of_an_answer_has_a_clock_of_its_own(olive: Client, move: Move, database_url: str) -> None:
    path = await asked(olive)
    move("2026-03-20")
    await olive.made(f"{path}/answer", body="Seven.")
    move("2026-04-02")
    reviewed = await olive.made(f"{path}/review", reason="She says that it were eight.", on="2026-04-01")
    assert (reviewed["status"], reviewed["due_on"]) == ("open", "2026-05-01")
    explained = (await olive.get(f"{path}/clock")).json()
    request, review = explained["stages"]
    assert (request["state"], request["due_on"], request["ended_on"], request["in_time"]) == (
        "ended", "2026-03-31", "2026-03-20", True,
    )  # fmt: skip
    assert (review["stage"], review["received_on"], review["due_on"]) == ("review", "2026-04-01", "2026-05-01")
    assert told(database_url, "enquiry.review_started")[0]["due_on"] == "2026-05-01"
    await olive.made(f"{path}/answer", body="Eight indeed.")
    assert (await olive.post(f"{path}/review", json={"reason": "x"})).json()["code"] == "clock-has-none"
    target = await asked(olive, "data")
    await olive.made(f"{target}/answer", body="Here.")
    assert (await olive.post(f"{target}/review", json={"reason": "x"})).json()["code"] == "clock-has-none"


@pytest.mark.usefixtures("move")
async def test_a_new_holiday_moves_open_enquiries_and_leaves_alone_what_has_ended(
    olive: Client, keeper: Client, work: Work, database_url: str
) -> None:
    running, answered, target = await asked(olive), await asked(olive), await asked(olive, "data")
    await olive.made(f"{answered}/answer", body="Seven.")
    before = (await olive.get(f"{answered}/clock")).json()
    holiday = await keeper.made(
        DAYS_OFF, kind="bank-holiday", name="Jubilee", first_on="2026-03-10", nations=["scotland"]
    )
    closure = await keeper.made(DAYS_OFF, kind="closure", name="Closed", first_on="2026-03-12", last_on="2026-03-13")
    await work()
    assert [await due_on(olive, one) for one in (running, target)] == ["2026-04-01", "2026-03-18"]
    assert (await olive.get(f"{answered}/clock")).json() == before
    assert (await olive.get(answered)).json()["due_on"] == "2026-03-31"
    assert {one["due_on"] for one in told(database_url, "enquiry.due_changed")} == {"2026-04-01", "2026-03-18"}
    for added in (holiday, closure):
        gone = await keeper.call("DELETE", f"{DAYS_OFF}/{added['id']}", headers={"If-Match": added["etag"]})
        assert gone.status_code == 204
    await work()
    assert [await due_on(olive, one) for one in (running, target)] == ["2026-03-31", "2026-03-16"]
    reopened = await olive.made(f"{answered}/reopen", reason="Not that.")
    assert (reopened["due_on"], reopened["clock_state"]) == ("2026-03-31", "running")


async def test_enquiries_are_sorted_and_narrowed_by_their_dates(olive: Client, move: Move) -> None:
    paths = [await asked(olive, kind) for kind in ("foi", "fault", "data")]
    await olive.made(f"{paths[0]}/pause", cause="fee", reason="x")
    answered = await asked(olive, "fault", priority="urgent")
    await olive.made(f"{answered}/answer", body="Done.")
    move("2026-03-12")

    async def found(**query: Any) -> list[str]:
        answer = (await olive.get(ENQUIRIES, params={"sort": "due_on"} | query)).json()
        assert "items" in answer, answer
        return [f"{ENQUIRIES}/{one['id']}" for one in answer["items"]]

    assert await found() == [answered, paths[1], paths[2], paths[0]]
    assert await found(sort="-due_on") == [paths[0], paths[2], paths[1], answered]
    assert await found(overdue="true") == [paths[1]]
    assert await found(overdue="false") == [answered, paths[2], paths[0]]
    assert await found(due_before="2026-03-10") == [answered, paths[1]]
    first = (await olive.get(ENQUIRIES, params={"sort": "due_on", "limit": 1})).json()
    later = (await olive.get(ENQUIRIES, params={"sort": "due_on", "cursor": first["next_cursor"]})).json()
    assert len(later["items"]) == 3


async def test_what_is_due_soon_and_what_is_overdue_is_told_once_for_each_date(
    olive: Client, app: FastAPI, move: Move, database_url: str, who: Any
) -> None:
    path = await asked(olive)
    other = await asked(olive, "data")
    await olive.made(f"{other}/close", outcome="refused")
    await olive.made(f"{path}/assign", assignee=who.ada)
    etag = (await olive.get(path)).json()["etag"]
    world = app.state.world
    for day, soon, late in (
        ("2026-03-27", 0, 0), ("2026-03-28", 1, 0), ("2026-03-31", 1, 0), ("2026-04-01", 1, 1), ("2026-04-09", 1, 1),
    ):  # fmt: skip
        move(day)
        await due_dates.warn(world)
        await due_dates.refresh(world)
        counts = [len(told(database_url, f"enquiry.{what}")) for what in ("due_soon", "overdue")]
        assert counts == [soon, late], day
    assert (await olive.get(path)).json()["etag"] == etag
    (overdue,) = told(database_url, "enquiry.overdue")
    assert (overdue["due_on"], overdue["assignee"], overdue["actor"]["id"]) == ("2026-03-31", who.ada, "worker")
    await olive.made(f"{path}/extend", reason="Public interest.", on="2026-03-30")
    move("2026-05-01")
    assert await due_dates.warn(world) == 1
    assert len(told(database_url, "enquiry.overdue")) == 2


async def test_those_told_have_it_on_their_list_until_the_enquiry_is_answered(
    ada: Client, olive: Client, app: FastAPI, move: Move, who: Any
) -> None:
    path = await asked(olive)
    await olive.made(f"{path}/assign", assignee=who.ada)
    move("2026-04-01")
    await due_dates.warn(app.state.world)
    titles = [one["title"] for one in (await ada.get("/enquiry/v1/tasks")).json()["items"]]
    assert titles == ["An enquiry of yours is overdue.", "An enquiry was assigned to you."]
    await olive.made(f"{path}/answer", body="Seven.")
    assert (await ada.get("/enquiry/v1/tasks")).json()["items"] == []


@pytest.mark.usefixtures("move")
async def test_enquiries_from_before_there_were_clocks_are_given_their_dates(
    olive: Client, app: FastAPI, database_url: str
) -> None:
    paths = [await asked(olive), await asked(olive)]
    await olive.made(f"{paths[1]}/answer", body="Seven.")
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute("UPDATE enquiry SET due_on = NULL, clock_state = NULL")
        database.execute("UPDATE enquiry_event SET facts = facts - 'clock'")
    await due_dates.refresh(app.state.world)
    for path, state in zip(paths, ("running", "ended"), strict=True):
        shown = (await olive.get(path)).json()
        assert (shown["due_on"], shown["clock_state"]) == ("2026-03-31", state)
    assert told(database_url, "enquiry.due_changed") == []


async def test_calendars_say_which_days_do_not_count(ada: Client, keeper: Client, olive: Client) -> None:
    calendars = {one["name"]: one for one in (await ada.get("/enquiry/v1/calendars")).json()["items"]}
    assert calendars["foisa"]["nations"] == ["scotland"]
    assert calendars["internal"]["closures"] is True
    asked_for = {"from": "2026-03-01", "until": "2026-04-30"}
    days = (await ada.get("/enquiry/v1/calendars/foia", params=asked_for)).json()["items"]
    assert [one["on"] for one in days] == ["2026-03-17", "2026-04-03", "2026-04-06"]
    too_many = await ada.get("/enquiry/v1/calendars/foia", params={"from": "2026-03-01", "until": "2036-04-30"})
    assert too_many.json()["errors"][0]["pointer"] == "query/until"
    closed = {"kind": "closure", "name": "Closed", "first_on": "2026-12-24"}
    assert (await olive.post(DAYS_OFF, json=closed)).status_code == 403
    for wrong in (
        closed | {"nations": ["wales"]}, closed | {"kind": "bank-holiday"}, closed | {"last_on": "2026-12-23"},
        closed | {"last_on": "2027-12-25"}, closed | {"first_on": "0026-12-24"}, closed | {"nations": ["france"]},
    ):  # fmt: skip
        assert (await keeper.post(DAYS_OFF, json=wrong)).status_code == 422, wrong
    made = await keeper.made(DAYS_OFF, **closed)
    assert (made["last_on"], made["entered_by"]["name"]) == ("2026-12-24", "Kay Keeper")
    assert [one["id"] for one in (await ada.get(DAYS_OFF)).json()["items"]] == [made["id"]]
    internal = (
        await ada.get("/enquiry/v1/calendars/internal", params={"from": "2026-12-24", "until": "2026-12-24"})
    ).json()
    assert internal["items"] == [{"on": "2026-12-24", "name": "Closed (closure)"}]
    await keeper.call("DELETE", f"{DAYS_OFF}/{made['id']}", headers={"If-Match": "*"})
    again = await keeper.call("DELETE", f"{DAYS_OFF}/{made['id']}", headers={"If-Match": "*"})
    assert again.status_code == 409
    assert (await ada.get(DAYS_OFF)).json()["items"] == []
    assert [one["id"] for one in (await ada.get(f"{DAYS_OFF}?withdrawn=true")).json()["items"]] == [made["id"]]


async def test_two_who_turn_a_clock_at_once_do_not_turn_it_twice(olive: Client, move: Move) -> None:
    path = await asked(olive)
    statuses: list[int] = []

    async def pause() -> None:
        statuses.append((await olive.post(f"{path}/pause", json={"cause": "fee", "reason": "x"})).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(pause)
    assert statuses.count(200) == 1, statuses
    move("2026-03-03")
    await olive.made(f"{path}/resume")
