"""Answers that take a while: said at once where they are quick, and otherwise with something on the way meanwhile.

Blank lines before JSON mean nothing to whoever reads it (RFC 8259, section 2), and keep a gateway or a proxy from
taking silence for the end.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from fastapi import Response
from starlette.responses import StreamingResponse

SILENCE = 5.0
"""Seconds."""


async def patiently(answer: Coroutine[Any, Any, bytes], *, silence: float = SILENCE) -> Response:
    """Answer what `answer` comes to, JSON. It is cancelled when the caller leaves.

    What fails within the first seconds is answered as any error; later, the connection breaks.
    """
    running = asyncio.create_task(answer)
    await asyncio.wait({running}, timeout=silence)
    if running.done():
        return Response(running.result(), media_type="application/json")
    return StreamingResponse(_kept_awake(running, silence), media_type="application/json")


async def _kept_awake(running: asyncio.Task[bytes], silence: float) -> AsyncIterator[bytes]:
    try:
        while not running.done():
            yield b"\n"
            await asyncio.wait({running}, timeout=silence)
        yield running.result()
    finally:
        running.cancel()
