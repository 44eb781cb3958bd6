"""memory: MB of all processes of the suite once it is ready and has answered a little: PSS, so shared pages once.

The supervisor and PostgreSQL count as well. The peer is a bare FastAPI and SQLModel app, as many processes of it as
Lodge has of its own (three services, three workers, the gateway), without a database server.
"""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from lodge_local import ports
from tests.benchmarks import suite
from tests.benchmarks.figures import Figure, Tell, in_turn
from tests.benchmarks.load import fire, request
from tests.benchmarks.processes import demand_accounts, family, home, memory, program, started

PROCESSES = 7
CALLS = 100
_PATHS = ("/access/v1/people?limit=3", "/enquiry/v1/enquiries?limit=3", "/release/v1/releases?limit=3")


def measure(tell: Tell) -> Figure:
    """Measure."""
    demand_accounts()
    with home() as folder:
        value, peer = asyncio.run(_measure(folder, tell))
    return Figure("memory", value, "MB", f"{PROCESSES} bare FastAPI + SQLModel processes", peer)


async def _measure(folder: Path, tell: Tell) -> tuple[float, float]:
    port = suite.first_port()
    tell("starting the suite and the peer")
    with ExitStack() as stack:
        lodge = stack.enter_context(suite.running(folder, port))
        await suite.until_ready(lodge)
        bare = [ports.free() for _ in range(PROCESSES)]
        peers = [
            stack.enter_context(started(program("bare", one), folder=folder, log=f"peer-{one}.log")) for one in bare
        ]
        for process, one in zip(peers, bare, strict=True):
            await process.until_serving(one)
        key = (folder / "admin-key").read_text().strip()
        calls = [request("GET", path, headers={"Authorization": f"Bearer {key}"}) for path in _PATHS] * CALLS
        alive = [request("GET", "/", headers={})] * len(_PATHS) * CALLS

        async def ours() -> float:
            await fire(port, calls, connections=8)
            return memory(family(lodge.pid))

        async def peer() -> float:
            for one in bare:
                await fire(one, alive[:CALLS], connections=8)
            return memory([process.pid for process in peers])

        return await in_turn(ours, peer, rounds=3, within=20, tell=tell)
