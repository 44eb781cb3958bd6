"""access-service, put together: the only wiring."""

from access_service import events, process, rights
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
from access_service.world import create_world
from lodge_kit.application import App, Service, assemble
from lodge_kit.clock import Clock, system_clock
from lodge_kit.identity import Keys

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
    front=lean.Lean,
)  # fmt: skip


def create_app(settings: Settings, *, clock: Clock = system_clock, keys: Keys | None = None) -> App:
    """Make the app. Tests hand in their own clock, and the keys of their own issuer."""
    world = create_world(settings, clock=clock, decides=True)
    app = assemble(SERVICE, world, keys=keys)
    endpoint.mount(app, world, app.state.verifier)
    document.describe(app)
    app.state.account.metrics.registry.register(process.of(world).recorder)
    return app
