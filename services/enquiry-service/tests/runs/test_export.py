"""A run from its spec to its file, in a process of its own, on a real server."""

import asyncio
import csv
import hashlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

# ruff: noqa: ASYNC240, RUF001 - the files are small; the full-width forms are meant
import psycopg
import pytest
from pydantic import SecretStr

from enquiry_service.export.messages import Outcome, Progress, Spec
from enquiry_service.export.parent import run_in_child
from enquiry_service.parameters import DEFINITIONS, bind, written
from enquiry_service.sources import Limits
from enquiry_service.statements import Allowance, check

pytestmark = pytest.mark.anyio

SLOW = "SELECT count(*) FROM campus.student a, campus.student b WHERE md5(a.name || b.name) = 'x'"
"""Twenty-five million hashes: longer than any limit below, cheap to plan."""


@pytest.fixture
def spec(campus: Any, result: Path) -> Callable[..., Spec]:
    def make(sql: str, parameters: tuple[dict[str, Any], ...] = (), /, limits: Any = None, **values: Any) -> Spec:
        definitions = DEFINITIONS.validate_python(list(parameters))
        allowance = Allowance(schemas=("campus",), functions=frozenset({"repeat"}))
        checked = check(sql, parameters=definitions, allowance=allowance)
        bound = {name: written(value) for name, value in bind(definitions, values).items()}
        return Spec(
            target=campus.target, checked=checked, values=bound, limits=limits or Limits(seconds=20), path=str(result)
        )

    return make


async def run(spec: Spec, cancel: asyncio.Event | None = None) -> tuple[Outcome, list[Progress]]:
    heard: list[Progress] = []

    async def hear(progress: Progress) -> None:
        heard.append(progress)

    return await run_in_child(spec, on_progress=hear, cancel=cancel or asyncio.Event()), heard


def _left(result: Path) -> list[str]:
    return sorted(path.name for path in result.parent.iterdir())


async def test_a_result_is_a_file_whose_rows_bytes_and_hash_are_told(spec: Any, result: Path) -> None:
    outcome, _ = await run(spec("SELECT id, name FROM campus.student ORDER BY id"))
    content = result.read_bytes()
    assert (outcome.status, outcome.rows, outcome.bytes) == ("done", 5_000, len(content))
    assert outcome.sha256 == hashlib.sha256(content).hexdigest()
    assert [column.model_dump() for column in outcome.columns] == [
        {"name": "id", "type": "integer", "origin": "campus.student.id"},
        {"name": "name", "type": "text", "origin": "campus.student.name"},
    ]
    assert content.startswith(b"id,name\n1,Student 1\n")
    assert result.stat().st_mode & 0o777 == 0o600
    assert _left(result) == ["result.csv"]


async def test_cells_are_written_for_every_reader_alike(spec: Any, result: Path) -> None:
    outcome, _ = await run(
        spec(
            """
            SELECT true AS yes, NULL::boolean AS "=unknown", TIMESTAMPTZ '2026-03-29 02:30:00+01' AS instant,
                TIMESTAMPTZ '2026-01-01 00:00:00.25Z' AS fraction, TIMESTAMP '2026-03-29 01:30:00' AS local,
                DATE '2026-03-01' AS day, -1.50::numeric AS fee, -3 AS below, '=cmd()' AS formula, '-3' AS dash,
                E'\\ttab' AS tab, 'a "quoted", b' AS quoted, E'two\\nlines' AS lines, '' AS empty, NULL::text AS none,
                '＠full' AS wide, interval '1 day 2 hours' AS lasting, ARRAY['=a'] AS list, 'é' AS é,
                1 AS "day", 'x' AS "day"
            """
        )
    )
    assert outcome.status == "done", outcome.reason
    text = result.read_text()
    rows = list(csv.reader(text.splitlines(keepends=True)))
    assert rows[0][:2] == ["yes", "'=unknown"]
    assert rows[1] == [
        "true", "", "2026-03-29T01:30:00Z", "2026-01-01T00:00:00.25Z", "2026-03-29T01:30:00", "2026-03-01", "-1.50",
        "-3", "'=cmd()", "'-3", "'\ttab", 'a "quoted", b', "two\nlines", "", "", "'＠full", "P1DT2H", "{=a}",
        "é", "1", "x",
    ]  # fmt: skip
    assert ',"",,' in text, "an empty text is told from none"


HOSTILE = [
    "O'Neill", "\\", "\\'", "'; DROP TABLE campus.course; --", "$1", ":a", "%s", "%(a)s", "{}", "$$", "$x$", "\u2019",
    "\\x27", "E'\\''", "/*", "*/", "--", "\n", "\r\n", '"', "\\\\'\\", "\u0000"[:0], "😀", "'||pg_sleep(9)||'",
    ") TO STDOUT; --", "\\.", "NULL",
]  # fmt: skip


