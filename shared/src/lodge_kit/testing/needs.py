"""`@pytest.mark.needs("redis")`: what a test wants of the machine besides PostgreSQL. A pytest plugin.

Where it is missing the test is skipped, and says why. Where LODGE_REQUIRE lists the name (comma-separated, set in
CI) the test fails instead, so that nothing is left untested unseen.
"""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lodge_kit.testing import docker

_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", f"needs(*names): skipped where one is missing; names: {', '.join(MISSING)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test that needs what is not there."""
    required = {name.strip() for name in os.environ.get("LODGE_REQUIRE", "").split(",")}
    for name in [name for mark in item.iter_markers("needs") for name in mark.args]:
        if reason := MISSING[name]():
            told = f"needs {name}: {reason}"
            if name in required:
                pytest.fail(f"{told} (LODGE_REQUIRE lists it)", pytrace=False)
            pytest.skip(told)


def chromium() -> str | None:
    """Answer the path of a Chromium: LODGE_CHROMIUM, one of the system's, or one that Playwright installed."""
    named = os.environ.get("LODGE_CHROMIUM")
    on_path = [shutil.which(name) for name in _CHROMIUMS]
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    installed = sorted(
        str(path) for path in cache.glob("chromium*/chrome-*/*") if path.name in {"chrome", "headless_shell"}
    )
    return next((path for path in [named, *on_path, *installed] if path), None)


def redis_url() -> str:
    """Answer the Redis or Valkey to test with."""
    return os.environ.get("LODGE_TEST_REDIS_URL", "redis://127.0.0.1:6379")


def mariadb_url() -> str:
    """Answer the MariaDB to test with, by an account that may make databases."""
    return os.environ.get("LODGE_TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306")


def _missing_chromium() -> str | None:
    return None if chromium() else "install chromium, or name one with LODGE_CHROMIUM"


def _missing_node() -> str | None:
    return None if shutil.which("node") else "install Node.js"


def _missing_docker() -> str | None:
    if reason := os.environ.get(docker.FAILS):
        return reason
    return None if docker.answers() else "no Docker engine answers"


def _missing_server(url: Callable[[], str], setting: str) -> Callable[[], str | None]:
    def reason() -> str | None:
        address = urlsplit(url())
        where = (address.hostname or "127.0.0.1", address.port or 0)
        try:
            socket.create_connection(where, timeout=1).close()
        except OSError:
            return f"nothing answers at {where[0]}:{where[1]}; {setting} names another"
        return None

    return reason


MISSING: dict[str, Callable[[], str | None]] = {
    "chromium": _missing_chromium,
    "redis": _missing_server(redis_url, "LODGE_TEST_REDIS_URL"),
    "mariadb": _missing_server(mariadb_url, "LODGE_TEST_MARIADB_URL"),
    "node": _missing_node,
    "docker": _missing_docker,
}
"""For each name a question whose answer is what is missing, or None."""
