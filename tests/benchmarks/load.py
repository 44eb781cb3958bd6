"""The load: requests sent over connections that stay open, the same bytes to us and to the peer."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lodge_local import ports
from lodge_local.failures import Failed

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Fired:
    """How long it took, and the bodies and waits (seconds) in the order of the requests."""

    seconds: float
    bodies: Sequence[bytes]
    waits: Sequence[float]


def request(method: str, path: str, *, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Write a request of HTTP/1.1."""
    lines = [f"{method} {path} HTTP/1.1", "Host: lodge.example", *(f"{name}: {text}" for name, text in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def fire(port: int, requests: Sequence[bytes], *, connections: int) -> Fired:
    """Send each request once, as many at a time as there are connections. Raises Failed unless each answer is 200."""
    opened = [await asyncio.open_connection(ports.HOST, port) for _ in range(connections)]
    bodies: list[bytes] = [b""] * len(requests)
    waits = [0.0] * len(requests)
    coming = iter(enumerate(requests))

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, sent in coming:  # shared: whoever is free takes the next
            asked = time.perf_counter()
            writer.write(sent)
            bodies[number] = await _answer(reader)
            waits[number] = time.perf_counter() - asked

    awake = asyncio.create_task(_stay_awake())
    began = time.perf_counter()
    try:
        async with asyncio.timeout(60):
            await _all(converse(*one) for one in opened)
        return Fired(time.perf_counter() - began, bodies, waits)
    finally:
        awake.cancel()
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


async def _stay_awake() -> None:
    """Have this process wait for answers without sleeping.

    To wake a process on another core costs the one that writes to it as much as a small answer: a server would be
    charged for it when it is slower than the load, and not when it is as fast.
    """
    while True:  # noqa: ASYNC110 - not to wait is the point
        await asyncio.sleep(0)


async def _all(conversations: Any) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for one in conversations:
                group.create_task(one)
    except* (OSError, asyncio.IncompleteReadError) as broken:
        raise Failed(f"A connection broke off: {broken.exceptions[0]!r}") from None
    except* Failed as failures:
        raise failures.exceptions[0] from None


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if length is None:
        raise Failed(f"An answer without a length: {head[:200]!r}")
    body = await reader.readexactly(int(length[1]))
    if head[9:12] != b"200":
        raise Failed(f"An answer that is not 200: {head[:100]!r} {body[:500]!r}")
    return body
