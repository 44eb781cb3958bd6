"""What verbs of release-service get their world from."""

from lodge_kit import world
from lodge_kit.clock import Clock, system_clock
from lodge_kit.world import World
from release_service import jobs
from release_service.reading import Reader
from release_service.settings import Settings


def create_world(settings: Settings, *, clock: Clock = system_clock) -> World:
    """Build it. The reader's child process starts with the first feed."""
    return world.make(settings, name="release", clock=clock, tasks=jobs.tasks, own=lambda _database, _clock: Reader())
