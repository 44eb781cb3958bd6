"""access-service, put together: the only wiring."""

from fastapi import FastAPI

from access_service import events, jobs, process, rights
from access_service.decision_records import Recorder
from access_service.index import Keeper
from access_service.own_directory import OwnDirectory
from access_service.process import Process
from access_service.routes import (
    access,
    appointments,
    attribute_sources,
    catalogues,
    decision_records,
    decisions,
    entitlements,
    explanations,
    grants,
    groups,
    internal,
    keys,
    lean,
    matrix,
    me,
    org_units,
    pdp_metadata,
    people,
    permissions,
    resources,
    responsibilities,
    roles,
    searches,
    service_accounts,
    support_functions,
    systems,
)
from access_service.scim import document, endpoint
from access_service.settings import Settings
from lodge_kit import world as worlds
from lodge_kit.application import Service, assemble
from lodge_kit.clock import Clock, system_clock
from lodge_kit.database import Database
from lodge_kit.identity import Keys
from lodge_kit.world import World

SERVICE = Service(
    name="access",
    title="Lodge: access-service",
    description="Who may do what in which system, who answers for what, and the proof of it.",
    permissions=rights.ALL,
    facts=events.ALL,
    routers=(
        me.router, people.router, appointments.router, attribute_sources.router, groups.router, org_units.router,
        systems.router, catalogues.router, permissions.router, roles.router, entitlements.router, grants.router,
        keys.router, service_accounts.router,
        decisions.router, searches.router, resources.router, decision_records.router,
        access.router, explanations.router,
        # The matrix first: its path would be taken for the id of a responsibility.
        support_functions.router, matrix.router, responsibilities.router,
    ),
    internal=(internal.router,),
    rooted=(pdp_metadata.router,),
    layers=(lean.Lean,),
)  # fmt: skip


def create_world(settings: Settings, *, clock: Clock = system_clock, decides: bool = False) -> World:
    """Build what verbs get their world from; who `decides` keeps an index for it."""
    listen_url = settings.listen_url.get_secret_value() if settings.listen_url else None

    def own(database: Database, clock: Clock) -> Process:
        keeper = Keeper(database, listen_url=listen_url, clock=clock) if decides else None
        return Process(recorder=Recorder(database, share=settings.decision_records), keeper=keeper)

    return worlds.make(settings, name="access", clock=clock, tasks=jobs.tasks, directory=OwnDirectory, own=own)


def create_app(settings: Settings, *, clock: Clock = system_clock, keys: Keys | None = None) -> FastAPI:
    """Make the app. Tests hand in their own clock, and the keys of their own issuer."""
    world = create_world(settings, clock=clock, decides=True)
    app = assemble(SERVICE, world, keys=keys)
    endpoint.mount(app, world, app.state.verifier)
    document.describe(app)
    app.state.metrics.registry.register(process.of(world).recorder)
    return app
