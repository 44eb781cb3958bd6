"""The private PostgreSQL of a home: prepared, started, shared, stopped. On 127.0.0.1, with scram, no socket file.

Whoever holds `postgres.lock` owns the server and ends it; another starter on the same home shares it. The lock
goes with its holder, so a server that runs while nobody holds the lock was left by a kill and is ended first.
"""

import fcntl
import hashlib
import locale
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from lodge_local import accounts, children, ports, programs
from lodge_local.failures import Failed
from lodge_local.home import Home, password
from lodge_local.supervisor import Process

SUPERUSER = "postgres"
REFUGE = Path("/var/lib/lodge")
"""Where a server of root lives when its user may not come to the home, as below /root."""
_LARGEST_LOG = 10_000_000
_ENVIRONMENT = {"PATH": os.defpath, "TZ": "UTC"}


class Cluster:
    """One PostgreSQL server and its data. `throwaway` ones are for tests: nothing is synced to the disk."""

    def __init__(self, home: Home, *, port: int, throwaway: bool = False) -> None:
        self.home = home
        self.throwaway = throwaway
        self.account = accounts.for_postgres()
        self.log = home.folder / "postgres.log"
        self._wanted_port = port
        self._lock: IO[str] | None = None
        self._programs: programs.Programs | None = None
        self._child: subprocess.Popen[bytes] | None = None

    # -- facts

    @property
    def place(self) -> Path:
        """The folder that PostgreSQL lives in; once chosen it is written down, since the data stays there."""
        named = self.home.folder / "postgres"
        if not named.exists():
            place = Path("database")  # relative: the home may be moved
            if not accounts.may_enter(self.account, self.home.folder):
                place = REFUGE / hashlib.sha256(str(self.home.folder).encode()).hexdigest()[:16]
            named.write_text(f"{place}\n")
        return self.home.folder / named.read_text().rstrip("\n")

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.place / "data"

    @property
    def password(self) -> str:
        """The superuser's password, made at first use."""
        return self.home.kept("postgres", "superuser", password)

    @property
    def port(self) -> int:
        """The port that the running server has, or the one that it will get."""
        lines = self._postmaster()
        return int(lines[3]) if len(lines) > 3 and self._lock is None else self._wanted_port  # noqa: PLR2004 - line 4

    @property
    def url(self) -> str:
        """The superuser's URL."""
        return url(SUPERUSER, self.password, self.port, "postgres")

    @property
    def version(self) -> str:
        """The version of the programs, once prepared."""
        return self._programs.version if self._programs else "shared"

    def is_ready(self) -> bool:
        """Say whether the server takes connections, by the file that it keeps about itself."""
        lines = self._postmaster()
        return len(lines) > 7 and lines[7].strip() == "ready" and self._is_ours(int(lines[0]))  # noqa: PLR2004 - line 8

    def last_words(self) -> str:
        """Answer the last complaint in the server's log."""
        with suppress(OSError):
            told = self.log.read_text(errors="replace").splitlines()[-50:]
            complaints = [line for line in told if "FATAL:" in line or "PANIC:" in line]
            return (complaints or told or [""])[-1].strip()
        return ""

    # -- preparing

    def claim(self) -> bool:
        """Become the owner of the server; False where another starter on this home is."""
        lock = (self.home.folder / "postgres.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True

    def prepare(self) -> None:
        """Make all ready for `command`: what was left is cleared, programs and data folder are there."""
        self.clear()
        try:
            self._make_place()
            made_by = self.data / "PG_VERSION"
            major = int(made_by.read_text()) if made_by.exists() else None
            self._programs = programs.find(self.account, self.place / "programs", major=major)
            if major is None:
                self._make_data(self._programs)
        except OSError as error:
            raise Failed(
                f"postgres: {self.place} cannot be prepared ({error}): is the disk full or read-only?"
            ) from None
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))

    @property
    def command(self) -> list[str]:
        """The server's command line. It runs in the foreground and ends cleanly on SIGINT."""
        if self._programs is None:
            raise RuntimeError("prepare() comes first")
        settings = {
            "listen_addresses": ports.HOST,
            "port": str(self._wanted_port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "log_checkpoints": "off",
        }
        if self.throwaway:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs.folder / "postgres"), "-D", str(self.data), *words]

    @property
    def process(self) -> Process:
        """The server as something to supervise."""

        async def is_ready() -> bool:
            return self.is_ready()

        return Process(
            "postgres", self.command, _ENVIRONMENT, is_ready=is_ready, complaint=self.last_words,
            account=self.account, log=self.log, folder="/", stop=signal.SIGINT, at_our_death=signal.SIGINT,
        )  # fmt: skip

    def _make_place(self) -> None:
        place = self.place
        if place.parent == REFUGE:
            REFUGE.mkdir(mode=0o755, parents=True, exist_ok=True)
            REFUGE.chmod(0o755)
        place.mkdir(mode=0o700, exist_ok=True)
        accounts.give(self.account, place, 0o700)
        if not accounts.may_enter(self.account, place):
            raise Failed(
                f"postgres: the user {self.account.name if self.account else 'that you are'} may not enter {place},"
                f" where the data is: give it the right to pass through, or remove {self.home.folder} to start anew."
            )

    def _make_data(self, found: programs.Programs) -> None:
        coming = self.place / "coming"  # renamed when whole: an initdb that was killed leaves nothing that looks whole
        shutil.rmtree(coming, ignore_errors=True)
        told = self.place / "superuser"
        told.write_text(self.password)
        accounts.give(self.account, told, 0o600)
        command = [
            str(found.folder / "initdb"), "-D", str(coming), "-U", SUPERUSER, f"--pwfile={told}", "-A", "scram-sha-256",
            "--encoding=UTF8", *_locale(found.major), "--no-instructions", *(["--no-sync"] if self.throwaway else []),
        ]  # fmt: skip
        made = subprocess.run(  # noqa: S603 - PostgreSQL's own program
            command, cwd="/", env=_ENVIRONMENT, check=False, capture_output=True, text=True,
            **accounts.options(self.account),
        )  # fmt: skip
        told.unlink()
        if made.returncode:
            raise Failed(
                f"postgres: the data folder could not be made: {(made.stderr.strip() or 'no reason').splitlines()[-1]}"
            )
        coming.rename(self.data)

    # -- what a kill left behind

    def clear(self) -> None:
        """End a server of this data folder that nobody owns, and forget one that is gone or a zombie."""
        deadline = time.monotonic() + 60
        while (lines := self._postmaster()) and self._is_ours(pid := int(lines[0])):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)  # a fast and clean shutdown; asking twice does no harm
            if time.monotonic() > deadline:
                raise Failed(f"postgres: process {pid}, left by an earlier run, does not end: end it by hand.")
            time.sleep(0.05)
        # A number that now belongs to another program, or to a zombie that nobody reaps, would stop the server.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _postmaster(self) -> list[str]:
        with suppress(OSError):
            return (self.data / "postmaster.pid").read_text().splitlines()
        return []

    def _is_ours(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return not Path("/proc/self").exists() and _exists(pid)
        return os.fsencode(self.data) in command.split(b"\0")  # a zombie's is empty

    def remove(self) -> None:
        """Remove the data and the copied programs; the server must be stopped."""
        shutil.rmtree(self.place, ignore_errors=True)

    # -- without a supervisor: tests, tools

    def start(self, *, patience: float = 20) -> None:
        """Start the server and wait until it takes connections. From the main thread: see `children`."""
        self.prepare()
        deadline = time.monotonic() + patience
        while not self.is_ready():
            if self._child is None or self._child.poll() is not None:
                # Retried: what is left of a killed server may hold its shared memory for a moment.
                if time.monotonic() > deadline:
                    raise Failed(f"postgres: does not start: {self.last_words()}")
                with self.log.open("ab") as log:
                    self._child = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
                        self.command, cwd="/", env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                        **children.bound(self.account, at_our_death=signal.SIGINT),
                    )  # fmt: skip
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop what `start` started, cleanly, and let the lock go."""
        if self._child is not None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(30)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None


@contextmanager
def running(home: Home, *, port: int, throwaway: bool = False) -> Iterator[Cluster]:
    """Have the home's server: start and end it, or share the one that another starter owns."""
    cluster = Cluster(home, port=port, throwaway=throwaway)
    try:
        if cluster.claim():
            cluster.start()
        else:
            wait_for_owner(cluster)
        yield cluster
    finally:
        cluster.stop()


def wait_for_owner(cluster: Cluster, *, patience: float = 30) -> None:
    """Wait until the server that another starter owns takes connections."""
    deadline = time.monotonic() + patience
    while not cluster.is_ready():
        if time.monotonic() > deadline:
            raise Failed(
                f"postgres: another process is starting it in {cluster.home.folder} and does not come to an end."
            )
        time.sleep(0.05)


def url(user: str, secret: str, port: int, database: str) -> str:
    """Write the URL of a database of the private server."""
    return f"postgresql://{quote(user)}:{quote(secret, safe='')}@{ports.HOST}:{port}/{quote(database)}"


def _locale(major: int) -> list[str]:
    """Sort by bytes, and know the letters of every script, whatever the machine's locale is.

    pg_trgm reads LC_CTYPE of the C library, so the built-in provider alone would drop the é of a name.
    """
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        letters = "C.UTF-8"
    except locale.Error:
        letters = "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    built_in = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []  # noqa: PLR2004 - its first
    return ["--locale=C", f"--lc-ctype={letters}", *built_in]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
