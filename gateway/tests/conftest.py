"""A gateway and its other side, for each test anew."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.testing import Access, Lodge, Service, World, listening


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The gateway runs on uvloop, and so do its tests."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """access-service's stand-in and another service's."""
    access, service = Access(), Service()
    async with listening(access) as access_port, listening(service) as service_port:
        yield World(access, service, access_port, service_port, tmp_path)


@pytest.fixture
async def lodge(world: World) -> AsyncIterator[Lodge]:
    """A gateway with its defaults."""
    async with world.lodge() as found:
        yield found
