"""The whole suite as `make run` starts it, in a home and on ports of a bench's own, without demonstration data."""

import asyncio
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lodge_local import ports
from lodge_local.failures import Failed
from tests.benchmarks.processes import Started, module, started

READY = "Lodge is ready"
_PATIENCE = 45.0


@contextmanager
def running(home: Path, port: int) -> Iterator[Started]:
    """Start `python -m lodge_local run`; ready it is not yet."""
    environment = {"LODGE_HOME": str(home), "LODGE_PORT": str(port), "LODGE_DEMO": "0"}
    command = module("lodge_local", "run")
    with started(command, folder=home, log="suite.log", environment=environment, patience=40) as found:
        yield found


async def until_ready(suite: Started) -> None:
    """Wait for the line that says so. Raises Failed when it ends before, or takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while READY not in suite.said():
        suite.demand_alive()
        if time.monotonic() > deadline:
            raise Failed(f"The suite is not ready after {_PATIENCE:.0f} s: {suite.said()[-500:]}")
        await asyncio.sleep(0.01)


def first_port() -> int:
    """Answer a LODGE_PORT whose other ports are free as well."""
    chance = random.Random()  # noqa: S311 - any will do
    for _ in range(100):
        first = chance.randrange(20_000, 32_000)  # below those that the system hands out by itself
        if all(_is_free(first + offset) for offset in range(ports.ISSUER + 1)):
            return first
    raise Failed("No thirteen free ports in a row were found.")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return tried.connect_ex((ports.HOST, port)) != 0
