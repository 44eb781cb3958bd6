"""One structured line a request, in the form of `lodge_kit.logs`, gathered and written a few times a second.

Written by hand, since going through the logging libraries costs more than forwarding a request or deciding one.
Paths only: a query may hold a token.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from lodge_kit.context import Cause

_EVERY = 0.2  # seconds
_MOST = 30_000
"""Bytes that are gathered: little enough to stay in the processor's cache."""
_HEAD = ("event", "level", "logger", "deployable", "timestamp")


class AccessLog:
    """Gathers the lines of one deployable; `form` is json, or text for a person at a terminal."""

    def __init__(self, deployable: str, *, form: str, logger: str) -> None:
        self._fixed = {"event": "request", "level": "info", "logger": logger, "deployable": deployable}
        self._add = _add_json if form == "json" else _add_text
        self._gathered = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def record(self, cause: Cause, **facts: str | float | None) -> None:
        """Take down one request."""
        line: dict[str, Any] = {
            **self._fixed,
            "timestamp": datetime.now(UTC),
            "request_id": cause.request_id,
            "trace_id": cause.traceparent[3:35],
            **facts,
        }
        gathered = self._gathered
        self._add(line, gathered)
        if len(gathered) > _MOST:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered:
            sys.stdout.write(self._gathered.decode())
            self._gathered.clear()
            sys.stdout.flush()


_encode_into = msgspec.json.Encoder().encode_into


def _add_json(line: dict[str, Any], gathered: bytearray) -> None:
    _encode_into(line, gathered, -1)
    gathered += b"\n"


def _add_text(line: dict[str, Any], gathered: bytearray) -> None:
    facts = " ".join(f"{name}={value}" for name, value in line.items() if name not in _HEAD)
    text = "{timestamp:%Y-%m-%dT%H:%M:%S.%fZ} [{level:<9}] {event} [{logger}] {facts}\n".format(**line, facts=facts)
    gathered += text.encode()
