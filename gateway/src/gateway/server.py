"""uvicorn as the gateway runs it: httptools and uvloop, nothing of its own in requests or logs.

The parser's refusals become problems too, and the request line's target is kept for the guard.
"""

import gc
import json
import secrets
import socket
from http import HTTPStatus

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.entry import TARGET
from gateway.settings import Config, GatewaySettings
from lodge_kit.problems import MEDIA_TYPE


class GateProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with what the ASGI scope has no place for."""

    def on_headers_complete(self) -> None:
        """Keep the target as it came: in its absolute form it names a host."""
        self.scope[TARGET] = self.url  # type: ignore[literal-required]  # a key of our own
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says more
        """Answer what is not HTTP with a problem, and close."""
        body = json.dumps(
            {
                "type": "urn:lodge:problem:bad-request",
                "title": HTTPStatus.BAD_REQUEST.phrase,
                "status": 400,
                "detail": "This is not a request that can be read as HTTP.",
                "instance": "",
                "code": "bad-request",
                "request_id": secrets.token_hex(16),
                "errors": [],
            }
        ).encode()
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()


class Server(uvicorn.Server):
    """Frees requests from the collector's long pauses: what is there once started stays."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then leave what was imported to rest."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)


def server_config(app: ASGIApp, settings: GatewaySettings, config: Config) -> uvicorn.Config:
    """Say how uvicorn runs the app."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=GateProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=config.limits.drain,
        backlog=2048,
    )
