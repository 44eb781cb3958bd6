"""One structured line a request, in the form of `lodge_kit.logs`, gathered and written a few times a second.

Written by hand, since going through the logging libraries costs half of what forwarding does. Paths only: a query
may hold a token.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime

from lodge_kit.context import Cause

_EVERY = 0.2  # seconds


class AccessLog:
    """Gathers lines; `form` is json, or text for a person at a terminal."""

    def __init__(self, form: str) -> None:
        self._json = form == "json"
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def record(
        self,
        cause: Cause,
        *,
        method: str,
        path: str,
        status: int,
        seconds: float,
        size: int,
        service: str,
        caller: str | None,
        client: str | None,
        address: str,
        left: bool,
    ) -> None:
        """Take down one request; `left`: the caller did not wait for the end."""
        line = {
            "event": "request",
            "level": "info",
            "logger": "gateway.access_log",
            "deployable": "gateway",
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "request_id": cause.request_id,
            "trace_id": cause.traceparent[3:35],
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "bytes": size,
            "service": service,
            "caller": caller,
            "client": client,
            "address": address,
        }
        if left:
            line["left"] = True
        self._lines.append(json.dumps(line) if self._json else _text(line))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            text = "\n".join(self._lines) + "\n"
            self._lines.clear()
            sys.stdout.write(text)
            sys.stdout.flush()


def _text(line: dict[str, object]) -> str:
    text = "{timestamp} [info     ] {method} {path} {status} {ms} ms {bytes} B → {service} {caller} {request_id}"
    return text.format(**line)
