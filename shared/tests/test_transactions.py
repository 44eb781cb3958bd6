"""One transaction a request: what does not commit did not happen, to the row, the event and the job alike."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text

from lodge_kit import idempotency, jobs
from lodge_kit.identity import Permission
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

WRITE = Permission("desk.write", "Write slips.")


async def counted(desk: Any, *tables: str) -> list[int]:
    async with desk.world.database.transaction() as session:
        found = [await session.execute(text(f"SELECT count(*) FROM {table}")) for table in tables]  # noqa: S608 - the test's own
        return [one.scalar_one() for one in found]


async def work(desk: Any) -> None:
    await desk.world.queue.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)


async def test_what_is_filed_is_there_with_its_event_its_record_and_its_job(clerk: Client, desk: Any) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    assert await counted(desk, "slip", "event", "audit_event", "procrastinate_jobs") == [1, 1, 1, 1]
    await work(desk)
    assert desk.noted == [made["id"]]


async def test_a_commit_that_fails_is_no_201_and_leaves_nothing(clerk: Client, desk: Any) -> None:
    await clerk.made("/desk/v1/slips", text="x", once="a")
    before = await counted(desk, "slip", "event", "audit_event", "procrastinate_jobs", "idempotency_key")
    answer = await clerk.post("/desk/v1/slips", json={"text": "y", "once": "a"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await counted(desk, "slip", "event", "audit_event", "procrastinate_jobs", "idempotency_key") == before
    await work(desk)
    assert len(desk.noted) == 1


async def test_an_error_after_the_writing_leaves_nothing(clerk: Client, desk: Any) -> None:
    answer = await clerk.post("/desk/v1/slips", json={"text": "y", "fail": True})
    assert answer.status_code == 500
    assert await counted(desk, "slip", "event", "audit_event", "procrastinate_jobs") == [0, 0, 0, 0]


async def test_two_changes_at_once_do_not_overwrite_each_other(clerk: Client) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    path, tag = f"/desk/v1/slips/{made['id']}", {"If-Match": made["etag"]}
    answers = await asyncio.gather(*(clerk.patch(path, json={"text": str(n)}, headers=tag) for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 200),
        ('"9", "1"', 200),
        (' "9" ,, "1",', 200),
        ('"9,", "1"', 200),
        ('"2"', 412),
        ('W/"1"', 412),
        ('W/"1", "2"', 412),
        ('"0,"1",2"', 400),
        ('"0, \\"1\\""', 400),
        ("1", 400),
        ('"1', 400),
        ('w/"1"', 400),
        ('*, "1"', 400),
        ('"2" "1"', 400),
    ],
)
async def test_if_match_is_read_and_compared_as_rfc_9110_has_it(clerk: Client, header: str, status: int) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    answer = await clerk.patch(f"/desk/v1/slips/{made['id']}", json={"text": "y"}, headers={"If-Match": header})
    assert answer.status_code == status
    assert answer.json().get("code") == {200: None, 412: "etag-stale", 400: "bad-request"}[status]


async def test_a_tag_with_a_comma_in_it_is_one_tag(clerk: Client) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    answer = await clerk.patch(f"/desk/v1/slips/{made['id']}", json={"text": "y"}, headers={"If-Match": '"0,1","1,2"'})
    assert answer.status_code == 412


async def test_a_list_may_come_in_several_headers(clerk: Client) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    headers = [*clerk.headers.items(), ("If-Match", '"9"'), ("If-Match", '"1"')]
    answer = await clerk.http.patch(f"/desk/v1/slips/{made['id']}", json={"text": "y"}, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [('"9", "1"', 304), ('W/"1"', 304), ("*", 304), ('"2"', 200), ("1", 200), ('"0,"1",2"', 200), ("", 200)],
)
async def test_if_none_match_compares_weakly(clerk: Client, header: str, status: int) -> None:
    made = await clerk.made("/desk/v1/slips", text="x")
    answer = await clerk.get(f"/desk/v1/slips/{made['id']}", headers={"If-None-Match": header})
    assert answer.status_code == status
    assert answer.headers["etag"] == '"1"'


# Idempotency-Key


async def test_calls_at_once_with_one_key_make_one_row(clerk: Client, desk: Any) -> None:
    asked = [clerk.post("/desk/v1/slips", json={"text": "x"}, headers={"Idempotency-Key": "k"}) for _ in range(5)]
    answers = await asyncio.gather(*asked)
    codes = {answer.status_code for answer in answers}
    assert codes <= {201, 409}
    assert 201 in codes
    assert await counted(desk, "slip") == [1]
    again = await clerk.post("/desk/v1/slips", json={"text": "x"}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, '?1;omitted="password"')
    assert again.headers["location"] == next(a for a in answers if a.status_code == 201).headers["location"]
    assert again.headers["etag"] == '"1"'


async def test_while_the_first_call_is_under_way_the_second_is_told_409(clerk: Client, desk: Any) -> None:
    name = "per_01J0000000000000000000CERK POST /desk/v1/slips k"
    async with await psycopg.AsyncConnection.connect(desk.world.database.dsn) as first:
        await first.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        answer = await clerk.post("/desk/v1/slips", json={"text": "x"}, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await counted(desk, "slip") == [0]


async def test_an_answer_that_was_an_error_is_not_kept(clerk: Client, desk: Any) -> None:
    key = {"Idempotency-Key": "k"}
    failed = await clerk.post("/desk/v1/slips", json={"text": "x", "fail": True}, headers=key)
    assert failed.status_code == 500
    assert (await clerk.post("/desk/v1/slips", json={"text": 1}, headers=key)).status_code == 422
    assert (await clerk.post("/desk/v1/slips", json={"text": "x"}, headers=key)).status_code == 201
    assert await counted(desk, "slip") == [1]


async def test_a_key_belongs_to_its_caller_also_among_the_users_of_one_portal(clerk: Client, desk: Any) -> None:
    alice = clerk.acting("per_01J000000000000000000ALXCE", [WRITE], client_id="portal")
    bob = clerk.acting("per_01J00000000000000000000B0B", [WRITE], client_id="portal")
    made = [
        (await one.post("/desk/v1/slips", json={"text": "x"}, headers={"Idempotency-Key": "k"})).json()["id"]
        for one in (alice, bob)
    ]
    assert len(set(made)) == 2
    assert await counted(desk, "slip") == [2]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é"])
async def test_a_key_that_is_none_is_refused(clerk: Client, key: str) -> None:
    answer = await clerk.post("/desk/v1/slips", json={"text": "x"}, headers={"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


async def test_a_body_of_more_than_a_megabyte_is_too_large_for_a_key(clerk: Client) -> None:
    body = {"text": "x" * 1_100_000}
    answer = await clerk.post("/desk/v1/slips", json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (413, "content-too-large")


async def test_a_key_is_free_again_after_a_day(make_desk: Callable[..., Any], issuer: Issuer) -> None:
    now = [datetime.now(UTC)]
    desk = make_desk(clock=lambda: now[0])
    async with desk.opened(issuer) as clerk:

        async def made() -> str:
            answer = await clerk.post("/desk/v1/slips", json={"text": "x"}, headers={"Idempotency-Key": "k"})
            return str(answer.json()["id"])

        first = await made()
        now[0] += timedelta(hours=23, minutes=59)
        assert await made() == first
        now[0] += timedelta(minutes=2)
        second = await made()
        assert second != first
        assert await made() == second
        now[0] += timedelta(hours=25)
        async with desk.world.database.transaction() as session:
            await idempotency.forget(session, now=now[0])
        assert await counted(desk, "idempotency_key") == [0]


async def test_a_call_without_credential_is_401_with_a_key_too(clerk: Client) -> None:
    answer = await clerk.http.post("/desk/v1/slips", json={"text": "x"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 401


# Jobs


@pytest.fixture
def note(desk: Any) -> Any:
    return desk.world.queue.tasks["desk:note"]


@pytest.mark.usefixtures("clerk")
async def test_a_job_deferred_in_a_transaction_that_is_undone_never_runs(desk: Any, note: Any) -> None:
    async with desk.world.database.transaction() as session:
        await jobs.defer(session, note, slip_id="undone")
        await session.rollback()
    async with desk.world.database.transaction() as session:
        await jobs.defer(session, note, slip_id="done")
    await work(desk)
    assert desk.noted == ["done"]


@pytest.mark.usefixtures("clerk")
async def test_a_job_that_waits_under_a_name_is_enough(desk: Any, note: Any) -> None:
    async with desk.world.database.transaction() as session:
        for number in range(3):
            await jobs.defer(session, note, once="nightly", slip_id=str(number))
        assert (await session.execute(select(1))).scalar_one() == 1
    assert len(list(await desk.world.queue.job_manager.list_jobs_async(status="todo"))) == 1
    await work(desk)
    assert desk.noted == ["0"]


async def _stall(desk: Any) -> None:
    """Leave the waiting job as a worker does that was killed."""
    async with await psycopg.AsyncConnection.connect(desk.world.database.dsn, autocommit=True) as connection:
        await connection.execute(
            "WITH w AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
            " RETURNING id) UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM w)"
            " WHERE status = 'todo'"
        )


@pytest.mark.usefixtures("clerk")
async def test_a_job_whose_worker_died_is_tried_again(desk: Any, note: Any) -> None:
    async with desk.world.database.transaction() as session:
        await jobs.defer(session, note, slip_id="x")
    await _stall(desk)
    await work(desk)
    assert desk.noted == []
    assert await jobs.rescue(desk.world.queue) == 1
    await work(desk)
    assert desk.noted == ["x"]
    assert await jobs.rescue(desk.world.queue) == 0


@pytest.mark.usefixtures("clerk")
async def test_a_stalled_job_gives_way_to_one_that_waits_under_its_name(desk: Any, note: Any) -> None:
    for number in range(2):
        async with desk.world.database.transaction() as session:
            await jobs.defer(session, note, once="nightly", slip_id=str(number))
        if number == 0:
            await _stall(desk)
    await jobs.rescue(desk.world.queue)
    await work(desk)
    assert desk.noted == ["1"]
    assert await jobs.rescue(desk.world.queue) == 0


@pytest.mark.usefixtures("clerk")
async def test_jobs_that_ended_three_days_ago_are_forgotten(desk: Any, note: Any) -> None:
    async with desk.world.database.transaction() as session:
        await jobs.defer(session, note, slip_id="x")
    await work(desk)
    await jobs.forget(desk.world.queue)
    assert await counted(desk, "procrastinate_jobs") == [1]
    async with desk.world.database.transaction() as session:
        await session.execute(text("UPDATE procrastinate_events SET at = at - interval '73 hours'"))
    await jobs.forget(desk.world.queue)
    assert await counted(desk, "procrastinate_jobs") == [0]
