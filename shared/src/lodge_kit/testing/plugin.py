"""Fixtures that tests of every service use (`pytest_plugins = ["lodge_kit.testing.plugin"]` in the root conftest)."""

import os
from collections.abc import Iterator

import pytest
import structlog

from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer


def pytest_configure() -> None:
    """Have logs printed plainly: pytest shows them beside a test that failed."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    """Answer the gateway's stand-in of this run, with a key of its own."""
    return Issuer()


@pytest.fixture(scope="session")
def all_databases() -> Databases:
    """Answer this worker's databases."""
    return Databases(os.environ["LODGE_TEST_SERVER_URL"])


@pytest.fixture
def databases(all_databases: Databases) -> Iterator[Databases]:
    """Answer this worker's databases, emptied after the test."""
    yield all_databases
    all_databases.empty()
