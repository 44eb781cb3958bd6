"""How an app is served: answers leave whole, whatever they are made of."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from lodge_kit.serving import InOneWrite
from lodge_kit.testing.waiting import until

pytestmark = pytest.mark.anyio

PARTS = [bytes([65 + number]) * 70_000 for number in range(20)]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what came, or with parts and a pause after each."""
    parts = PARTS if scope["path"] == "/parts" else [(await receive())["body"]]
    length = str(sum(map(len, parts))).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for number, part in enumerate(parts, start=1):
        message: Message = {"type": "http.response.body", "body": part, "more_body": number < len(parts)}
        await send(message)
        await asyncio.sleep(0)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http=InOneWrite)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - serve() takes the run's signals
        await until(lambda: server.started)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await running


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200 ")
    return await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))


async def test_a_connection_has_each_answer_whole_and_in_turn() -> None:
    async with served() as (reader, writer), asyncio.timeout(20):
        for word in (b"first", b"second"):
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(word), word))
            assert await answer(reader) == word
        writer.write(b"GET /parts HTTP/1.1\r\nHost: h\r\n\r\n")
        assert await answer(reader) == b"".join(PARTS)


async def test_the_last_answer_of_a_connection_is_sent_before_it_is_closed() -> None:
    async with served() as (reader, writer), asyncio.timeout(20):
        writer.write(b"GET /parts HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert await answer(reader) == b"".join(PARTS)
        assert await reader.read() == b""
