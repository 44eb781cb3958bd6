"""access-service, put together: the only wiring."""

from fastapi import FastAPI

from access_service import events, jobs, rights
from access_service.own_directory import OwnDirectory
from access_service.routes import (
    access,
    decisions,
    explanations,
    grants,
    groups,
    internal,
    keys,
    matrix,
    me,
    org_units,
    people,
    responsibilities,
    roles,
    support_functions,
    systems,
)
from access_service.settings import Settings
from lodge_kit import world
from lodge_kit.application import Service, assemble
from lodge_kit.clock import Clock, system_clock
from lodge_kit.identity import Keys
from lodge_kit.world import World

SERVICE = Service(
    name="access",
    title="Lodge: access-service",
    description="Who may do what in which system, who answers for what, and the proof of it.",
    permissions=rights.ALL,
    facts=events.ALL,
    routers=(
        me.router, people.router, groups.router, org_units.router, systems.router,
        roles.router, grants.router, keys.router,
        decisions.router,
        access.router, explanations.router,
        # The matrix first: its path would be taken for the id of a responsibility.
        support_functions.router, matrix.router, responsibilities.router,
    ),
    internal=(internal.router,),
)  # fmt: skip


def create_world(settings: Settings, *, clock: Clock = system_clock) -> World:
    """Build what verbs get their world from."""
    return world.make(settings, name="access", clock=clock, tasks=jobs.tasks, directory=OwnDirectory)


def create_app(settings: Settings, *, clock: Clock = system_clock, keys: Keys | None = None) -> FastAPI:
    """Make the app. Tests hand in their own clock, and the keys of their own issuer."""
    return assemble(SERVICE, create_world(settings, clock=clock), keys=keys)
