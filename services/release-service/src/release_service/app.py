"""release-service, put together: the only wiring."""

from lodge_kit.application import App, Service, assemble
from lodge_kit.clock import Clock, system_clock
from lodge_kit.identity import Keys
from release_service import events, rights
from release_service.routes import products, releases, sightings, sources, suppliers
from release_service.settings import Settings
from release_service.world import create_world

SERVICE = Service(
    name="release",
    title="Lodge: release-service",
    description="What suppliers deliver: products, their releases in the order of their versions, watched sources.",
    permissions=rights.ALL,
    facts=events.ALL,
    routers=(suppliers.router, products.router, releases.router, sources.router, sightings.router),
)


def create_app(settings: Settings, *, clock: Clock = system_clock, keys: Keys | None = None) -> App:
    """Make the app. Tests hand in their own clock, and the keys of their own issuer."""
    return assemble(SERVICE, create_world(settings, clock=clock), keys=keys)
