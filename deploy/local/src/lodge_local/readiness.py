"""Whether a server on this machine says that it is ready: GET /readyz, or another path, answers 200."""

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

from lodge_local import ports

_PATIENCE = 3.0
_LOOK = 0.05
_OK = 200


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
    """Wait until the administrator's key is let into every service; raises TimeoutError.

    access-service's worker asks the other services for their permissions once they run: before that, the first
    calls that a person tries would be refused.
    """
    async with asyncio.timeout(patience):
        for service in ("access", "enquiry", "release"):
            path = f"{gateway}/{service}/v1/event-types"
            while not await asyncio.to_thread(_lets_in, path, key_file):  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(_LOOK)


def _lets_in(url: str, key_file: Path) -> bool:
    headers = {"Authorization": f"Bearer {key_file.read_text().strip()}"}
    try:
        asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own gateway
        with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:  # noqa: S310 - as above
            return bool(answer.status == _OK)
    except OSError:
        return False
