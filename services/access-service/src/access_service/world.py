"""What verbs of access-service get their world from."""

from access_service import jobs
from access_service.decision_records import Recorder
from access_service.index import Keeper
from access_service.own_directory import OwnDirectory
from access_service.process import Process
from access_service.settings import Settings
from lodge_kit import world
from lodge_kit.clock import Clock, system_clock
from lodge_kit.database import Database
from lodge_kit.world import World


def create_world(settings: Settings, *, clock: Clock = system_clock, decides: bool = False) -> World:
    """Build it; who `decides` keeps an index for it."""
    listen_url = settings.listen_url.get_secret_value() if settings.listen_url else None

    def own(database: Database, clock: Clock) -> Process:
        keeper = Keeper(database, listen_url=listen_url, clock=clock) if decides else None
        return Process(recorder=Recorder(database, share=settings.decision_records), keeper=keeper)

    return world.make(settings, name="access", clock=clock, tasks=jobs.tasks, directory=OwnDirectory, own=own)
