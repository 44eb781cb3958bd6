"""Where Alembic enters: the work is the kit's."""

from lodge_kit.migrating import run_environment

run_environment()
