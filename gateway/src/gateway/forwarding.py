"""Carries one request to a service and its answer back: streamed both ways, a piece at a time, never gathered.

Where the caller leaves, the upstream call ends. Watching for that costs a task, so it begins when an answer is not
over after half a second; from then on a caller's rights are also looked at again every 20 s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Send

from gateway.headers import Received, answered
from gateway.upstream import Incoming, Outgoing, Upstream

_WATCH_AFTER = 0.5
_AUTHORISED_FOR = 20.0
_BODILESS = frozenset({204, 304})

StillAllowed = Callable[[], Awaitable[bool]]


class Aborted(Exception):  # noqa: N818 - what became of the exchange
    """The answer was begun and cannot be finished: the connection is closed, as nothing else tells the caller."""


@dataclass(slots=True)
class Exchange:
    """One request as the server hands it over, and what became of it."""

    scope: Any
    receive: Receive
    send: Send
    received: Received
    request_id: bytes
    status: int = 0
    bytes_sent: int = 0
    left: bool = False
    route: str = "none"
    errors: str = "problem"
    service: str = "gateway"
    caller: str | None = None
    client: str | None = None
    address: str = ""

    @property
    def target(self) -> str:
        """Answer the raw path and query, as they came."""
        query = self.scope["query_string"]
        path = self.scope["raw_path"].decode("ascii")
        return f"{path}?{query.decode('ascii')}" if query else path


class Body:
    """The request's body, a piece for each `receive()`. Can be read once: a body that is gone is never sent again."""

    def __init__(self, receive: Receive, leave: Callable[[], None]) -> None:
        self._receive = receive
        self._leave = leave
        self._more = True
        self._begun = False

    @property
    def over(self) -> bool:
        """Say whether all of it was read, so that `receive()` is free."""
        return not self._more

    def __aiter__(self) -> "Body":
        if self._begun:
            raise ConnectionAbortedError("the body was sent already")
        self._begun = True
        return self

    async def __anext__(self) -> bytes:
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._more = False
                self._leave()
                raise ConnectionAbortedError("the caller left")
            self._more = message.get("more_body", False)
            if body := message.get("body", b""):
                return bytes(body)
        raise StopAsyncIteration


class Watch:
    """Ends the exchange where the caller leaves or may no longer see the answer."""

    def __init__(self, exchange: Exchange, still_allowed: StillAllowed) -> None:
        self._exchange = exchange
        self._still_allowed = still_allowed
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer = self._loop.call_later(_WATCH_AFTER, self._begin)
        self._watching: asyncio.Task[None] | None = None
        self.body: Body | None = None
        self.ended = False

    def leave(self) -> None:
        """End the exchange, as the caller left."""
        self._exchange.left = True
        self._end()

    def stop(self) -> None:
        """Watch no more."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _end(self) -> None:
        if not self.ended and self._task is not None:
            self.ended = True
            self._task.cancel()

    def _begin(self) -> None:
        if self.body is not None and not self.body.over:
            self._timer = self._loop.call_later(_WATCH_AFTER, self._begin)  # the body's reader sees a leave
        else:
            self._watching = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        leaving = asyncio.ensure_future(_left(self._exchange.receive))
        try:
            while True:
                done, _ = await asyncio.wait({leaving}, timeout=_AUTHORISED_FOR)
                if done:
                    self.leave()
                    return
                if not await self._still_allowed():
                    self._end()
                    return
        finally:
            leaving.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def forward(
    exchange: Exchange,
    upstream: Upstream,
    *,
    service: str,
    url: str,
    headers: Sequence[tuple[bytes, bytes]],
    still_allowed: StillAllowed,
) -> None:
    """Forward with `headers` besides those that were kept.

    Raises a problem before the first byte of an answer, `Aborted` after it, nothing when the caller left.
    """
    watch = Watch(exchange, still_allowed)
    try:
        await _carry(exchange, upstream, service, url, headers, watch)
    except asyncio.CancelledError:
        if not watch.ended:
            raise
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        if not exchange.left:
            raise Aborted("the caller's rights ended") from None
    finally:
        watch.stop()


async def _carry(
    exchange: Exchange,
    upstream: Upstream,
    service: str,
    url: str,
    headers: Sequence[tuple[bytes, bytes]],
    watch: Watch,
) -> None:
    received = exchange.received
    outgoing = [*received.kept, *headers]
    body = None
    if received.has_body:
        body = watch.body = Body(exchange.receive, watch.leave)
        if (length := received.taken.get(b"content-length")) is not None:
            outgoing.append((b"content-length", length))
    elif b"content-length" in received.taken:
        outgoing.append((b"content-length", b"0"))
    answer = await upstream.send(Outgoing(service, exchange.scope["method"], url, exchange.target, outgoing, body))
    try:
        await _answer(exchange, answer)
    finally:
        answer.close()


async def _answer(exchange: Exchange, answer: Incoming) -> None:
    bodiless = answer.status in _BODILESS
    headers = answered(answer.headers, bodiless=bodiless)
    headers.append((b"x-request-id", exchange.request_id))
    exchange.status = answer.status
    send = exchange.send
    try:
        # The first piece came with the head as a rule: awaiting it costs nothing, and where it did not,
        # the head must not wait for it.
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        ended = answer.ended
        while not ended:
            piece = await answer.read()
            ended = answer.ended
            exchange.bytes_sent += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": not ended})
            if ended:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except Exception as error:
        raise Aborted(f"the answer of {exchange.status} broke off: {error}") from error
