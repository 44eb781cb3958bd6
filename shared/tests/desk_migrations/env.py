"""Where Alembic enters."""

from lodge_kit.migrating import run_environment

run_environment()
