"""`serve`: an app at its address, until it is told to stop."""

import asyncio
import gc
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lodge_kit.application import App


def serve(app: App, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    config = uvicorn.Config(
        app.front or app, host=host, port=port, log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=20, backlog=2048, http=InOneWrite,
    )  # fmt: skip
    settle()
    Server(config, app).run()


class InOneWrite(HttpToolsProtocol):
    """Sends the head of an answer and its body together: uvicorn alone writes each to the socket by itself.

    Half of what a small answer costs is in the kernel, and as much again at who waits for it and is woken twice.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of a TCP server
        """Begin a connection."""
        super().connection_made(cast(asyncio.Transport, _Gathering(transport, self.loop)))


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
