"""The one PostgreSQL of a test run: LODGE_TEST_DATABASE_URL, else Docker's, else one of our own.

Ours ends with the run, however the run ends; its folder is in the temporary one, and what a killed run left there
is removed by the next.
"""

import fcntl
import shutil
import tempfile
import threading
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from lodge_kit.testing import docker
from lodge_local import ports, postgres
from lodge_local.failures import Failed
from lodge_local.home import Home

NAMED = "LODGE_TEST_DATABASE_URL"
_PREFIX = "lodge-tests-"
_CONTAINER_PATIENCE = 60.0
_IMAGE = "postgres:18"


@dataclass(frozen=True)
class TestServer:
    """A server with its superuser's URL, and how to be rid of it."""

    __test__ = False

    url: str
    described: str
    stop: Callable[[], None]


def provide(environment: MutableMapping[str, str]) -> TestServer:
    """Find or start the server. `environment` is told where Docker was tried in vain. Raises Failed."""
    if named := environment.get(NAMED):
        return TestServer(named, f"{NAMED}, {_version(named)}", lambda: None)
    why = ""
    if docker.answers():
        found = _in_docker(environment)
        if isinstance(found, TestServer):
            return found
        environment[docker.FAILS] = found
        why = f" (Docker: {found})"
    return _embedded(why)


def _version(url: str) -> str:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            is_superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
            version = connection.info.server_version // 10000
    except psycopg.Error as error:
        raise Failed(f"{NAMED} cannot be reached: {str(error).strip().splitlines()[0]}") from None
    if is_superuser != (True,):
        raise Failed(f"{NAMED} must name a superuser: tests make databases and roles, and empty tables quickly.")
    return f"PostgreSQL {version}"


def _embedded(why: str) -> TestServer:
    temporary = Path(tempfile.gettempdir())
    sweep(temporary)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temporary))
    home = Home(folder)
    home.claim()
    cluster = postgres.Cluster(home, port=ports.free(), throwaway=True)

    def stop() -> None:
        cluster.stop()
        cluster.remove()
        home.close()
        shutil.rmtree(folder, ignore_errors=True)

    try:
        cluster.claim()
        cluster.start()
    except BaseException:
        stop()
        raise
    return TestServer(cluster.url, f"embedded, PostgreSQL {cluster.version}{why}", stop)


def sweep(temporary: Path) -> None:
    """Remove what killed runs left: homes of ours that nobody holds."""
    for folder in temporary.glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            home = Home(folder)
            cluster = postgres.Cluster(home, port=0)
            cluster.clear()
            cluster.remove()
            home.close()
            shutil.rmtree(folder, ignore_errors=True)


def _in_docker(environment: MutableMapping[str, str]) -> TestServer | str:
    """Start a container, or answer why there is none within the patience."""
    environment.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    environment.setdefault("TC_MAX_TRIES", str(int(_CONTAINER_PATIENCE) - 5))
    if Path("/.dockerenv").exists() and "/containers/" not in Path("/proc/self/mountinfo").read_text():
        # A machine that only looks like a container: published ports are on its own loopback.
        environment.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    result: list[TestServer | str] = []
    given_up = threading.Event()

    def begin() -> None:
        try:
            found = _container()
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on with its own server
            result.append(f"{str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__}")
            return
        result.append(found)
        if given_up.is_set():
            found.stop()

    starting = threading.Thread(target=begin, daemon=True)
    starting.start()
    starting.join(_CONTAINER_PATIENCE)
    if not result:
        given_up.set()
        return f"no container started within {_CONTAINER_PATIENCE:.0f} s"
    return result[0]


def _container() -> TestServer:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - heavy, and seldom needed

    settings = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_connections=200"
    container: Any = PostgresContainer(_IMAGE, username="postgres", dbname="postgres", driver=None)
    container.with_command(f"postgres {settings}")
    try:
        container.start()
        url = str(container.get_connection_url())
        return TestServer(url, f"Docker, {_version(url)}", container.stop)
    except BaseException:
        container.stop()
        raise
