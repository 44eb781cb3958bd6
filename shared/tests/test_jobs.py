"""Jobs run with the world of their worker, however many apps one process makes."""

import procrastinate
import pytest
from cryptography.fernet import Fernet
from procrastinate.testing import InMemoryConnector

from lodge_kit import world
from lodge_kit.clock import system_clock
from lodge_kit.settings import ServiceSettings
from lodge_kit.world import World

pytestmark = pytest.mark.anyio

tasks = procrastinate.Blueprint()
seen: list[World] = []


@tasks.task(name="look_round", pass_context=True)
async def look_round(job: procrastinate.JobContext) -> None:
    seen.append(world.of_job(job))


def made() -> World:
    settings = ServiceSettings(
        port=1, database_url="postgresql://nowhere/nothing", sealing_keys=Fernet.generate_key().decode(), audit_key="a"
    )
    return world.make(settings, name="attic", clock=system_clock, tasks=tasks)


async def test_a_task_keeps_its_name_in_every_app_of_a_process() -> None:
    first, second = made(), made()
    assert look_round.name == "attic:look_round"
    assert first.queue.tasks["attic:look_round"] is second.queue.tasks["attic:look_round"]
    assert set(tasks.tasks) == {"attic:look_round"}
    await first.database.close()
    await second.database.close()


async def test_a_job_finds_the_world_of_its_worker() -> None:
    here = made()
    with here.queue.replace_connector(InMemoryConnector()) as queue:
        await queue.configure_task("attic:look_round").defer_async()
        await queue.run_worker_async(wait=False, install_signal_handlers=False)
    assert seen == [here]
    await here.database.close()