async def test_a_hostile_value_is_only_ever_a_value(spec: Any, result: Path) -> None:
    texts = tuple({"name": f"p{number}", "type": "text"} for number in range(len(HOSTILE)))
    columns = ", ".join(f"'_' || :p{number} AS c{number}" for number in range(len(HOSTILE)))
    values = {f"p{number}": value for number, value in enumerate(HOSTILE)}
    outcome, _ = await run(spec(f"SELECT {columns}, :p0::text = 'O''Neill'", texts, **values))
    assert outcome.status == "done", outcome.reason
    with result.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == [f"_{value}" for value in HOSTILE] + ["true"]


async def test_values_of_every_type_are_bound_and_one_left_out_is_null(spec: Any, result: Path) -> None:
    kinds = (
        {"name": "n", "type": "integer"},
        {"name": "d", "type": "date"},
        {"name": "f", "type": "decimal"},
        {"name": "b", "type": "boolean"},
        {"name": "c", "type": "choice", "choices": ["ug", "pg"]},
        {"name": "o", "type": "text", "required": False},
    )
    made = spec(
        "SELECT count(*) FROM campus.student WHERE id <= :n AND enrolled >= :d AND fee >= :f"
        " AND (active = :b) AND level::text = :c AND (:o IS NULL OR name = :o) LIMIT :n",
        kinds, n=3000, d="2024-09-02", f="-0.5", b=True, c="ug",
    )  # fmt: skip
    outcome, _ = await run(made)
    assert outcome.status == "done", outcome.reason
    assert result.read_text() == "count\n490\n"


async def test_a_result_cut_at_its_limit_says_truncated_and_holds_exactly_the_limit(spec: Any, result: Path) -> None:
    cut, _ = await run(spec("SELECT id FROM campus.student ORDER BY id", limits=Limits(rows=4_999, seconds=20)))
    assert (cut.status, cut.rows, result.read_text().count("\n")) == ("truncated", 4_999, 5_000)
    assert "4999" in (cut.reason or "")
    whole, _ = await run(spec("SELECT id FROM campus.student ORDER BY id", limits=Limits(rows=5_000, seconds=20)))
    assert (whole.status, whole.rows) == ("done", 5_000)


async def test_a_cross_join_is_refused_before_it_runs(spec: Any, result: Path) -> None:
    started = time.monotonic()
    outcome, _ = await run(spec("SELECT 1 FROM campus.student a, campus.student b, campus.student c"))
    assert outcome.status == "failed"
    assert "join condition" in (outcome.reason or "")
    assert time.monotonic() - started < 5
    assert _left(result) == []


async def test_a_run_ends_at_its_deadline_and_its_query_with_it(spec: Any, campus: Any, result: Path) -> None:
    started = time.monotonic()
    outcome, _ = await run(spec(SLOW, limits=Limits(seconds=1.5)))
    assert 1 < time.monotonic() - started < 4
    assert (outcome.status, outcome.backend_gone) == ("failed", True)
    assert "1.5 s" in (outcome.reason or "")
    assert _backends(campus) == 0
    assert _left(result) == []


async def test_a_cancelled_run_is_gone_from_the_source_within_two_seconds(spec: Any, campus: Any, result: Path) -> None:
    cancel = asyncio.Event()
    running = asyncio.ensure_future(run(spec(SLOW), cancel))
    await _until(lambda: _backends(campus, "md5") == 1)
    started = time.monotonic()
    cancel.set()
    outcome, _ = await running
    assert time.monotonic() - started < 2
    assert (outcome.status, outcome.backend_gone) == ("cancelled", True)
    assert _backends(campus) == 0
    assert _left(result) == []


async def test_progress_is_told_about_once_a_second(spec: Any) -> None:
    _, heard = await run(spec(SLOW, limits=Limits(seconds=2.6)))
    assert [progress.phase for progress in heard] == ["running", "running"]


async def test_a_process_that_is_killed_is_a_failed_run_and_leaves_nothing(
    spec: Any, campus: Any, result: Path
) -> None:
    async with _started(spec(SLOW)) as running:
        await _until(lambda: _backends(campus, "md5") == 1)
        os.kill(_child_of(os.getpid()), signal.SIGKILL)
        outcome, _ = await running
    assert outcome.status == "failed"
    assert "ended before" in (outcome.reason or "")
    assert _left(result) == []
    await _until(lambda: _backends(campus) == 0, seconds=5)


