"""What verbs of enquiry-service get their world from."""

from enquiry_service import jobs
from enquiry_service.report_rights import Granted
from enquiry_service.settings import Settings
from lodge_kit import world
from lodge_kit.clock import Clock, system_clock
from lodge_kit.database import Database
from lodge_kit.world import World


def create_world(settings: Settings, *, clock: Clock = system_clock) -> World:
    """Build it."""
    key = settings.service_key.get_secret_value() if settings.service_key else None

    def own(_database: Database, clock: Clock) -> Granted:
        return Granted(settings.gateway_url, key, clock=clock)

    return world.make(settings, name="enquiry", clock=clock, tasks=jobs.tasks, own=own)
