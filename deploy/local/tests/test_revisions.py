"""Whether a database has every migration is told without Alembic, and told as Alembic would."""

import importlib

import psycopg
import pytest

from lodge_kit.migrating import migrate
from lodge_kit.testing.databases import WORKER, Databases
from lodge_local import revisions

PACKAGES = ("access_service", "enquiry_service", "release_service")


def migrated(databases: Databases, package: str) -> str:
    """Answer a database of the test's own with all of a service's migrations."""
    own, metadata = importlib.import_module(f"{package}.migrations"), importlib.import_module(f"{package}.tables")
    template = f"revisions_{package}"
    return databases.fresh(f"{template}_{WORKER}", template, lambda url: migrate(url, own, metadata.Row.metadata))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_migrated_database_is_current_until_a_revision_is_missing_or_unknown(
    package: str, databases: Databases
) -> None:
    url = migrated(databases, package)
    assert revisions.is_current(package, url)
    with psycopg.connect(url, autocommit=True) as connection:
        found = {one for (one,) in connection.execute("SELECT version_num FROM alembic_version")}
        assert found == revisions.heads(package)
        connection.execute("UPDATE alembic_version SET version_num = 'kit_0001' WHERE version_num LIKE 'kit_%'")
        assert not revisions.is_current(package, url)
        connection.execute("UPDATE alembic_version SET version_num = 'kit_9999' WHERE version_num LIKE 'kit_%'")
        assert not revisions.is_current(package, url)
        connection.execute("DROP TABLE alembic_version")
    assert not revisions.is_current(package, url)


def test_a_database_that_cannot_be_asked_is_not_current() -> None:
    assert not revisions.is_current("access_service", "postgresql://nobody@127.0.0.1:1/nothing")
