"""Whether a server on this machine says that it is ready: GET /readyz, or another path, answers 200."""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

from lodge_local import ports

_PATIENCE = 3.0
_LOOK = 0.05


def of_server(port: int, path: str = "/readyz") -> Callable[[], Awaitable[bool]]:
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
    """Wait until the administrator's key holds rights in every service; raises TimeoutError.

    access-service's worker asks the other services for their permissions once they run: before that, the first
    calls that a person tries would be refused.
    """
    async with asyncio.timeout(patience):
        while not await asyncio.to_thread(_has_rights, gateway, key_file):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(_LOOK)


def _has_rights(gateway: str, key_file: Path) -> bool:
    key = key_file.read_text().strip()
    asked = urllib.request.Request(f"{gateway}/access/v1/me", headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - our own gateway
    try:
        with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:  # noqa: S310 - as above
            held = json.load(answer)["permissions"]
    except (OSError, ValueError):
        return False
    return {name.partition(".")[0] for name in held} >= {"access", "enquiry", "release"}
