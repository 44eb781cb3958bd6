"""Where a test run gets its PostgreSQL from."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from lodge_kit.testing import docker
from lodge_local import server_for_tests
from lodge_local.databases import create_database
from lodge_local.failures import Failed

WaitFor = Callable[[Callable[[], object]], None]
SERVER = os.environ.get("LODGE_TEST_SERVER_URL", "")


def test_the_run_has_a_server_whose_superuser_we_are() -> None:
    with psycopg.connect(SERVER) as connection:
        assert connection.execute("SELECT current_setting('is_superuser')").fetchone() == ("on",)


def test_the_named_one_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    found = server_for_tests.provide({"LODGE_TEST_DATABASE_URL": SERVER})
    assert found.url == SERVER
    assert found.described.startswith("LODGE_TEST_DATABASE_URL, PostgreSQL 1")


def test_a_named_one_that_does_not_answer_is_an_error_and_not_passed_over() -> None:
    with pytest.raises(Failed, match=r"^LODGE_TEST_DATABASE_URL cannot be reached: .*refused"):
        server_for_tests.provide({"LODGE_TEST_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"})


def test_a_named_one_must_be_a_superusers(worker_id: str) -> None:
    url = create_database(SERVER, f"plain_{worker_id}_{os.getpid()}", password="x")
    with pytest.raises(Failed, match="must name a superuser"):
        server_for_tests.provide({"LODGE_TEST_DATABASE_URL": url})
    with psycopg.connect(SERVER, autocommit=True) as connection:
        name = url.rpartition("/")[2]
        connection.execute(f'DROP DATABASE "{name}"')
        connection.execute(f'DROP ROLE "{name}"')


@pytest.fixture
def temporary(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folders go here, apart from those of runs at the same time."""
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))
    return open_folder


@pytest.fixture
def broken_engine(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Docker engine that answers /_ping and can do nothing else."""
    path = str(open_folder / "docker.sock")
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(path)
        engine.listen()
        answering = threading.Thread(target=_answer, args=(engine,))
        answering.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield
        engine.shutdown(socket.SHUT_RDWR)
        answering.join()


def _answer(engine: socket.socket) -> None:
    while True:
        try:
            caller, _ = engine.accept()
        except OSError:
            return
        with caller:
            asked = caller.recv(65536)
            status = "200 OK" if b"/_ping" in asked else "500 Internal Server Error"
            caller.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK".encode())


@pytest.mark.usefixtures("broken_engine")
def test_an_engine_that_starts_no_container_is_passed_over_and_the_header_says_why(temporary: Path) -> None:
    environment = dict[str, str]()
    found = server_for_tests.provide(environment)
    try:
        assert found.described.startswith("embedded, PostgreSQL 18")
        assert "(Docker: " in found.described
        assert environment[docker.FAILS] in found.described
    finally:
        found.stop()
    assert list(temporary.glob("lodge-tests-*")) == []


def test_our_own_ends_with_a_run_that_is_killed_and_the_next_run_sweeps(temporary: Path, wait_for: WaitFor) -> None:
    program = """
import os, signal
from lodge_local import server_for_tests
print(server_for_tests.provide({}).url, flush=True)
signal.pause()
"""
    environment = os.environ | {"TMPDIR": str(temporary), "DOCKER_HOST": "unix:///nowhere"}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        psycopg.connect(url).close()
        run.send_signal(signal.SIGKILL)
    wait_for(lambda: not _answers(url))
    left = set(temporary.glob("lodge-tests-*"))
    assert len(left) == 1
    server_for_tests.sweep(temporary)
    assert list(temporary.glob("lodge-tests-*")) == []


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