async def test_no_query_outlives_a_killed_worker_by_five_seconds(spec: Any, campus: Any, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import asyncio, sys\n"
        "from enquiry_service.export.messages import Spec\n"
        "from enquiry_service.export.parent import run_in_child\n"
        "async def hear(progress): pass\n"
        "spec = Spec.model_validate_json(sys.stdin.read())\n"
        "asyncio.run(run_in_child(spec, on_progress=hear, cancel=asyncio.Event()))\n"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, str(script), stdin=asyncio.subprocess.PIPE)
    assert worker.stdin is not None
    worker.stdin.write(spec(SLOW).model_dump_json().encode())
    worker.stdin.write_eof()
    await _until(lambda: _backends(campus, "md5") == 1)
    child = _child_of(worker.pid)
    worker.kill()
    await worker.wait()
    await _until(lambda: _backends(campus) == 0, seconds=5)
    await _until(lambda: not Path(f"/proc/{child}").exists(), seconds=5)
    assert _left(tmp_path / "x") == ["worker.py"], "the part file went too"


async def test_a_cancelled_caller_ends_the_query_too(spec: Any, campus: Any, result: Path) -> None:
    running = asyncio.ensure_future(run(spec(SLOW)))
    await _until(lambda: _backends(campus, "md5") == 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert _backends(campus) == 0
    assert _left(result) == []


async def test_a_result_too_large_for_its_limit_fails_and_leaves_nothing(spec: Any, result: Path) -> None:
    limits = Limits(seconds=20, bytes=10_000)
    outcome, _ = await run(spec("SELECT repeat('x', 1000) FROM campus.course", limits=limits))
    assert (outcome.status, outcome.backend_gone) == ("failed", True)
    assert "10000 bytes" in (outcome.reason or "")
    assert _left(result) == []


async def test_a_row_that_no_memory_holds_fails_with_its_reason(spec: Any, result: Path) -> None:
    made = spec("SELECT repeat('x', 300000000) FROM campus.course").model_copy(update={"memory": 600 * 2**20})
    outcome, _ = await run(made)
    assert outcome.status == "failed"
    assert "row of the result" in (outcome.reason or ""), outcome.reason
    assert _left(result) == []


async def test_storage_that_is_not_there_is_told(spec: Any, result: Path) -> None:
    outcome, _ = await run(spec("SELECT 1").model_copy(update={"path": str(result / "absent" / "a.csv")}))
    assert outcome.status == "failed"
    assert "stored" in (outcome.reason or "")


async def test_what_a_dead_writer_left_is_taken_over(spec: Any, result: Path) -> None:
    result.with_name("result.csv.part").write_text("left by a writer that was killed, longer than the new result")
    outcome, _ = await run(spec("SELECT 1 AS one"))
    assert outcome.status == "done"
    assert result.read_text() == "one\n1\n"


async def test_data_that_does_not_fit_is_told_without_the_data(spec: Any) -> None:
    outcome, _ = await run(spec("SELECT name::int FROM campus.student"))
    assert outcome.status == "failed"
    assert "22P02" in (outcome.reason or "")
    assert "Student" not in (outcome.reason or "")


async def test_a_source_away_is_a_reason_that_holds_no_secret(spec: Any, campus: Any) -> None:
    made = spec("SELECT 1")
    away = campus.target.model_copy(update={"port": 1, "password": SecretStr("hush-hush")})
    outcome, _ = await run(made.model_copy(update={"target": away}))
    assert outcome.status == "failed"
    assert "cannot be reached" in (outcome.reason or "")
    assert "hush" not in outcome.model_dump_json()


async def test_the_process_shows_no_secret_to_others_on_the_machine(spec: Any, campus: Any) -> None:
    async with _started(spec(SLOW, limits=Limits(seconds=2))) as running:
        await _until(lambda: _backends(campus, "md5") == 1)
        folder = Path(f"/proc/{_child_of(os.getpid())}")
        shown = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        await running
    assert campus.target.password.get_secret_value().encode() not in shown


def _backends(campus: Any, word: str = "") -> int:
    with psycopg.connect(campus.owner_url) as owner:
        row = owner.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE usename = %s AND strpos(query, %s) > 0 AND (%s = '' OR state = 'active')",
            (campus.role, word, word),
        ).fetchone()
    assert row is not None
    return int(row[0])


def _child_of(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (child,) = [
        int(child) for child in children if b"enquiry_service.export" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return child


async def _until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < end, "it did not come to hold in time"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def _started(spec: Spec) -> AsyncIterator[asyncio.Future[Any]]:
    running = asyncio.ensure_future(run(spec))
    try:
        yield running
    finally:
        await running
