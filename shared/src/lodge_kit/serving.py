"""`serve`: an app at its address, until it is told to stop."""

import asyncio
import gc
from typing import Any

import uvicorn
from fastapi import FastAPI

from lodge_kit.application import App


def serve(app: App, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    config = uvicorn.Config(
        app.front or app, host=host, port=port, log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=20, backlog=2048,
    )  # fmt: skip
    settle()
    Server(config, app).run()


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
