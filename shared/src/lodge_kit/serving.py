"""`serve`: an app at its address, until it is told to stop."""

import asyncio
import gc
from collections.abc import Mapping
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lodge_kit import logs
from lodge_kit.application import App, PromptAnswer

log = logs.logger(__name__)


def serve(app: App, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    config = uvicorn.Config(
        app.front or app, host=host, port=port, log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=20, backlog=2048, http=Prompt,
    )  # fmt: skip
    settle()
    Server(config, app).run()


class InOneWrite(HttpToolsProtocol):
    """Sends the head of an answer and its body together: uvicorn alone writes each to the socket by itself.

    Half of what a small answer costs is in the kernel, and as much again at who waits for it and is woken twice.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a TCP server
        """Begin a connection."""
        self._gathering = _Gathering(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self._gathering))


_ANSWER = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n\r\n%b"


class Prompt(InOneWrite):
    """Answers in the turn in which a request came whole what the app can say without waiting (`Front.prompt`).

    A task for each request, and what it waits by, is otherwise half of what a small answer costs. What the app has
    no prompt answer for goes on as any request does, and so does one that did not come in one piece.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._prompt: Mapping[bytes, PromptAnswer] = getattr(self.config.app, "prompt", {})
        self._held: PromptAnswer | None = None
        self._body = b""
        self._default_headers: object = None
        self._written_defaults = b""
        self._answered = 0.0
        """When the last prompt answer was given, by the loop's clock; 0 where there came another request since."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._answered = 0.0
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """Hold back what may be answered at once until its body is there, which is in a moment or not at once."""
        answering = self._prompt.get(self.url)
        if answering is not None and self._is_plain():
            self._held, self._body = answering, b""
        else:
            self._as_usual()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """Answer, where there is something to say at once."""
        if self._held is None:
            super().on_message_complete()
            return
        try:
            answer = self._held(self.headers, self._body)
        except Exception:
            log.exception("a prompt answer failed: the request is served as usual")
            answer = None
        if answer is None:
            self._pass_on()
            super().on_message_complete()
            return
        self._held = None
        request_id, body = answer
        self._gathering.write_now(_ANSWER % (self._defaults(), len(body), request_id.encode(), body))
        self.server_state.total_requests += 1
        self._answered = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take what came; what is held back still has not come whole."""
        timer, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        super().data_received(data)
        if self._held is not None and not self.transport.is_closing():  # it is, where the rest could not be read
            self._pass_on()
        if not self._answered:
            if timer is not None:
                timer.cancel()
        elif timer is None:
            self._await_more(self.timeout_keep_alive)
        else:
            self.timeout_keep_alive_task = timer  # it will see; a new one for each answer costs as much as to decide

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing came for long enough."""
        left = self._answered + self.timeout_keep_alive - self.loop.time()
        if self._answered and left > 0:
            self._await_more(left)
        else:
            super().timeout_keep_alive_handler()

    def _await_more(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _is_plain(self) -> bool:
        """Say whether this is the only request under way on its connection, which will stay open, and nothing odd."""
        parser = self.parser
        return (
            parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)  # type: ignore[redundant-expr]  # None at first
            and not self.expect_100_continue
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
        )

    def _as_usual(self) -> None:
        """Have the request served, its head being complete."""
        url, headers, expect_100_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # what an app is told of a request is made only here: a prompt answer needs none
        self.url, self.expect_100_continue = url, expect_100_continue
        self.headers.extend(headers)
        super().on_headers_complete()

    def _defaults(self) -> bytes:
        """Answer the headers that every answer has: the date, which is another one each second."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._written_defaults = b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._written_defaults

    def _pass_on(self) -> None:
        """Have what was held back served as any request is."""
        self._held = None
        self._as_usual()
        if self._body:
            super().on_body(self._body)
            self._body = b""


class _Gathering:
    """A transport that writes, once a turn of the loop, all that it was given in that turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._gathered: list[bytes] = []
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send this, in a moment."""
        if not self._gathered:
            self._loop.call_soon(self._flush)
        self._gathered.append(data)

    def write_now(self, data: bytes) -> None:
        """Send this whole answer, unless there is something to be sent before it."""
        if self._gathered:
            self.write(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is left, and end."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered and not self._transport.is_closing():  # whoever asked may have gone meanwhile
            self._transport.write(b"".join(gathered))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Server(uvicorn.Server):
    """Tells the app when it is to stop, so that answers without an end come to one."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._closing: asyncio.Event = app.state.closing

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Be told by a signal."""
        self._tell()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Be told by the program that serves."""
        self._tell()
        self.should_exit = True

    def _tell(self) -> None:
        self._closing.set()


def settle() -> None:
    """Keep the collector from walking what start-up made at every turn: it is the p99 otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
