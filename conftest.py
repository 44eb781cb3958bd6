"""One PostgreSQL for the whole run, and what every test may ask of the machine."""

import os
import secrets

import pytest
from hypothesis import settings

import gateway  # noqa: F401 - before pytest takes the folder of the same name for the package
from lodge_kit.testing.databases import RUN, drop_all
from lodge_local import server_for_tests
from lodge_local.failures import Failed

# The same examples each time: whoever changes one thing is not told of another. `make hunt` tries new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("hunt", max_examples=1_000, deadline=None)
settings.load_profile("repeatable")

pytest_plugins = ["lodge_kit.testing.needs", "lodge_kit.testing.plugin"]
SERVER_URL = "LODGE_TEST_SERVER_URL"
"""Where fixtures find the superuser's URL; workers of xdist inherit it."""
_SERVER = pytest.StashKey[server_for_tests.TestServer]()


def pytest_configure(config: pytest.Config) -> None:
    is_worker = hasattr(config, "workerinput")
    if is_worker or config.option.collectonly or config.option.help or config.option.version or config.option.markers:
        return
    try:
        server = server_for_tests.provide(os.environ)
    except Failed as failure:
        raise pytest.UsageError(str(failure)) from None
    config.stash[_SERVER] = server
    os.environ[SERVER_URL] = server.url
    os.environ[RUN] = secrets.token_hex(4)


def pytest_report_header(config: pytest.Config) -> str | None:
    server = config.stash.get(_SERVER, None)
    return f"postgresql: {server.described}" if server else None


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_SERVER, None)
    if server:
        drop_all(server.url)
        server.stop()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
