"""The wire between a process and its database, which tests cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.engine import make_url


class Wire:
    """A port in front of PostgreSQL that can be cut and mended, or fall silent."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._is_whole = False
        self.port = 0

    async def mend(self) -> None:
        """Take connections (again)."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._is_whole = True

    def fall_silent(self) -> None:
        """Hold back what comes, on connections that stay open: what a lost route looks like from both ends."""
        self._open.clear()

    def speak(self) -> None:
        """Let through what was held back, and all else."""
        self._open.set()

    async def cut(self) -> None:
        """Break all connections and take none."""
        assert self._server  # noqa: S101 - it was mended first
        self.speak()
        self._is_whole = False
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_connection(*self._to)
        if not self._is_whole:  # cut while this one was being made: it would outlive the others
            writer.transport.abort()
            onward.transport.abort()
            return
        self._ends |= {writer, onward}
        for source, sink in ((reader, onward), (there, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """Put a wire before a database for a while; answers it with the URL that goes through it."""
    real = make_url(url)
    wire = Wire(real.host or "127.0.0.1", real.port or 5432)
    await wire.mend()
    try:
        yield wire, real.set(host="127.0.0.1", port=wire.port).render_as_string(hide_password=False)
    finally:
        await wire.cut()
