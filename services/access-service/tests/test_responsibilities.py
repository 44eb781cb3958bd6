"""Who answers for what, over HTTP: assigning, the matrix, its picture, gaps, and telling of them before they open."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from sqlmodel import col

from access_service import rights, rounds
from access_service.responsibilities import functions
from access_service.responsibilities.looking_ahead import look_ahead
from access_service.responsibilities.starter import STARTERS
from lodge_kit.tables import Event, Notice
from lodge_kit.testing.client import Client

pytestmark = pytest.mark.anyio

PRODUCT = "prd_01J0000000000000000000RECS"
OTHER = "prd_01J0000000000000000000FNCE"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture
async def starters(app: FastAPI, admin: Client) -> dict[str, str]:
    async with app.state.database.transaction() as session:
        await functions.start(session, by="lodge", now=datetime.now(UTC))
    items = (await admin.get("/access/v1/support-functions?limit=200")).json()["items"]
    return {item["key"]: item["id"] for item in items}


@pytest.fixture
async def testing(admin: Client) -> str:
    made = await admin.made(
        "/access/v1/support-functions", key="testing", name="Testing", skills=["Test design"], position=1
    )
    return str(made["id"])


Named = Callable[[str], Awaitable[str]]


@pytest.fixture
def person(admin: Client) -> Named:
    async def add(name: str) -> str:
        made = await admin.made("/access/v1/people", user_name=name.lower().replace(" ", "."), name=name)
        return str(made["id"])

    return add


async def _assign(admin: Client, function: str, letter: str, holder: str, **more: Any) -> dict[str, Any]:
    facts = {"function": function, "product": PRODUCT, "product_name": "Campus Records", "letter": letter}
    return await admin.made("/access/v1/responsibilities", **facts, holder=holder, **more)


async def _gaps(admin: Client, **asked: Any) -> list[str]:
    answer = await admin.get("/access/v1/responsibilities/gaps", params={"product": PRODUCT} | asked)
    assert answer.status_code == 200, answer.text
    return [item["kind"] for item in answer.json()["items"]]


async def test_a_new_lodge_starts_with_support_functions_and_the_skills_each_needs(
    app: FastAPI, admin: Client, starters: dict[str, str]
) -> None:
    assert list(starters) == [one.key for one in STARTERS]
    items = (await admin.get("/access/v1/support-functions?limit=200")).json()["items"]
    assert all(item["skills"] for item in items)
    async with app.state.database.transaction() as session:
        await functions.start(session, by="lodge", now=datetime.now(UTC))
    assert len((await admin.get("/access/v1/support-functions?limit=200")).json()["items"]) == len(STARTERS)


async def test_one_is_accountable_at_a_time(admin: Client, testing: str, person: Named, today: date) -> None:
    ada, bob = await person("Ada Ames"), await person("Bob Bell")
    await _assign(admin, testing, "A", ada, ends_on=str(today + timedelta(days=10)))
    again = {"function": testing, "product": PRODUCT, "letter": "A", "holder": bob}
    answer = await admin.post("/access/v1/responsibilities", json=again)
    assert (answer.status_code, answer.json()["code"]) == (409, "responsibility-overlaps")
    assert "one at a time" in answer.json()["detail"]
    later = again | {"starts_on": str(today + timedelta(days=11))}
    assert (await admin.post("/access/v1/responsibilities", json=later)).status_code == 201


async def test_a_team_is_never_accountable_but_may_be_responsible(admin: Client, testing: str) -> None:
    team = (await admin.made("/access/v1/groups", name="Testers"))["id"]
    wanted = {"function": testing, "product": PRODUCT, "letter": "A", "holder": team}
    answer = await admin.post("/access/v1/responsibilities", json=wanted)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/holder")
    assert (await _assign(admin, testing, "R", team))["holder"]["name"] == "Testers"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"holder": "per_01J000000000000000000000N0"}, "/holder"),
        ({"holder": "svc_01J000000000000000000000N0"}, "/holder"),
        ({"deputy": "per_01J000000000000000000000N0"}, "/deputy"),
        ({"starts_on": "2026-03-02", "ends_on": "2026-03-01"}, "/ends_on"),
        ({"letter": "X"}, "/letter"),
        ({"product": "rel_01J0000000000000000000RECS"}, "/product"),
    ],
)
async def test_a_wrong_value_is_pointed_at(
    admin: Client, testing: str, person: Named, wrong: dict[str, str], pointer: str
) -> None:
    ada = await person("Ada Ames")
    wanted = {"function": testing, "product": PRODUCT, "letter": "A", "holder": ada} | wrong
    answer = await admin.post("/access/v1/responsibilities", json=wanted)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await admin.get("/access/v1/responsibilities")).json()["items"] == []


async def test_nobody_is_ones_own_deputy_not_even_by_a_post(admin: Client, testing: str, person: Named) -> None:
    ada = await person("Ada Ames")
    post = (await admin.made("/access/v1/posts", name="Head of Registry", holder=ada))["id"]
    for holder in (ada, post):
        wanted = {"function": testing, "product": PRODUCT, "letter": "A", "holder": holder, "deputy": ada}
        answer = await admin.post("/access/v1/responsibilities", json=wanted)
        assert answer.json()["errors"][0]["code"] == "own-deputy"


async def test_the_gaps_of_any_day_follow_spans_leavers_vacant_posts_and_deputies(
    admin: Client, testing: str, person: Named, today: date
) -> None:
    ada, bob, cyd = await person("Ada Ames"), await person("Bob Bell"), await person("Cyd Carr")
    assert await _gaps(admin) == ["no-accountable", "no-responsible"]
    post = (await admin.made("/access/v1/posts", name="Head of Registry", holder=ada))["id"]
    accountable = await _assign(admin, testing, "A", post)
    assert await _gaps(admin) == ["no-deputy", "no-responsible"]
    changed = await admin.patch(
        f"/access/v1/responsibilities/{accountable['id']}",
        json={"deputy": cyd},
        headers={"If-Match": accountable["etag"]},
    )
    assert changed.status_code == 200, changed.text
    team = (await admin.made("/access/v1/groups", name="Testers"))["id"]
    await _assign(admin, testing, "R", team)
    assert await _gaps(admin) == ["no-responsible"]  # a team of nobody
    assert (await admin.post(f"/access/v1/groups/{team}/members", json={"person": bob})).status_code == 204
    assert await _gaps(admin) == []
    for leaver, day in ((bob, 5), (cyd, 20)):
        found = await admin.get(f"/access/v1/people/{leaver}")
        leaving = {"left_on": str(today + timedelta(days=day))}
        answer = await admin.patch(
            f"/access/v1/people/{leaver}", json=leaving, headers={"If-Match": found.headers["etag"]}
        )
        assert answer.status_code == 200, answer.text
    on = {day: await _gaps(admin, on=str(today + timedelta(days=day))) for day in (5, 6, 20, 21)}
    assert on == {5: [], 6: ["no-responsible"], 20: ["no-responsible"], 21: ["no-deputy", "no-responsible"]}
    vacated = await admin.get(f"/access/v1/posts/{post}")
    await admin.patch(f"/access/v1/posts/{post}", json={"holder": None}, headers={"If-Match": vacated.headers["etag"]})
    assert await _gaps(admin) == ["no-accountable"]


async def test_the_matrix_names_everybody_as_json_csv_and_as_a_picture(
    admin: Client, testing: str, person: Named
) -> None:
    ada, bob = await person("Ada <Ames> & Co"), await person("=Bob")
    await _assign(admin, testing, "A", ada, deputy=bob)
    await _assign(admin, testing, "C", bob)
    path = f"/access/v1/responsibilities/matrix?product={PRODUCT}"
    cell = (await admin.get(path)).json()["items"][0]
    assert cell["accountable"]["name"] == "Ada <Ames> & Co"
    assert cell["accountable"]["deputy"] == {"id": bob, "name": "=Bob"}
    assert (cell["product"]["name"], cell["skills"]) == ("Campus Records", ["Test design"])
    assert cell["gaps"] == ["no-responsible"]
    table = await admin.get(path, headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert "Ada <Ames> & Co" in table.text
    for asked in (path, "/access/v1/responsibilities/matrix"):
        picture = await admin.get(asked, headers={"Accept": "image/svg+xml"})
        assert picture.headers["content-type"].startswith("image/svg+xml")
        root = ET.fromstring(picture.text)  # noqa: S314 - our own answer
        texts = [element.text for element in root.iter(f"{SVG}text")]
        assert "Testing" in texts
        assert "nobody responsible" in texts
        assert "Ada <Ames> & Co" in texts


async def test_a_product_that_nobody_answers_for_is_all_gaps(admin: Client, starters: dict[str, str]) -> None:
    answer = await admin.get(f"/access/v1/responsibilities/gaps?product={OTHER}")
    assert len(answer.json()["items"]) == 2 * len(starters)


async def test_what_has_begun_is_ended_and_what_has_not_is_withdrawn(
    admin: Client, testing: str, person: Named, today: date
) -> None:
    ada, bob = await person("Ada Ames"), await person("Bob Bell")
    begun = await _assign(admin, testing, "A", ada)
    later = await _assign(admin, testing, "R", bob, starts_on=str(today + timedelta(days=9)))
    one, other = (f"/access/v1/responsibilities/{row['id']}" for row in (begun, later))
    assert (await admin.call("DELETE", one, headers={"If-Match": begun["etag"]})).status_code == 409
    ended = await admin.post(f"{one}/end", json={"on": str(today)})
    assert ended.json()["ends_on"] == str(today)
    assert (await admin.post(f"{one}/end", json={})).status_code == 409
    assert (await admin.post(f"{other}/end", json={})).json()["errors"][0]["pointer"] == "/on"
    assert (await admin.call("DELETE", other, headers={"If-Match": later["etag"]})).status_code == 204
    assert (await admin.get(other)).status_code == 404


async def test_who_may_only_read_changes_nothing_and_sees_the_duties_of_posts_held(
    client: Client, admin: Client, testing: str, person: Named
) -> None:
    ada = await person("Ada Ames")
    post = (await admin.made("/access/v1/posts", name="Head of Registry", holder=ada))["id"]
    await _assign(admin, testing, "A", post)
    reader = client.acting(ada, [rights.DUTIES_READ])
    assert len((await reader.get("/access/v1/responsibilities?holder=me")).json()["items"]) == 1
    assert (await reader.post("/access/v1/posts", json={"name": "X"})).status_code == 403
    stranger = client.acting(ada, [])
    assert (await stranger.get("/access/v1/responsibilities/matrix")).status_code == 403


async def _look(app: FastAPI, today: date) -> int:
    async with app.state.database.transaction() as session:
        return await look_ahead(session, today=today, days=30, now=datetime.now(UTC))


async def test_the_worker_goes_round_alone(app: FastAPI, admin: Client, testing: str, person: Named) -> None:
    await _assign(admin, testing, "A", await person("Ada Ames"))
    async with app.state.database.transaction() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('lodge access rounds', 0))"))
        assert not await rounds.once(app.state.world)
        assert await _told(app) == []
    assert await rounds.once(app.state.world)
    assert await _told(app) == ["responsibility.gap_opened"] * 2


async def _told(app: FastAPI) -> list[str]:
    async with app.state.database.transaction() as session:
        found = select(col(Event.type)).where(col(Event.type).startswith("responsibility.gap")).order_by(col(Event.id))
        return list((await session.execute(found)).scalars())


async def test_a_gap_is_told_of_once_before_it_opens_and_closed_when_it_is_filled(
    app: FastAPI, admin: Client, testing: str, person: Named, today: date
) -> None:
    ada, bob = await person("Ada Ames"), await person("Bob Bell")
    last_day = today + timedelta(days=12)
    await _assign(admin, testing, "A", ada, deputy=bob)
    await _assign(admin, testing, "R", bob, ends_on=str(last_day))
    assert await _look(app, today) == 1
    assert await _look(app, today) == 0
    assert await _told(app) == ["responsibility.gap_opening"]
    async with app.state.database.transaction() as session:
        notices = list((await session.execute(select(Notice))).scalars())
    assert {notice.recipient for notice in notices} == {ada, bob}
    assert {notice.title for notice in notices} == {
        f"From {last_day + timedelta(days=1)} on nobody is responsible for “Testing”."
    }
    assert await _look(app, last_day + timedelta(days=1)) == 0  # it has opened, as was told
    await _assign(admin, testing, "R", ada)
    assert await _look(app, today) == 0
    assert await _told(app) == ["responsibility.gap_opening", "responsibility.gap_closed"]
    async with app.state.database.transaction() as session:
        assert all(notice.done_at for notice in (await session.execute(select(Notice))).scalars())


async def test_a_gap_that_nobody_saw_coming_is_told_of_when_it_opens(
    app: FastAPI, admin: Client, testing: str, person: Named, today: date
) -> None:
    ada, bob = await person("Ada Ames"), await person("Bob Bell")
    await _assign(admin, testing, "A", ada, deputy=bob)
    await _assign(admin, testing, "R", ada)
    assert await _look(app, today) == 0
    assert (await admin.post(f"/access/v1/people/{ada}/deactivate")).status_code == 200
    assert await _look(app, today) == 2
    assert await _told(app) == ["responsibility.gap_opened"] * 2
