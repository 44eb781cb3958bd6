"""enquiry-service, put together: the only wiring."""

from enquiry_service import events, rights
from enquiry_service.routes import (
    calendars,
    clocks,
    data_sources,
    enquiries,
    kinds,
    messages,
    provenance,
    report_versions,
    reports,
    runs,
)
from enquiry_service.settings import Settings
from enquiry_service.world import create_world
from lodge_kit.application import App, Service, assemble
from lodge_kit.clock import Clock, system_clock
from lodge_kit.identity import Keys

SERVICE = Service(
    name="enquiry",
    title="Lodge: enquiry-service",
    description="What people ask of the data, the reports that answer them, and who saw the result.",
    permissions=rights.ALL,
    facts=events.ALL,
    routers=(
        enquiries.router, messages.router, clocks.router, calendars.router, kinds.router, data_sources.router,
        reports.router, report_versions.router, runs.router, provenance.router,
    ),
)  # fmt: skip


def create_app(settings: Settings, *, clock: Clock = system_clock, keys: Keys | None = None) -> App:
    """Make the app. Tests hand in their own clock, and the keys of their own issuer."""
    return assemble(SERVICE, create_world(settings, clock=clock), keys=keys)
