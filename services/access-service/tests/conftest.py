"""A running access-service with a database and a clock of its own, and people to act as."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI

import access_service.migrations
from access_service import rights
from access_service.app import create_app
from access_service.settings import Settings
from access_service.tables import Row
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer

ADMINISTRATOR = "per_01J0000000000000000000ADMN"


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def settings(databases: Databases) -> Settings:
    url = databases.of("access", lambda found: migrate(found, access_service.migrations, Row.metadata))
    return Settings(database_url=url, sealing_keys=Fernet.generate_key().decode(), audit_key="a test's own")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def app(settings: Settings, issuer: Issuer, time: Time) -> FastAPI:
    return create_app(settings, clock=time, keys=issuer.keys)


@pytest.fixture
async def client(app: FastAPI, issuer: Issuer) -> AsyncIterator[Client]:
    async with opened(app, issuer) as found:
        yield found


@pytest.fixture
def admin(client: Client) -> Client:
    return client.acting(ADMINISTRATOR, rights.ALL)
