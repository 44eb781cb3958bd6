"""The processes of a bench: started, waited for, measured by the kernel's own account, ended with the bench."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp

from lodge_local import children, ports, postgres
from lodge_local.failures import Failed
from lodge_local.home import Home

_PROGRAMS = Path(__file__).parent / "programs"
_PATIENCE = 30.0
_PREFIX, _MARK = "lodge-bench-", "bench.lock"


@dataclass(frozen=True)
class Started:
    """A process that runs, and the file that its output goes to."""

    child: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """Answer its number."""
        return self.child.pid

    def said(self) -> str:
        """Answer what it has said so far."""
        return self.log.read_text(errors="replace")

    def demand_alive(self) -> None:
        """Raise Failed, with its last line, when it has ended."""
        if self.child.poll() is not None:
            last = (self.said().strip().splitlines() or ["it said nothing"])[-1]
            raise Failed(f"{Path(str(self.child.args[-1])).name} ended by itself: {last}")  # type: ignore[index]  # a list of ours

    async def until_serving(self, port: int, path: str = "/", *, patience: float = _PATIENCE) -> None:
        """Wait until it answers 200 at the path."""
        deadline = time.monotonic() + patience
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as client:
            while time.monotonic() < deadline:
                self.demand_alive()
                try:
                    async with client.get(f"http://{ports.HOST}:{port}{path}") as answer:
                        if answer.status == HTTPStatus.OK:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.01)
        raise Failed(f"Nothing serves on port {port} after {patience:.0f} s: {self.said()[-500:]}")


@contextmanager
def started(
    command: Sequence[str],
    *,
    folder: Path,
    log: str,
    environment: Mapping[str, str] | None = None,
    patience: float = 30,
) -> Iterator[Started]:
    """Run a command; its output goes to a file `log` in `folder`. It ends with the block, and when we are killed."""
    path = folder / log
    with path.open("wb") as out:
        child = subprocess.Popen(
            list(command), env=_surroundings() | dict(environment or {}), cwd=folder, stdin=subprocess.DEVNULL,
            stdout=out, stderr=out, **children.bound(at_our_death=signal.SIGTERM),
        )  # fmt: skip
    try:
        yield Started(child, path)
    finally:
        child.terminate()
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def module(*words: str) -> list[str]:
    """Answer the command of one of Lodge's own: `module("gateway", "serve")`."""
    return [sys.executable, "-P", "-m", *words]


def program(name: str, *words: str | int | Path) -> list[str]:
    """Answer the command of one of our own small programs."""
    return [sys.executable, "-P", str(_PROGRAMS / f"{name}.py"), *map(str, words)]


def _surroundings() -> dict[str, str]:
    """Answer our environment without what the person has set for a Lodge of his own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LODGE_")}


@contextmanager
def home() -> Iterator[Path]:
    """Have a folder for a while, then no more; what killed runs left of theirs goes first."""
    temporary = Path(tempfile.gettempdir())
    for left in temporary.glob(f"{_PREFIX}*"):
        with suppress(OSError), (left / _MARK).open("a") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a run that lives holds it
            _remove(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temporary))
    with (folder / _MARK).open("a") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a home, and the PostgreSQL that lived there or, because of it, elsewhere."""
    opened = Home(folder)
    cluster = postgres.Cluster(opened, port=0)
    cluster.clear()
    cluster.remove()
    opened.close()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database_server() -> Iterator[tuple[Path, postgres.Cluster]]:
    """Run a PostgreSQL of the bench's own, which syncs nothing to the disk; answers a folder to work in as well."""
    with home() as folder:
        opened = Home(folder)
        with postgres.running(opened, port=ports.free(), throwaway=True) as cluster:
            yield folder, cluster
        opened.close()


# -- the kernel's own account


def demand_accounts() -> None:
    """Raise Failed where the kernel does not tell what its processes use."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise Failed("this needs Linux, whose /proc tells what a process uses.")


def cpu_seconds(pid: int) -> float:
    """Answer the CPU time of a process with all its threads, its own and the kernel's for it (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Answer a process and all that descend from it."""
    below: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        below.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += below.get(one, [])
    return found


def memory(pids: Sequence[int]) -> float:
    """Answer the MB of some processes: what they share is counted once in all (PSS)."""
    kilobytes = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes * 1024 / 1e6
