"""The commands that every service has: `serve`, `work`, `migrate`, the same image for each."""

import argparse
import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError

from lodge_kit import audit, idempotency, jobs, logs, migrating, notices, settings
from lodge_kit.webhooks.courier import Courier
from lodge_kit.world import World

log = logs.logger(__name__)

_LONGEST_WAIT = 30.0
"""Seconds between two beginnings of a loop that keeps failing."""

Loop = Callable[[World], Awaitable[None]]
"""Work that goes on as long as the worker does."""


@dataclass(frozen=True)
class Deployable:
    """What the commands of one service need to know of it."""

    name: str
    settings: type[settings.ServiceSettings]
    create_app: Callable[[Any], FastAPI]
    world: Callable[[Any], World]
    migrations: ModuleType
    metadata: MetaData
    loops: Sequence[Loop] = ()


def read(kind: type[settings.Settings]) -> Any:
    """Read the settings, or end with one sentence that names what is missing or wrong, and never a secret.

    The status is then EX_CONFIG, of sysexits(3): whoever runs us need not try again before something is changed.
    """
    folder = settings.secrets_dir()
    if folder is not None and not folder.is_dir():
        _refuse(f"LODGE_SECRETS_DIR names {folder}, which is no folder.")
    try:
        return kind(_secrets_dir=folder)
    except ValidationError as error:
        wrong = [
            f"{settings.variable(kind, str(one['loc'][0]))} ({one['msg'].removeprefix('Value error, ')})"
            for one in error.errors()
        ]
        _refuse(f"{'; '.join(wrong)}. Set each in the environment or as a file in LODGE_SECRETS_DIR.")


def _refuse(sentence: str) -> NoReturn:
    print(f"Settings: {sentence}", file=sys.stderr)  # noqa: T201 - a command
    raise SystemExit(os.EX_CONFIG)


def main(service: Deployable, argv: Sequence[str] | None = None) -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog=f"python -m {service.name}_service")
    parser.add_argument("command", choices=("serve", "work", "migrate"))
    chosen = parser.parse_args(argv).command
    found = read(service.settings)
    if chosen == "migrate":
        _migrate(service, found)
        return
    logs.set_up(f"{service.name}-{chosen}", form=found.log_format)
    if chosen == "serve":
        serve(service.create_app(found), host=found.host, port=found.port)
    else:
        asyncio.run(work(service.world(found), service.loops))


def _migrate(service: Deployable, found: settings.ServiceSettings) -> None:
    try:
        heads = migrating.migrate(found.database_url.get_secret_value(), service.migrations, service.metadata)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        named = settings.variable(service.settings, "database_url")
        sys.exit(f"The database that {named} names could not be brought up to date: {reason}")
    print(f"{service.name}-service: the database is at {', '.join(heads)}.")  # noqa: T201 - a command


def serve(app: FastAPI, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=20, backlog=2048,
    )  # fmt: skip
    settle()
    Server(config).run()


class Server(uvicorn.Server):
    """Tells the app when it is to stop, so that answers without an end come to one."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Be told by a signal."""
        self._tell()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Be told by the program that serves."""
        self._tell()
        self.should_exit = True

    def _tell(self) -> None:
        self.config.app.state.closing.set()  # type: ignore[union-attr]  # it is given a FastAPI app


def settle() -> None:
    """Keep the collector from walking what start-up made at every turn: it is the p99 otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def work(world: World, loops: Sequence[Loop]) -> None:
    """Do what is to be done outside requests until SIGTERM or SIGINT: jobs, deliveries, notices, seals."""
    stop = asyncio.Event()
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop.set)
    try:
        async with world.opened():
            tasks = [asyncio.create_task(forever(world, loop)) for loop in (*_LOOPS, *loops)]
            log.info("working")
            try:
                await stop.wait()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            running.remove_signal_handler(number)


async def forever(world: World, loop: Loop) -> None:
    """Keep a loop going: what fails is logged and begun again, a little later each time."""
    wait, this = 1.0, asyncio.current_task()
    while True:
        began = time.monotonic()
        try:
            await loop(world)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other loops must go on and this one come back
            log.warning("a worker's loop failed and is begun again", loop=loop.__name__, reason=repr(error)[:300])
        if this is not None and this.cancelling():
            raise asyncio.CancelledError  # procrastinate's worker ends in peace when it is cancelled, and says nothing
        if time.monotonic() - began > _LONGEST_WAIT:
            wait = 1.0  # it ran well for a while: this is a new failure, not the last one again
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)


async def _deliver(world: World) -> None:
    await Courier(world).run()


async def _work_jobs(world: World) -> None:
    await world.queue.run_worker_async(
        concurrency=4,
        install_signal_handlers=False,
        delete_jobs="successful",
        shutdown_graceful_timeout=10,
        fetch_job_polling_interval=1,  # its listener is not begun again once the database was away
        additional_context={"world": world},
    )


async def _seal(world: World) -> None:
    key = world.settings.audit_key.get_secret_value().encode()
    while True:
        async with world.database.transaction() as session:
            sealed = await audit.seal(session, key)
        await asyncio.sleep(0 if sealed else 1)


async def _testify(world: World) -> None:
    """Log the head of the audit's chain each hour: a chain that is cut off later has its witness elsewhere."""
    while True:
        async with world.database.transaction() as session:
            head = await audit.head(session)
        log.info("head of the audit's chain", seq=head.seq, seal=head.seal)
        await asyncio.sleep(3600)


async def _tell(world: World) -> None:
    while True:
        await notices.route(world)
        await notices.send_mail(world)
        await asyncio.sleep(1)


async def _tidy(world: World) -> None:
    """Rescue jobs whose worker died, forget what is old."""
    while True:
        await jobs.rescue(world.queue)
        await jobs.forget(world.queue)
        async with world.database.transaction() as session:
            await idempotency.forget(session, now=world.clock())
        await asyncio.sleep(60)


_LOOPS: tuple[Loop, ...] = (_deliver, _work_jobs, _seal, _testify, _tell, _tidy)
"""What every worker does: each on its own, so that one that fails holds up no other."""
