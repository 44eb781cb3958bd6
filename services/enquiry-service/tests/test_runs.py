"""Runs over HTTP and in the worker: asked for once, executed once, brought to their end whatever happens."""

import asyncio
import contextlib
import csv
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import make_url

from enquiry_service import artifacts, execution, jobs, rights
from enquiry_service.world import create_world
from lodge_kit.testing.client import Client
from lodge_kit.testing.waiting import until
from lodge_kit.world import World

pytestmark = pytest.mark.anyio

Work = Callable[[], Awaitable[None]]

SLOW = "SELECT count(*) FROM campus.student a, campus.student b WHERE md5(a.name || b.name) = 'x'"
"""Twenty-five million hashes: longer than any test waits, cheap to plan."""
QUICK = "SELECT id FROM campus.student WHERE id <= 10 ORDER BY id"


@pytest.fixture
def world(app: FastAPI) -> World:
    found: World = app.state.world
    return found


@pytest.fixture
def asked(olive: Client, reporting: Any) -> Callable[..., Awaitable[str]]:
    """Answer what makes a report of this SQL and asks for a run of it; answers the run's path."""

    async def made(sql: str, *parameters: dict[str, Any], **values: Any) -> str:
        report = await reporting(sql, *parameters)
        run = await olive.made(f"/enquiry/v1/reports/{report['id']}/runs", parameters=values)
        return f"/enquiry/v1/runs/{run['id']}"

    return made


def backends(campus: Any, word: str = "md5") -> int:
    with psycopg.connect(campus.server_url) as server:
        row = server.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND strpos(query, %s) > 0 AND state = 'active'",
            (campus.role, word),
        ).fetchone()
    assert row is not None
    return int(row[0])


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def told(url: str, run: str) -> list[str]:
    """Answer the types of the events of a run, by its path."""
    with psycopg.connect(url) as database:
        found = database.execute(
            "SELECT type FROM event WHERE subject_id = %s ORDER BY id", [run.rsplit("/", maxsplit=1)[-1]]
        )
        return [kind for (kind,) in found.fetchall()]


@asynccontextmanager
async def working(work: Work) -> AsyncIterator["asyncio.Future[None]"]:
    """Have the jobs done while the block runs; it must bring them to their end."""
    done = asyncio.ensure_future(work())
    try:
        yield done
        await done
    finally:
        done.cancel()
        await asyncio.gather(done, return_exceptions=True)


PARAMETERS = [
    {"name": "most", "type": "integer", "minimum": 1, "maximum": 100},
    {"name": "since", "type": "date"},
    {"name": "level", "type": "choice", "choices": ["ug", "pg"], "default": "ug"},
    {"name": "word", "type": "text", "required": False},
]
FILTERED = (
    "SELECT id FROM campus.student WHERE id <= :most AND enrolled > :since AND level::text = :level"
    " AND (:word IS NULL OR name LIKE :word) ORDER BY id"
)


async def test_values_that_a_report_does_not_take_are_pointed_at(olive: Client, reporting: Any, work: Work) -> None:
    report = await reporting(FILTERED, *PARAMETERS)
    runs = f"/enquiry/v1/reports/{report['id']}/runs"
    wrong = {"most": 101, "since": "1 March", "level": "phd", "word": "a\0b", "shoe/size": 40}
    refused = await olive.post(runs, json={"parameters": wrong})
    assert refused.status_code == 422
    assert {(one["pointer"], one["code"]) for one in refused.json()["errors"]} == {
        ("/parameters/most", "maximum"), ("/parameters/since", "type"), ("/parameters/level", "choice"),
        ("/parameters/word", "characters"), ("/parameters/shoe~1size", "unknown"),
    }  # fmt: skip
    missing = await olive.post(runs, json={})
    assert [(one["pointer"], one["code"]) for one in missing.json()["errors"]] == [
        ("/parameters/most", "missing"), ("/parameters/since", "missing"),
    ]  # fmt: skip
    assert (await olive.get("/enquiry/v1/runs")).json()["items"] == []
    run = await olive.made(runs, parameters={"most": "30", "since": "2024-09-02", "word": "%1%'; DROP TABLE x; --"})
    assert run["parameters"] == {
        "most": "30", "since": "2024-09-02", "level": "ug", "word": "%1%'; DROP TABLE x; --",
    }  # fmt: skip
    await work()
    assert (await olive.get(f"/enquiry/v1/runs/{run['id']}")).json()["status"] == "done"


