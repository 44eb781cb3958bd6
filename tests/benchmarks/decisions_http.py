"""decisions-http and what else is asked of one access-service that holds a million grants (`policy`).

access-service is a real process with its own database and takes the gateway's tokens; its peers ask for no credential:
pycasbin's FastEnforcer with the same policy in memory, behind a FastAPI route, and the least that uvicorn and msgspec
can answer with no policy at all. A rate is of one core: answers by the CPU time of the process that gave them, so that
neither the load nor other work on the machine is in it. One decision in a hundred is recorded, as it is by default.
"""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from cryptography.fernet import Fernet
from joserfc.jwk import OKPKey
from sqlalchemy.engine import make_url

import access_service.migrations
from access_service.tables import Row
from gateway.signing import Signer
from gateway.testing import listening
from lodge_kit.clock import system_clock
from lodge_kit.migrating import migrate
from lodge_local import databases, ports
from lodge_local.failures import Failed
from tests.benchmarks.asking import CONNECTIONS, ITEMS, Asking, Question, batch, question
from tests.benchmarks.figures import Figure, Tell, in_turn
from tests.benchmarks.load import Fired, fire
from tests.benchmarks.policy import load, make
from tests.benchmarks.policy import write_for_casbin as write
from tests.benchmarks.processes import Started, cpu_seconds, database_server, demand_accounts, memory, module, program
from tests.benchmarks.processes import started as start
from tests.benchmarks.seen import end_seen

OURS, CASBIN, BARE = 8_000, 1_000, 16_000
"""Questions a round: enough for the kernel's account of CPU, which ticks a hundred times a second."""
BATCHES = 1_000
SEARCHES = 200
BUILT = "the index of decisions was built"
"""What access-service logs, with the seconds."""
_UNIT = "decisions a second of one core"
_P99 = f"ms to an answer with {CONNECTIONS} waiting, p99"
_PATIENCE = 120.0


@dataclass(frozen=True)
class Setting:
    """The processes that answer, each with its port, and what access-service is asked with."""

    lodge: Started
    casbin: Started
    casbin_port: int
    bare: Started
    bare_port: int
    ask: Asking
    signer: Signer
    gateway: int
    """The port where the keys of the signer are published."""


def measure(tell: Tell) -> list[Figure]:
    """Measure."""
    demand_accounts()
    with database_server() as (folder, cluster):
        return asyncio.run(_measure(folder, cluster.url, tell))


async def _measure(folder: Path, server: str, tell: Tell) -> list[Figure]:
    tell("making a policy of a million grants")
    chance = random.Random(2026)  # noqa: S311 - the same policy each time
    policy = make(chance)
    questions = [question(policy, chance) for _ in range(BARE)]
    batches = [batch(policy, chance) for _ in range(BATCHES)]
    tell("loading it into the database")
    write(folder, policy)
    url = databases.create_database(server, "access", password="bench")
    migrate(url, access_service.migrations, Row.metadata)
    load(make_url(server).set(database="access").render_as_string(hide_password=False), policy)
    async with AsyncExitStack() as stack:
        setting, build = await _started(stack, folder, url, tell)
        singles = await _singles(setting, questions, tell)
        several = await _several(setting, batches, questions, tell)
        tell("starting another access-service, which is told of what ends in the first")
        port = ports.free()
        other = await _lodge(stack, folder, url, setting.gateway, port, log="other")
        await _built(other)
        seen = await end_seen(setting.ask, Asking(port, setting.signer), url, policy)
        return [*singles, *several, await _searches(setting, questions), build, seen]


