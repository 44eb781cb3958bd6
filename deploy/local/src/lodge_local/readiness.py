"""Whether a server on this machine says that it is ready: GET /readyz, or another path, answers 200."""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from lodge_local import ports

Question = Callable[[], Awaitable[bool]]
_PATIENCE = 3.0
_LOOK = 0.05


def of_server(port: int, path: str = "/readyz") -> Question:
    """Answer the question for the server at `port`."""

    async def is_ready() -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await _status(port, path) == b"200"
        except (OSError, TimeoutError):
            return False

    return is_ready


async def _status(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(ports.HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {ports.HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline())[9:12]
    finally:
        writer.close()


async def of_rights(gateway: str, key_file: Path, *, patience: float) -> None:
    """Wait until the key of a service's account is let into every service; raises TimeoutError.

    access-service's worker asks the other services for their permissions once they run: before that, the first
    calls that a person tries would be refused. We try none before access-service says that all are held.
    """
    services = ("access", "enquiry", "release")

    def holds_all() -> bool:
        held = (_asked(f"{gateway}/access/v1/me", key_file) or {}).get("permissions", {})
        return all(f"{service}.subscribe" in held for service in services)

    async with asyncio.timeout(patience):
        await _until(holds_all)
        for service in services:
            await _until(partial(_asked, f"{gateway}/{service}/v1/event-types", key_file))


async def _until(is_true: Callable[[], object]) -> None:
    while not await asyncio.to_thread(is_true):  # noqa: ASYNC110 - another process's state
        await asyncio.sleep(_LOOK)


def opens(gateway: str, key_file: Path) -> bool:
    """Say whether the file holds a key that the gateway takes."""
    return _asked(f"{gateway}/access/v1/me", key_file) is not None


def _asked(url: str, key_file: Path) -> dict[str, Any] | None:
    """Answer what the gateway answers, None where that is no success."""
    # No proxy of the environment: the gateway is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        headers = {"Authorization": f"Bearer {key_file.read_text().strip()}"}
        with opener.open(urllib.request.Request(url, headers=headers), timeout=_PATIENCE) as answer:  # noqa: S310 - ours
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return None
