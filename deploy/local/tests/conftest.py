"""Homes, ports that are free, and waiting for what comes."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lodge_local import ports
from lodge_local.home import Home


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine may pass through, with a space in its path."""
    outer = Path(tempfile.mkdtemp(prefix="lodge local "))
    outer.chmod(0o755)
    yield outer
    shutil.rmtree(outer)


@pytest.fixture
def home(open_folder: Path) -> Iterator[Home]:
    found = Home(open_folder / "a home")
    yield found
    found.close()


@pytest.fixture
def base_port(worker_id: str) -> int:
    """A port below those that the system gives out, with the twelve after it free as well."""
    first = 20000 + 4000 * int(worker_id.removeprefix("gw") or 0) if worker_id != "master" else 20000
    for port in range(first + os.getpid() % 3000, first + 4000, 16):
        if all(_is_free(port + offset) for offset in range(ports.ISSUER + 1)):
            return port
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return tried.connect_ex((ports.HOST, port)) != 0


@pytest.fixture
def wait_for() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true; fail after a minute: other tests may keep the machine busy."""

    def wait(is_true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not is_true():
            assert time.monotonic() < deadline, "waited a minute in vain"
            time.sleep(0.05)

    return wait