async def _started(stack: AsyncExitStack, folder: Path, url: str, tell: Tell) -> tuple[Setting, Figure]:
    """Start them, one after the other; answers how long ours took to have it all in memory, and the peer."""
    signer = Signer([OKPKey.generate_key("Ed25519", auto_kid=True)], system_clock)

    async def publish(_asked: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(signer.published())

    gateway = await stack.enter_async_context(listening(publish))
    ports_of = [ports.free() for _ in range(3)]
    tell("starting the peers")
    began = time.perf_counter()
    command = program("deciding", ports_of[1], folder / "model.conf", folder / "policy.csv")
    casbin = stack.enter_context(start(command, folder=folder, log="casbin"))
    await casbin.until_serving(ports_of[1], patience=_PATIENCE)
    peer_seconds = time.perf_counter() - began
    bare = stack.enter_context(start(program("answering", ports_of[2]), folder=folder, log="bare"))
    await bare.until_serving(ports_of[2])
    tell("starting access-service")
    lodge = await _lodge(stack, folder, url, gateway, ports_of[0], log="access")
    seconds = await _built(lodge)
    used, used_by_peer = memory([lodge.pid]), memory([casbin.pid])
    tell(f"built in {seconds:.2f} s, {used:.0f} MB in all; the peer in {peer_seconds:.0f} s, {used_by_peer:.0f} MB")
    ask = Asking(ports_of[0], signer)
    setting = Setting(lodge, casbin, ports_of[1], bare, ports_of[2], ask, signer, gateway)
    return setting, Figure("index-build", seconds, "seconds", "pycasbin, start to ready", peer_seconds)


async def _lodge(stack: AsyncExitStack, folder: Path, url: str, gateway: int, port: int, *, log: str) -> Started:
    """Start an access-service."""
    environment = _environment(url, port, gateway)
    command = module("access_service", "serve")
    lodge = stack.enter_context(start(command, folder=folder, log=log, environment=environment))
    await lodge.until_serving(port, "/readyz")
    return lodge


async def _singles(setting: Setting, questions: Sequence[Question], tell: Tell) -> list[Figure]:
    ask, raw = setting.ask, [setting.ask.evaluation(one) for one in questions]
    casbins = raw[:CASBIN]
    theirs = await fire(setting.casbin_port, casbins, connections=CONNECTIONS)
    _demand_alike((await ask.all(questions[:CASBIN])).bodies, theirs.bodies)
    ours = Answering(setting.lodge, lambda: ask.all(questions[:OURS]))
    casbin = Answering(setting.casbin, lambda: fire(setting.casbin_port, casbins, connections=CONNECTIONS))
    bare = Answering(setting.bare, lambda: fire(setting.bare_port, raw, connections=CONNECTIONS))
    value, peer = await in_turn(ours.rate, casbin.rate, rounds=7, within=60, tell=tell)
    again, least = await in_turn(ours.rate, bare.rate, rounds=7, within=60, tell=tell)
    return [
        Figure("decisions-http", value, _UNIT, "pycasbin FastEnforcer behind the same route", peer),
        Figure("decisions-p99", ours.p99, _P99, "pycasbin FastEnforcer behind the same route", casbin.p99),
        Figure("decisions-bare", again, _UNIT, "a bare ASGI route with msgspec, no policy", least),
    ]


async def _several(
    setting: Setting, batches: Sequence[Sequence[Question]], questions: Sequence[Question], tell: Tell
) -> list[Figure]:
    several = Answering(setting.lodge, lambda: setting.ask.batches(batches), each=ITEMS)
    single = Answering(setting.lodge, lambda: setting.ask.all(questions[:OURS]))
    value, peer = await in_turn(several.rate, single.rate, rounds=7, within=60, tell=tell)
    return [
        Figure("evaluations-batch", value, _UNIT, "single evaluations of the same process", peer),
        Figure("evaluations-p99", several.p99, _P99, "single evaluations of the same process", single.p99),
    ]


class Answering:
    """A process, and how it is asked."""

    def __init__(self, process: Started, ask: Callable[[], Awaitable[Fired]], *, each: int = 1) -> None:
        self._process = process
        self._ask = ask
        self._each = each
        self._waits: list[float] = []

    async def rate(self) -> float:
        """Ask once more; answers how many decisions a second of CPU came of it."""
        before = cpu_seconds(self._process.pid)
        fired = await self._ask()
        self._waits.append(_p99(fired) * 1000)
        return self._each * len(fired.bodies) / max(cpu_seconds(self._process.pid) - before, 0.01)

    @property
    def p99(self) -> float:
        """Answer the p99 of the waits, in ms; the median of the rounds."""
        return statistics.median(self._waits)


async def _searches(setting: Setting, questions: Sequence[Question]) -> Figure:
    ask, asked = setting.ask, questions[:SEARCHES]
    waits = [_p99(await ask.searches(kind, asked)) for kind in ("subject", "resource")]
    people = _p99(await ask.people(SEARCHES))
    unit = "ms to a search's first page, p99"
    return Figure("decision-search", max(waits) * 1000, unit, "the first page of GET /people", people * 1000)


async def _built(service: Started) -> float:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        service.demand_alive()
        for line in service.said().splitlines():
            if BUILT in line:
                return float(json.loads(line)["seconds"])
        await asyncio.sleep(0.05)
    raise Failed(f"The index is not built after {_PATIENCE:.0f} s.")


def _p99(fired: Fired) -> float:
    return sorted(fired.waits)[int(len(fired.waits) * 0.99)]


def _demand_alike(ours: Sequence[bytes], theirs: Sequence[bytes]) -> None:
    decisions, others = ([json.loads(body)["decision"] for body in bodies] for bodies in (ours, theirs))
    if decisions != others or len(set(others)) == 1:
        raise Failed("Lodge and the peer do not decide alike, so their speeds do not compare.")


def _environment(url: str, port: int, gateway: int) -> dict[str, str]:
    return {
        "LODGE_ACCESS_DATABASE_URL": url,
        "LODGE_ACCESS_PORT": str(port),
        "LODGE_GATEWAY_URL": f"http://{ports.HOST}:{gateway}",
        "LODGE_SEALING_KEYS": Fernet.generate_key().decode(),
        "LODGE_AUDIT_KEY": "the bench's own",
    }
