"""Whether a server on this machine says that it is ready: GET /readyz, or another path, answers 200."""

import asyncio
from collections.abc import Awaitable, Callable

from lodge_local import ports

_PATIENCE = 3.0


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
