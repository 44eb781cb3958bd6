"""What verbs of enquiry-service get their world from."""

from enquiry_service import jobs
from enquiry_service.settings import Settings
from lodge_kit import world
from lodge_kit.clock import Clock, system_clock
from lodge_kit.world import World


def create_world(settings: Settings, *, clock: Clock = system_clock) -> World:
    """Build it."""
    return world.make(settings, name="enquiry", clock=clock, tasks=jobs.tasks)
