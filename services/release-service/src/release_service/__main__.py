"""python -m release_service serve | work | migrate."""

import release_service.migrations
from lodge_kit.command import Deployable, main
from release_service.app import create_app, create_world
from release_service.jobs import keep_watch
from release_service.settings import Settings
from release_service.tables import Row

DEPLOYABLE = Deployable(
    name="release",
    settings=Settings,
    create_app=create_app,
    world=create_world,
    migrations=release_service.migrations,
    metadata=Row.metadata,
    loops=(keep_watch,),
)

if __name__ == "__main__":
    main(DEPLOYABLE)
