"""What is known of the request at hand wherever the code is: its id and its trace.

The id ties together the caller's answer, the log, the event, and the webhook that the event becomes.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import getrandbits
from typing import NamedTuple

_SAFE_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Cause(NamedTuple):
    """The call that started it all: our id of it, and its W3C trace context."""

    request_id: str
    traceparent: str


_NONE = Cause("none", "00-00000000000000000000000000000001-0000000000000001-00")
_current: ContextVar[Cause] = ContextVar("lodge_cause", default=_NONE)


def cause(request_id: str | None, traceparent: str | None) -> Cause:
    r"""Take over what the caller sent where it is safe, and make what is missing.

    An `X-Request-Id` that is not `[\\w.-]{1,64}` is replaced: it goes into logs and headers.
    """
    chance = f"{getrandbits(192):048x}"  # no secret: only to be told apart
    known_id = request_id if request_id and _SAFE_ID.fullmatch(request_id) else chance[:32]
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        return Cause(known_id, traceparent)
    return Cause(known_id, f"00-{chance[:32]}-{chance[32:]}-01")


def cause_of(headers: Iterable[tuple[bytes, bytes]]) -> Cause:
    """Answer the cause that a request's headers tell (ASGI's: names in lower case)."""
    request_id = traceparent = None
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value.decode("latin-1")
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
    return cause(request_id, traceparent)


@contextmanager
def entered(this: Cause) -> Iterator[Cause]:
    """Make `this` the present cause for as long as the block runs."""
    token = _current.set(this)
    try:
        yield this
    finally:
        _current.reset(token)


def current() -> Cause:
    """Answer the cause of what is being done now."""
    return _current.get()


def request_id() -> str:
    """Answer the id of the request at hand."""
    return _current.get().request_id