async def test_a_report_without_an_approved_version_does_not_run(olive: Client, source: dict[str, Any]) -> None:
    report = await olive.made("/enquiry/v1/reports", name="Draft", source=source["id"])
    await olive.made(f"/enquiry/v1/reports/{report['id']}/versions", sql=QUICK)
    refused = await olive.post(f"/enquiry/v1/reports/{report['id']}/runs", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-approved")


async def test_the_same_key_asks_for_one_run_and_one_job(
    olive: Client, reporting: Any, work: Work, database_url: str
) -> None:
    report = await reporting(QUICK)
    runs = f"/enquiry/v1/reports/{report['id']}/runs"
    first, second = [await olive.post(runs, json={}, headers={"Idempotency-Key": "once"}) for _ in range(2)]
    assert second.json() == first.json()
    assert (second.status_code, second.headers["location"]) == (202, first.headers["location"])
    with psycopg.connect(database_url) as database:
        counted = "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM procrastinate_jobs)"
        assert database.execute(counted).fetchone() == (1, 1)
    await work()
    assert told(database_url, first.headers["location"]) == ["run.finished"]


async def test_a_run_that_waits_is_cancelled_at_once(
    olive: Client, asked: Any, work: Work, database_url: str, settings: Any
) -> None:
    path = await asked(QUICK)
    cancelled = await olive.call("DELETE", path)
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert (await olive.call("DELETE", path)).status_code == 409
    await work()
    run = (await olive.get(path)).json()
    assert (run["status"], run["reason"], run["started_at"]) == ("cancelled", "Cancelled before it began.", None)
    gone = await olive.get(f"{path}/file")
    assert (gone.status_code, gone.json()["code"]) == (410, "file-gone")
    assert told(database_url, path) == ["run.finished"]
    assert not settings.storage.exists()


async def test_a_run_under_way_is_cancelled_at_the_source_too(
    olive: Client, asked: Any, work: Work, campus: Any, settings: Any
) -> None:
    path = await asked(SLOW)
    async with working(work):
        await until(lambda: backends(campus) == 1)
        assert (await olive.get(path)).json()["status"] == "running"
        assert (await olive.call("DELETE", path)).json()["status"] == "running"
    run = (await olive.get(path)).json()
    assert (run["status"], run["reason"]) == ("cancelled", "The run was cancelled.")
    assert run["finished_at"] is not None
    assert backends(campus) == 0
    assert list(settings.storage.iterdir()) == []


async def test_a_result_that_was_cut_says_so_everywhere(
    peter: Client, olive: Client, asked: Any, work: Work, source: dict[str, Any]
) -> None:
    changed = {"row_limit": 7}
    await peter.patch(f"/enquiry/v1/sources/{source['id']}", json=changed, headers={"If-Match": "*"})
    path = await asked(QUICK)
    await work()
    run = (await olive.get(path)).json()
    assert (run["status"], run["rows"]) == ("truncated", 7)
    assert "7 rows" in run["reason"]
    file = await olive.get(f"{path}/file")
    assert (file.headers["lodge-truncated"], len(file.text.splitlines())) == ("?1", 8)


async def test_a_run_that_the_source_takes_no_more_tells_nothing_of_its_sql(
    olive: Client, peter: Client, asked: Any, source: dict[str, Any], campus: Any, work: Work
) -> None:
    with psycopg.connect(campus.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE campus.fleeting AS SELECT 1 AS shoe")
        owner.execute(f"GRANT SELECT ON campus.fleeting TO {campus.role}")
        try:
            paths = [await asked("SELECT shoe FROM campus.fleeting")]
            owner.execute("ALTER TABLE campus.fleeting RENAME shoe TO boot")
            await work()
        finally:
            owner.execute("DROP TABLE campus.fleeting")
    place = f"/enquiry/v1/sources/{source['id']}"
    await peter.patch(place, json={"allowed_functions": ["pg_size_pretty"]}, headers={"If-Match": "*"})
    paths.append(await asked("SELECT pg_size_pretty(id::bigint) AS shoe FROM campus.course"))
    await peter.patch(place, json={"allowed_functions": []}, headers={"If-Match": "*"})
    await work()
    for path in paths:
        for answer in (await olive.get(path), await olive.get(f"{path}/file"), await olive.get(f"{path}/progress")):
            assert not [word for word in ("shoe", "campus", "pg_size") if word in answer.text], answer.text
        run = (await olive.get(path)).json()
        assert (run["status"], "validated" in run["reason"]) == ("failed", True), run


async def test_a_run_that_fails_says_why_and_names_no_value(olive: Client, asked: Any, work: Work) -> None:
    path = await asked("SELECT 1 / (id - 5) AS share FROM campus.student WHERE id <= :most", PARAMETERS[0], most=9)
    await work()
    run = (await olive.get(path)).json()
    assert run["status"] == "failed"
    assert "DivisionByZero" in run["reason"]
    gone = await olive.get(f"{path}/file")
    assert gone.status_code == 410
    assert "left no file" in gone.json()["detail"]


async def test_a_source_that_is_gone_since_fails_the_run_with_a_sentence(
    olive: Client, peter: Client, asked: Any, work: Work, source: dict[str, Any], settings: Any
) -> None:
    first = await asked(QUICK)
    secret = settings.source_secrets / "campus"
    secret.rename(settings.source_secrets / "put-away")
    await work()
    run = (await olive.get(first)).json()
    assert (run["status"], "no secret campus" in run["reason"]) == ("failed", True)
    (settings.source_secrets / "put-away").rename(secret)

    second = await asked(QUICK)
    path = f"/enquiry/v1/sources/{source['id']}"
    await peter.patch(path, json={"port": 1}, headers={"If-Match": "*"})
    await work()
    run = (await olive.get(second)).json()
    assert (run["status"], "was not checked" in run["reason"]) == ("failed", True)

    report = run["report"]["id"]
    await peter.post(f"{path}/check")
    refused = await olive.post(f"/enquiry/v1/reports/{report}/runs", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "source-not-proven")
    assert "cannot be reached" in refused.json()["detail"]


async def test_storage_that_cannot_be_written_fails_the_run_with_a_sentence(
    olive: Client, asked: Any, work: Work, settings: Any
) -> None:
    path = await asked(QUICK)
    settings.storage.write_text("no folder")
    await work()
    run = (await olive.get(path)).json()
    assert (run["status"], "cannot be stored" in run["reason"]) == ("failed", True)


async def test_two_workers_execute_a_run_once(
    olive: Client, asked: Any, world: World, database_url: str, settings: Any
) -> None:
    path = await asked(QUICK)
    run_id = path.rsplit("/")[-1]
    await asyncio.gather(*(execution.execute(world, run_id) for _ in range(3)))
    await execution.execute(world, run_id)
    assert (await olive.get(path)).json()["status"] == "done"
    assert told(database_url, path) == ["run.finished"]
    assert len(list(settings.storage.iterdir())) == 1


async def test_a_run_is_left_alone_while_it_is_held_and_taken_up_when_the_lease_is_over(
    olive: Client, asked: Any, world: World, settings: Any
) -> None:
    path = await asked(QUICK)
    hold = execution.Hold(world, path.rsplit("/")[-1], timedelta(seconds=1))
    assert await hold.take()
    (settings.storage).mkdir()
    (settings.storage / f"{hold.file}.part").write_text("left by a worker that died")
    assert await jobs.defer_abandoned_runs(world) == 0
    await execution.execute(world, hold.run_id)
    assert (await olive.get(path)).json()["status"] == "running"

    async def over() -> bool:
        return await jobs.defer_abandoned_runs(world) == 1

    await until(over)
    await execution.execute(world, hold.run_id)
    run = (await olive.get(path)).json()
    assert (run["status"], run["rows"]) == ("done", 10)
    assert len(list(settings.storage.iterdir())) == 1


async def test_a_worker_that_lost_its_hold_puts_nothing_on_record(
    olive: Client, asked: Any, world: World, campus: Any, database_url: str, settings: Any
) -> None:
    path = await asked(SLOW)
    run_id = path.rsplit("/")[-1]
    losing = asyncio.ensure_future(execution.execute(world, run_id))
    await until(lambda: backends(campus) == 1)
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute("UPDATE run SET lease_holder = 'another'")
    await losing
    assert (await olive.get(path)).json()["status"] == "running", "the other will say"
    assert told(database_url, path) == []
    assert backends(campus) == 0
    assert list(settings.storage.iterdir()) == []


async def test_a_worker_told_to_stop_leaves_its_run_to_the_next(
    olive: Client, asked: Any, world: World, campus: Any, settings: Any
) -> None:
    path = await asked(SLOW)
    stopped = asyncio.ensure_future(execution.execute(world, path.rsplit("/")[-1]))
    await until(lambda: backends(campus) == 1)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert backends(campus) == 0
    assert await jobs.defer_abandoned_runs(world) == 1
    assert list(settings.storage.iterdir()) == []
    await olive.call("DELETE", path)
    await execution.execute(world, path.rsplit("/")[-1])
    run = (await olive.get(path)).json()
    assert (run["status"], run["reason"]) == ("cancelled", "The run was cancelled before its query began.")


async def test_a_worker_that_is_killed_leaves_no_query_and_its_run_is_taken_up(
    olive: Client, asked: Any, work: Work, world: World, campus: Any, settings: Any, database_url: str
) -> None:
    path = await asked(f"{SLOW} AND a.id <= :most", PARAMETERS[0], most=2)
    slow = await asked(SLOW)
    environment = {
        "PATH": os.environ["PATH"],
        "LODGE_ENQUIRY_DATABASE_URL": database_url,
        "LODGE_ENQUIRY_STORAGE": str(settings.storage),
        "LODGE_ENQUIRY_SOURCE_SECRETS": str(settings.source_secrets),
        "LODGE_ENQUIRY_SOURCE_HOSTS": ",".join(settings.source_hosts),
        "LODGE_SEALING_KEYS": settings.sealing_keys.get_secret_value(),
        "LODGE_AUDIT_KEY": "a test's own",
    }
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "enquiry_service", "work", env=environment,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(lambda: backends(campus) >= 1, within=30)

        async def first_is_done() -> bool:
            return bool((await olive.get(path)).json()["status"] == "done")

        await until(first_is_done)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    await until(lambda: backends(campus) == 0, within=5)
    assert (await olive.get(slow)).json()["status"] in ("running", "spooling")
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute("UPDATE run SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL")
        database.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'")
    assert await jobs.defer_abandoned_runs(world) == 1
    async with working(work):
        await until(lambda: backends(campus) == 1)
        await olive.call("DELETE", slow)
    assert (await olive.get(slow)).json()["status"] == "cancelled"
    assert told(database_url, slow) == ["run.finished"]
    assert [entry.name.split(".")[0] for entry in settings.storage.iterdir()] == [path.rsplit("/")[-1]]


class Wire:
    """The wire to a database server, which can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._server_at = (host, port)
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._server_at)
        self._ends |= {writer, back}
        ways = [asyncio.ensure_future(_copy(reader, back)), asyncio.ensure_future(_copy(there, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.transport.abort()
        await asyncio.gather(*ways)
        self._ends -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(65_536):
            writer.write(block)
            await writer.drain()


async def test_a_run_goes_on_while_our_own_database_is_away(
    olive: Client, asked: Any, settings: Any, database_url: str
) -> None:
    path = await asked("SELECT s.* FROM campus.student s, campus.course c WHERE c.id <= 40")
    url = make_url(database_url)
    wire = Wire(url.host or "", url.port or 5432)
    await wire.mend()
    through = url.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)
    worker = create_world(settings.model_copy(update={"database_url": SecretStr(through)}))
    running = asyncio.ensure_future(execution.execute(worker, id_of(path)))

    def begun() -> bool:
        return any(file.suffix == ".part" and file.stat().st_size for file in settings.storage.glob("*"))

    await until(begun)
    await wire.cut()

    def stored() -> bool:
        return any(file.suffix == ".csv" for file in settings.storage.glob("*"))

    await until(stored)
    assert (await olive.get(path)).json()["status"] in ("running", "spooling"), "nobody could say that it is done"
    assert not running.done()
    await wire.mend()
    await running
    run = (await olive.get(path)).json()
    assert (run["status"], run["rows"]) == ("done", 200_000)
    assert (await olive.get(f"{path}/file")).status_code == 200
    assert told(database_url, path) == ["run.finished"]
    await worker.database.close()
    await wire.cut()


async def test_a_hold_that_cannot_be_renewed_is_let_go_of_before_another_may_have_it(
    asked: Any, settings: Any, database_url: str, campus: Any
) -> None:
    path = await asked(SLOW)
    url = make_url(database_url)
    wire = Wire(url.host or "", url.port or 5432)
    await wire.mend()
    through = url.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)
    worker = create_world(settings.model_copy(update={"database_url": SecretStr(through)}))
    running = asyncio.ensure_future(execution.execute(worker, id_of(path), lease=timedelta(seconds=2)))
    await until(lambda: backends(campus) == 1)
    await wire.cut()
    await running
    assert backends(campus) == 0
    with psycopg.connect(database_url) as database:
        assert database.execute("SELECT status FROM run").fetchone() == ("running",)
    assert told(database_url, path) == []
    await worker.database.close()


async def test_files_are_destroyed_on_their_day(
    olive: Client, asked: Any, work: Work, world: World, settings: Any, clock: Any
) -> None:
    path = await asked(QUICK)
    await work()
    assert (await olive.get(f"{path}/file")).status_code == 200
    clock.ahead = timedelta(days=settings.artifact_days, minutes=-5)
    assert await artifacts.destroy_expired(world) == 0
    clock.ahead = timedelta(days=settings.artifact_days, minutes=5)
    gone = await olive.get(f"{path}/file")
    assert (gone.status_code, gone.json()["code"]) == (410, "file-gone"), "its day has come, whether it is gone or not"
    assert await artifacts.destroy_expired(world) == 1
    assert await artifacts.destroy_expired(world) == 0
    assert list(settings.storage.iterdir()) == []
    assert (await olive.get(path)).json()["status"] == "expired"
    gone = await olive.get(f"{path}/file")
    assert (gone.status_code, "destroyed" in gone.json()["detail"]) == (410, True)


async def test_a_file_is_fetched_in_parts_and_again_only_when_it_is_new(olive: Client, asked: Any, work: Work) -> None:
    path = f"{await asked(QUICK)}/file"
    await work()
    whole = await olive.get(path)
    assert whole.headers["content-disposition"] == f'attachment; filename="{path.split("/")[-2]}.csv"'
    part = await olive.get(path, headers={"Range": "bytes=3-6", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[3:7])
    assert list(csv.reader(io.StringIO(whole.text)))[-1] == ["10"]


async def test_to_see_a_run_is_not_to_have_its_file(client: Client, asked: Any, work: Work) -> None:
    path = await asked(QUICK)
    await work()
    auditor = client.acting("per_01J0000000000000000000AVD1", [rights.REPORTS_READ])
    assert (await auditor.get(path)).status_code == 200
    refused = await auditor.get(f"{path}/file")
    assert (refused.status_code, "enquiry.reports.run" in refused.json()["detail"]) == (403, True)
    assert (await auditor.call("DELETE", path)).status_code == 403
