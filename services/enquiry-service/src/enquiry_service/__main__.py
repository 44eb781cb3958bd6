"""python -m enquiry_service serve | work | migrate."""

import enquiry_service.migrations
from enquiry_service.app import create_app, create_world
from enquiry_service.jobs import destroy_expired_files, take_up_runs
from enquiry_service.settings import Settings
from enquiry_service.tables import Row
from lodge_kit.command import Deployable, main

DEPLOYABLE = Deployable(
    name="enquiry",
    settings=Settings,
    create_app=create_app,
    world=create_world,
    migrations=enquiry_service.migrations,
    metadata=Row.metadata,
    loops=(destroy_expired_files, take_up_runs),
)

if __name__ == "__main__":
    main(DEPLOYABLE)
