"""The supervisor with tiny programs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lodge_local.failures import Failed
from lodge_local.supervisor import Backoff, Process, Supervisor

pytestmark = pytest.mark.anyio
AT_ONCE = Backoff(first=0.001)


def python(name: str, program: str, **more: object) -> Process:
    return Process(name, [sys.executable, "-c", program], **more)  # type: ignore[arg-type]  # a test's short form


def says_when_it_stops(name: str, log: Path) -> str:
    return f"""
import pathlib, signal, sys
def stop(*_):
    with open({str(log)!r}, "a") as log: log.write("{name} ")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
pathlib.Path({str(log)!r} + ".{name}").touch()
signal.pause()
"""


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


async def stop_when(condition: Callable[[], object]) -> None:
    await until(condition)
    os.kill(os.getpid(), signal.SIGTERM)


async def test_sigterm_stops_the_stages_in_reverse_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor(write=lambda _: None)

    async def launch() -> None:
        for name in ("database", "service", "gateway"):
            supervisor.start(python(name, says_when_it_stops(name, log)))
        await stop_when(lambda: len(list(tmp_path.glob("log.*"))) == 3)

    await supervisor.oversee(launch())
    assert log.read_text() == "gateway service database "


async def test_a_process_that_fails_five_times_in_a_row_names_itself_and_stops_all(tmp_path: Path) -> None:
    log, said = tmp_path / "log", list[str]()
    supervisor = Supervisor(backoff=AT_ONCE, write=said.append)

    async def launch() -> None:
        supervisor.start(python("steady", says_when_it_stops("steady", log)))
        await until(Path(f"{log}.steady").exists)
        supervisor.start(python("broken", "import sys; sys.exit('the roof is gone')"))

    with pytest.raises(Failed, match=r"^broken failed 5 times in a row; .* status 1: the roof is gone$"):
        await supervisor.oversee(launch())
    assert log.read_text() == "steady "
    assert said.count("broken | the roof is gone") == 5


async def test_a_process_whose_settings_are_wrong_is_not_tried_again() -> None:
    supervisor = Supervisor(write=lambda _: None)
    wrong = python("gateway", "import os, sys; print('Settings: no key', flush=True); sys.exit(os.EX_CONFIG)")

    async def launch() -> None:
        supervisor.start(wrong)

    async with asyncio.timeout(10):
        with pytest.raises(Failed, match=r"^gateway cannot start: Settings: no key$"):
            await supervisor.oversee(launch())


async def test_a_process_that_ran_for_long_begins_to_count_anew(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    supervisor = Supervisor(backoff=Backoff(first=0.001, settled=0), write=lambda _: None)

    async def launch() -> None:
        supervisor.start(python("flaky", f"open({str(marks)!r}, 'a').write('x')"))
        await stop_when(lambda: marks.exists() and len(marks.read_text()) > 6)

    await supervisor.oversee(launch())


async def test_a_process_that_ignores_the_order_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    said = list[str]()
    supervisor = Supervisor(patience=0.1, write=said.append)
    program = f"""
import os, signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "60"])
with open({str(pids)!r}, "w") as file: file.write(f"{{os.getpid()}} {{child.pid}} end")
signal.pause()
"""

    async def launch() -> None:
        supervisor.start(python("deaf", program))
        await stop_when(lambda: pids.exists() and "end" in pids.read_text())

    await supervisor.oversee(launch())
    assert said == ["lodge: deaf did not stop and is killed"]
    await _all_gone(pids)


async def test_what_a_process_says_is_prefixed_to_the_last_word() -> None:
    said = list[str]()
    supervisor = Supervisor(backoff=Backoff(first=60), write=said.append)

    async def launch() -> None:
        supervisor.start(
            python("a", "print('one'); print('x' * 200_000); print('no newline', end='')"), python("long", "")
        )
        await stop_when(lambda: sum("started again" in line for line in said) == 2)

    await supervisor.oversee(launch())
    assert [line for line in said if line.startswith("a ")] == [
        "a    | one",
        "a    | " + "x" * 200_000,
        "a    | no newline",
    ]


async def test_a_line_that_is_routine_is_for_the_record_alone() -> None:
    said, recorded = list[str](), list[str]()
    supervisor = Supervisor(write=said.append, record=recorded.append)
    lines = [
        "2026-01-01T00:00:00.1Z [info     ] request [lodge_kit.edge] status=403",
        '{"event": "request", "level": "info", "status": 403}',
        "2026-01-01T00:00:00.1Z [warning  ] a lease could not be renewed",
        '{"event": "request failed", "level": "error"}',
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "ValueError: [info ] of no use",
    ]

    async def launch() -> None:
        await supervisor.once(python("a", f"print({chr(10).join(lines)!r})"), aloud=True)
        await stop_when(lambda: True)

    await supervisor.oversee(launch())
    assert recorded == [f"a | {line}" for line in lines]
    assert said == recorded[2:]


async def test_a_grandchild_that_holds_the_output_open_hangs_nothing() -> None:
    supervisor = Supervisor(write=lambda _: None)

    async def launch() -> None:
        await supervisor.once(python("parent", "import subprocess; subprocess.Popen(['setsid', 'sleep', '3'])"))
        await stop_when(lambda: True)

    async with asyncio.timeout(2):
        await supervisor.oversee(launch())


async def test_a_program_run_once_is_heard_only_when_it_fails() -> None:
    said = list[str]()
    supervisor = Supervisor(write=said.append)

    async def launch() -> None:
        await supervisor.once(python("fine", "print('chatter')"))
        await supervisor.once(python("migrate", "import sys; print('first', flush=True); sys.exit('no such table')"))

    with pytest.raises(Failed, match=r"^migrate ended with status 1: no such table$"):
        await supervisor.oversee(launch())
    assert said == ["migrate | first"]


async def test_a_program_that_is_not_there_is_named() -> None:
    supervisor = Supervisor(write=lambda _: None)
    with pytest.raises(Failed, match=r"^lost ended with status 127: /nowhere/lost cannot be run: No such file"):
        await supervisor.oversee(supervisor.once(Process("lost", ["/nowhere/lost"])))


async def test_a_process_that_does_not_become_ready_in_time_is_named() -> None:
    supervisor = Supervisor(write=lambda _: None)

    async def never() -> bool:
        return False

    async def launch() -> None:
        supervisor.start(python("slow", "import signal; signal.pause()", is_ready=never))
        await supervisor.until_ready(patience=0.05)

    with pytest.raises(Failed, match=r"^slow is not ready after 0 s: it said nothing$"):
        await supervisor.oversee(launch())


async def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    child = f"import os; open({str(pids)!r}, 'a').write(f'{{os.getpid()}} '); import signal; signal.pause()"
    program = f"""
import asyncio, sys
from lodge_local.supervisor import Process, Supervisor
async def main():
    supervisor = Supervisor()
    async def launch():
        supervisor.start(*(Process(name, [sys.executable, "-c", {child!r}]) for name in "ab"))
    await supervisor.oversee(launch())
asyncio.run(main())
"""
    supervising = subprocess.Popen([sys.executable, "-c", program])  # noqa: ASYNC220 - nothing else runs here
    await until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    supervising.kill()
    supervising.wait()
    await _all_gone(pids)


async def _all_gone(pids: Path) -> None:
    await until(lambda: not any(_runs(word) for word in pids.read_text().split() if word.isdecimal()))


def _runs(pid: str) -> bool:
    """A zombie that its new parent has not yet reaped has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
