"""Any list as NDJSON: each item a JSON object on a line of its own, just as the list itself shows it."""

from collections.abc import AsyncGenerator, AsyncIterator

from pydantic import BaseModel

MEDIA_TYPE = "application/x-ndjson"
CHUNK = 65_536
"""Characters after which a chunk of the stream is sent."""


async def stream(models: AsyncIterator[BaseModel]) -> AsyncGenerator[bytes]:
    """Write a line for each item as it comes, in chunks of about 64 kB."""
    lines: list[str] = []
    length = 0
    async for item in models:
        lines.append(f"{item.model_dump_json()}\n")
        length += len(lines[-1])
        if length >= CHUNK:
            yield "".join(lines).encode()
            lines.clear()
            length = 0
    if lines:
        yield "".join(lines).encode()
