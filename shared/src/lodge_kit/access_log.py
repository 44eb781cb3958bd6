"""One structured line a request, in the form of `lodge_kit.logs`, gathered and written a few times a second.

Written by hand, since going through the logging libraries costs more than forwarding a request or deciding one.
Paths only: a query may hold a token.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lodge_kit.context import Cause

_EVERY = 0.2  # seconds
_MOST = 100
"""Requests that are gathered. Written down in a row, a line costs a third of what it costs among other work."""
_HEAD = ("event", "level", "logger", "deployable", "timestamp")

Facts = Mapping[str, Any]


class AccessLog:
    """Gathers the lines of one deployable; `form` is json, or text for a person at a terminal.

    `also` is told the facts of each, when it is written down.
    """

    def __init__(
        self, deployable: str, *, form: str, logger: str, also: Callable[[Facts], object] | None = None
    ) -> None:
        self._fixed = {"event": "request", "level": "info", "logger": logger, "deployable": deployable}
        self._written = _json if form == "json" else _text
        self._also = also
        self._gathered: list[tuple[float, Cause, Facts]] = []
        self._timer: asyncio.TimerHandle | None = None

    def record(self, cause: Cause, facts: Facts) -> None:
        """Take down one request."""
        self._gathered.append((time.time(), cause, facts))
        if len(self._gathered) >= _MOST:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, []
        if gathered:
            for _, _, facts in gathered if self._also else ():
                self._also(facts)  # type: ignore[misc]  # it is there
            sys.stdout.write(self._written([self._line(*one) for one in gathered]))
            sys.stdout.flush()

    def _line(self, at: float, cause: Cause, facts: Facts) -> dict[str, Any]:
        return {
            **self._fixed,
            "timestamp": datetime.fromtimestamp(at, UTC),
            "request_id": cause.request_id,
            "trace_id": cause.traceparent[3:35],
            **facts,
        }


_encoder = msgspec.json.Encoder()


def _json(lines: Sequence[Facts]) -> str:
    return _encoder.encode_lines(lines).decode()


def _text(lines: Sequence[Facts]) -> str:
    return "".join(map(_text_of, lines))


def _text_of(line: Facts) -> str:
    facts = " ".join(f"{name}={value}" for name, value in line.items() if name not in _HEAD)
    return "{timestamp:%Y-%m-%dT%H:%M:%S.%fZ} [{level:<9}] {event} [{logger}] {facts}\n".format(**line, facts=facts)
