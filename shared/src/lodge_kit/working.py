"""`work`: what a service does outside requests, until it is told to stop."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from lodge_kit import audit, idempotency, jobs, logs, notices
from lodge_kit.webhooks.courier import Courier
from lodge_kit.world import World

log = logs.logger(__name__)

_LONGEST_WAIT = 30.0
"""Seconds between two beginnings of a loop that keeps failing."""

Loop = Callable[[World], Awaitable[None]]
"""Work that goes on as long as the worker does."""


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
