"""Keeps processes running: starts them, hears what they say, restarts those that end, stops all in reverse order.

A process that fails five times in a row stops everything, with one sentence that names it.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lodge_local import children
from lodge_local.accounts import Account
from lodge_local.failures import Failed
from lodge_local.log import is_routine
from lodge_local.progress import tell


@dataclass(frozen=True)
class Process:
    """A program to run, as data."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    """All that it gets; None: what we have."""
    is_ready: Callable[[], Awaitable[bool]] | None = None
    """None: ready as soon as it runs."""
    complaint: Callable[[], str] | None = None
    """Where to look for its last words, if not at the end of its output."""
    account: Account | None = None
    log: Path | None = None
    """A file that its output goes to; None: to us, each line with its name before it."""
    folder: str | None = None
    stop: signal.Signals = signal.SIGTERM
    at_our_death: signal.Signals = signal.SIGKILL


@dataclass(frozen=True)
class Backoff:
    """How long to wait before a restart, in seconds, and when to give up."""

    first: float = 0.5
    limit: int = 5
    """Failures in a row that stop everything."""
    settled: float = 30
    """A process that ran as long as this begins to count anew."""

    def delay(self, failures: int) -> float:
        """Answer the wait after the n-th failure in a row: it doubles."""
        return self.first * 2.0 ** (failures - 1)


@dataclass
class _Running:
    """A process that we keep, with what it said last."""

    what: Process
    keeper: asyncio.Task[None] | None = None
    child: asyncio.subprocess.Process | None = None
    said: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    def last_words(self) -> str:
        if self.what.complaint is not None and (found := self.what.complaint()):
            return found
        lines = [line for line in self.said if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"


class Supervisor:
    """`oversee` is the whole of it; what it oversees calls `once`, `start` and `until_ready`.

    `record` is told every line that is said; `write` those that a person should see.
    """

    def __init__(
        self,
        *,
        backoff: Backoff | None = None,
        patience: float = 25,
        write: Callable[[str], None] = tell,
        record: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._backoff = backoff or Backoff()
        self._patience = patience
        self._write = write
        self._record = record
        self._stages: list[list[_Running]] = []
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = False
        self._hurry = asyncio.Event()
        self._width = 0

    async def oversee(self, launch: Coroutine[Any, Any, None]) -> None:
        """Run `launch` and keep what it started until SIGINT, SIGTERM or a failure; then stop all.

        Raises Failed where it was a failure. To be called from the main thread. A second signal stops the hard way.
        """
        loop = asyncio.get_running_loop()
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup's wish
        heeded = [signal.SIGINT, signal.SIGTERM, *([] if ignored else [signal.SIGHUP])]
        for number in heeded:
            loop.add_signal_handler(number, self._asked_to_stop)
        launching = asyncio.create_task(launch)
        try:
            await asyncio.wait({launching, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not self._ended.done():
                launching.result()
            await self._ended
        finally:
            self._stopping = True
            launching.cancel()
            await asyncio.gather(launching, return_exceptions=True)
            await self._stop_all()
            for number in heeded:
                loop.remove_signal_handler(number)
            if self._ended.done():
                self._ended.exception()  # looked at, whichever failure came first

    def start(self, *processes: Process) -> None:
        """Start processes as one stage: stages stop in reverse order, the processes of one together."""
        self._width = max(self._width, *(len(what.name) for what in processes))
        stage = [_Running(what) for what in processes]
        self._stages.append(stage)
        for running in stage:
            running.keeper = asyncio.create_task(self._keep(running))
            running.keeper.add_done_callback(self._keeper_ended)

    async def once(self, what: Process, *, aloud: bool = False) -> None:
        """Run a program to its end. Unless `aloud` it is heard only when it fails: Failed, with its last line."""
        running = _Running(what)
        self._stages.append([running])
        status = await self._run(running, self._heard(running, aloud=aloud))
        self._stages.remove([running])
        if status != 0:
            for line in list(running.said)[: 0 if aloud else -1]:
                self._write(f"{what.name} | {line}")
            raise Failed(_why(running, status))

    async def until_ready(self, *names: str, patience: float = 60) -> None:
        """Wait until the named processes, or all that were started, are ready."""
        deadline = asyncio.get_running_loop().time() + patience
        for running in [one for stage in self._stages for one in stage if not names or one.what.name in names]:
            while running.what.is_ready is not None and not await running.what.is_ready():
                if asyncio.get_running_loop().time() > deadline:
                    raise Failed(f"{running.what.name} is not ready after {patience:.0f} s: {running.last_words()}")
                await asyncio.sleep(0.05)

    def _asked_to_stop(self) -> None:
        if self._stopping:
            self._hurry.set()
        elif not self._ended.done():
            self._ended.set_result(None)

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()) and not self._ended.done():
            self._ended.set_exception(error)

    async def _keep(self, running: _Running) -> None:
        loop = asyncio.get_running_loop()
        name, failures = running.what.name, 0
        while True:
            began = loop.time()
            status = await self._run(running, self._heard(running))
            if self._stopping:
                return
            if status == os.EX_CONFIG:
                raise Failed(_why(running, status))
            failures = 1 if loop.time() - began > self._backoff.settled else failures + 1
            if failures >= self._backoff.limit:
                raise Failed(
                    f"{name} failed {failures} times in a row; the last time it {_how(status)}: {running.last_words()}"
                )
            delay = self._backoff.delay(failures)
            self._say(f"lodge: {name} {_how(status)}; it is started again in {delay:g} s")
            await asyncio.sleep(delay)

    async def _run(self, running: _Running, hear: Callable[[str], None]) -> int:
        what = running.what
        with _file(what.log) if what.log else _lines(hear) as output:
            try:
                child = await asyncio.create_subprocess_exec(
                    *what.command, env=what.environment, cwd=what.folder, stdin=asyncio.subprocess.DEVNULL,
                    stdout=output, stderr=output, **children.bound(what.account, at_our_death=what.at_our_death),
                )  # fmt: skip
            except OSError as error:
                running.said.append(f"{what.command[0]} cannot be run: {error.strerror}")
                return 127
            running.child = child
            if self._stopping:  # the order to stop came while it was being made
                _send(child, what.stop)
            status = await child.wait()
            _send_group(child, signal.SIGKILL)  # what it started and left
            return status

    async def _stop_all(self) -> None:
        self._stopping = True
        for stage in reversed(self._stages):
            self._hurry.clear()  # hurrying the services must not cost the database its clean end
            await asyncio.gather(*(self._stop(running) for running in stage))

    async def _stop(self, running: _Running) -> None:
        child = running.child
        if child is not None and child.returncode is None:
            _send(child, running.what.stop)
            ended, hurry = asyncio.create_task(child.wait()), asyncio.create_task(self._hurry.wait())
            await asyncio.wait({ended, hurry}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
            if not ended.done():
                self._say(f"lodge: {running.what.name} did not stop and is killed")
                _send_group(child, signal.SIGKILL)
            await ended
        if running.keeper is not None:
            running.keeper.cancel()
            await asyncio.gather(running.keeper, return_exceptions=True)

    def _say(self, line: str) -> None:
        self._record(line)
        self._write(line)

    def _heard(self, running: _Running, *, aloud: bool = True) -> Callable[[str], None]:
        def hear(line: str) -> None:
            running.said.append(line)
            prefixed = f"{running.what.name:<{self._width}} | {line}"
            self._record(prefixed)
            if aloud and not is_routine(line):
                self._write(prefixed)

        return hear


@contextmanager
def _file(log: Path) -> Iterator[int]:
    with log.open("ab") as out:
        yield out.fileno()


@contextmanager
def _lines(hear: Callable[[str], None]) -> Iterator[int]:
    """Have a pipe whose lines are heard.

    Our own: with asyncio's, `wait()` of Python 3.11 hangs as long as a grandchild holds it open.
    """
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    rest = b""

    def read() -> None:
        nonlocal rest
        with suppress(BlockingIOError):
            while heard := os.read(reading, 65536):
                *lines, rest = (rest + heard).split(b"\n")
                for line in lines:
                    hear(line.decode(errors="replace"))

    loop.add_reader(reading, read)
    try:
        yield writing
    finally:
        loop.remove_reader(reading)
        os.close(writing)  # ours; with it open the pipe never ends, so that reading is never busy with nothing
        read()
        os.close(reading)
        if rest:
            hear(rest.decode(errors="replace"))


def _send(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # past asyncio's own, which would reap the child behind its watcher's back
        os.kill(child.pid, number)


def _send_group(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def _why(running: _Running, status: int) -> str:
    """Say why a process ended. With EX_CONFIG its own sentence says it all, and to start it again is no use."""
    how = "cannot start" if status == os.EX_CONFIG else _how(status)
    return f"{running.what.name} {how}: {running.last_words()}"


def _how(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
