"""ready: seconds from `python -m lodge_local run` on a home that was used before to its line that Lodge is ready.

That is PostgreSQL, three migrations, the first administrator looked for, three services, three workers, the gateway.
The peer is one process of a bare FastAPI and SQLModel app, from its start to its first answer.
"""

import asyncio
import time
from pathlib import Path

from lodge_local import ports
from tests.benchmarks import suite
from tests.benchmarks.figures import Figure, Tell, in_turn
from tests.benchmarks.processes import home, program, started


def measure(tell: Tell) -> Figure:
    """Measure."""
    with home() as folder:
        value, peer = asyncio.run(_measure(folder, tell))
    return Figure("ready", value, "seconds", "one bare FastAPI + SQLModel process", peer)


async def _measure(folder: Path, tell: Tell) -> tuple[float, float]:
    port = suite.first_port()

    async def ours() -> float:
        began = time.perf_counter()
        with suite.running(folder, port) as started_suite:
            await suite.until_ready(started_suite)
            return time.perf_counter() - began

    async def peer() -> float:
        bare = ports.free()
        began = time.perf_counter()
        with started(program("bare", bare), folder=folder, log="peer.log") as process:
            await process.until_serving(bare)
            return time.perf_counter() - began

    tell("the first start, which is not measured")
    tell(f"{await ours():.1f} s with an empty home")
    return await in_turn(ours, peer, rounds=3, within=25, tell=tell)
