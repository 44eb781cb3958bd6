"""`migrate`: bring a service's database up to what its code knows, however many start it at once.

Two Alembic branches in one database: the kit's (`kit`, in this package) and the service's own. An advisory lock is
taken before Alembic reads where the database stands. A revision that this code does not know means that newer code
was here: yesterday's code runs on today's schema, so that is no error.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.engine import make_url

import lodge_kit.migrations
from lodge_kit.tables import Row

LOCK_WAIT = "10s"
"""How long a migration waits for a lock on a table before it gives way to the service that is running."""


def _folder(package: ModuleType) -> Path:
    return Path(next(iter(package.__path__)))


def configuration(own: ModuleType, metadata: MetaData, *, connection: Connection | None = None) -> Config:
    """Answer Alembic's configuration for a service: `own` is its migrations package, `metadata` its tables."""
    config = Config(attributes={"connection": connection, "metadata": metadata})
    config.set_main_option("script_location", str(_folder(own)).replace("%", "%%"))
    places = (_folder(lodge_kit.migrations) / "versions", _folder(own) / "versions")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(map(str, places)).replace("%", "%%"))
    return config


def migrate(url: str, own: ModuleType, metadata: MetaData) -> list[str]:
    """Bring the database at `url` up to date; answers the revisions it then has."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": 5, "application_name": "lodge migrate"},
        poolclass=sqlalchemy.pool.NullPool,
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended('lodge migrate', 0))"))
        connection.execute(text(f"SET lock_timeout = '{LOCK_WAIT}'"))
        connection.commit()
        config = configuration(own, metadata, connection=connection)
        unknown = _unknown(connection, config)
        if unknown:
            print(f"The database is ahead of this code ({', '.join(unknown)}). Nothing to migrate.")  # noqa: T201 - a command
        else:
            command.upgrade(config, "heads")
            connection.commit()
        return sorted(MigrationContext.configure(connection).get_current_heads())


def _unknown(connection: Connection, config: Config) -> list[str]:
    script = ScriptDirectory.from_config(config)
    heads = MigrationContext.configure(connection).get_current_heads()
    connection.commit()
    unknown = []
    for head in heads:
        try:
            script.get_revision(head)
        except CommandError:
            unknown.append(head)
    return unknown


def run_environment() -> None:
    """Be the `env.py` of a service: run on the connection that `migrate` holds."""
    from alembic import context  # noqa: PLC0415 - a proxy that exists only while Alembic runs env.py

    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        # A service's draft must not make the kit's tables anew, which Alembic is not shown in the database then.
        target_metadata=[*([] if attributes.get("drafting") else [Row.metadata]), attributes["metadata"]],
        include_name=lambda name, kind, _parents: mine(name, kind, attributes),
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def mine(name: str | None, kind: str, attributes: dict[str, Any]) -> bool:
    """Say whether Alembic may look at a table: never at procrastinate's; while drafting, only at the service's own."""
    if kind != "table" or name is None:
        return True
    if name.startswith("procrastinate_"):
        return False
    return not (attributes.get("drafting") and name in Row.metadata.tables)


def draft(url: str, own: ModuleType, metadata: MetaData, message: str, *, branch: str) -> None:
    """Write a new revision of `branch` from the difference between the tables and the database at `url`."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        config = configuration(own, metadata, connection=connection)
        config.attributes["drafting"] = branch != "kit"
        versions = _folder(lodge_kit.migrations if branch == "kit" else own) / "versions"
        command.revision(config, message, autogenerate=True, head=f"{branch}@head", version_path=str(versions))
    sys.stdout.flush()
