"""How an app is served: answers leave whole, whatever they are made of."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lodge_kit.application import PromptAnswer, RawHeaders
from lodge_kit.serving import Prompt
from lodge_kit.testing.waiting import until

pytestmark = pytest.mark.anyio

PARTS = [bytes([65 + number]) * 70_000 for number in range(20)]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what came, or with parts and a pause after each."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    parts = PARTS if scope["path"] == "/parts" else [body]
    length = str(sum(map(len, parts))).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for number, part in enumerate(parts, start=1):
        answer: Message = {"type": "http.response.body", "body": part, "more_body": number < len(parts)}
        await send(answer)
        await asyncio.sleep(0)


class Prompted:
    """The app with answers that need no wait: to what is not empty, and not `later`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    @property
    def prompt(self) -> dict[bytes, PromptAnswer]:
        return {b"/prompt": self._answer}

    def _answer(self, headers: RawHeaders, body: bytes) -> tuple[str, bytes] | None:
        if body == b"broken":
            raise ValueError("a fault of ours")
        name = dict(headers).get(b"x-request-id", b"none").decode()
        return None if body == b"later" else (name, b"at once: " + body)


@asynccontextmanager
async def served(
    app: ASGIApp = app, *, idle: int = 5
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", http=Prompt, timeout_keep_alive=idle
    )
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
    assert head.count(b"\r\ndate: ") == 1
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


def asked(body: bytes, *, path: str = "/prompt", more: str = "", version: str = "1.1") -> bytes:
    head = f"POST {path} HTTP/{version}\r\nHost: h\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


async def test_what_needs_no_wait_is_answered_at_once_and_all_else_is_served() -> None:
    async with served(Prompted()) as (reader, writer), asyncio.timeout(20):
        for sent, expected in (
            (asked(b"one"), b"at once: one"),
            (asked(b"later"), b"later"),
            (asked(b"broken"), b"broken"),
            (asked(b"two", path="/prompt?a=1"), b"two"),
            (asked(b"three").replace(b"POST", b"PUT"), b"three"),
            (asked(b"four", more="Expect: 100-continue\r\n"), b"four"),
            (asked(b"five"), b"at once: five"),
        ):
            writer.write(sent)
            if b"Expect" in sent:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            assert await answer(reader) == expected


async def test_a_request_that_comes_in_pieces_is_served_like_any_other() -> None:
    async with served(Prompted()) as (reader, writer), asyncio.timeout(20):
        sent = asked(b"in pieces")
        for place in (20, len(sent) - 9, len(sent) - 4):
            for piece in (sent[:place], sent[place:]):
                writer.write(piece)
                await asyncio.sleep(0.01)  # likelier to be read apart; right either way
            assert (await answer(reader)).removeprefix(b"at once: ") == b"in pieces"
            writer.write(asked(b"next"))
            assert await answer(reader) == b"at once: next"


async def test_answers_are_in_the_order_of_the_requests_that_came_together() -> None:
    async with served(Prompted()) as (reader, writer), asyncio.timeout(20):
        writer.write(asked(b"one") + asked(b"two") + asked(b"later") + asked(b"three") + asked(b"", path="/parts"))
        assert await answer(reader) == b"at once: one"
        assert await answer(reader) == b"at once: two"
        assert await answer(reader) == b"later"
        assert await answer(reader) == b"three"  # something was still to be answered when it came
        assert await answer(reader) == b"".join(PARTS)


async def test_an_answer_at_once_has_the_id_of_its_request() -> None:
    async with served(Prompted()) as (reader, writer), asyncio.timeout(20):
        writer.write(asked(b"one", more="X-Request-Id: mine\r\n"))
        assert b"x-request-id: mine\r\n" in await reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize("how", [{"more": "Connection: close\r\n"}, {"version": "1.0"}])
async def test_a_connection_that_is_to_end_ends_after_its_answer(how: dict[str, str]) -> None:
    async with served(Prompted()) as (reader, writer), asyncio.timeout(20):
        writer.write(asked(b"last", **how))
        assert await answer(reader) == b"last"
        assert await reader.read() == b""


@pytest.mark.parametrize("before", [b"", asked(b"other", path="/other")])
async def test_a_connection_is_closed_when_nothing_more_comes(before: bytes) -> None:
    async with served(Prompted(), idle=1) as (reader, writer), asyncio.timeout(20):
        writer.write(before)
        if before:
            assert await answer(reader) == b"other"
        writer.write(asked(b"last"))
        assert await answer(reader) == b"at once: last"
        assert await reader.read() == b""


async def test_what_cannot_be_read_is_refused_and_not_served() -> None:
    async with served(Prompted()) as (reader, writer), asyncio.timeout(20):
        writer.write(b"POST /prompt HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfourX")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert await reader.read() == b"Invalid HTTP request received."
