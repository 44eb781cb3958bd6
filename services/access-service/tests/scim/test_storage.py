"""The library's own rules for a storage, held by ours on PostgreSQL; and no more of them skipped than are known."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from scim2_models import ScimProvider
from scim2_server.storage import ScimStorage
from scim2_server.testing import AsyncScimStorageContract, BlockingStorage
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import rights
from access_service.scim.provider import provider as described
from access_service.scim.storage import Storage
from access_service.settings import Settings
from lodge_kit.clock import system_clock
from lodge_kit.database import Database
from lodge_kit.identity import Caller

DIRECTORY = Caller("svc_01J0000000000000000000D1RY", "Directory", permissions={one.name: "*" for one in rights.ALL})
NOT_KEPT = "nickName"
"""The one attribute that a rule of the contract needs and Lodge does not keep; the cursor tests have titles instead."""


class TestStorage(AsyncScimStorageContract):
    @pytest.fixture
    def provider(self) -> ScimProvider:
        return described()

    @staticmethod
    def require(supported: bool, feature: str) -> None:  # noqa: FBT001 - the contract's own
        """Let one rule be skipped, and fail where another would be."""
        assert supported or feature == NOT_KEPT, f"{feature} is not supported any more"
        AsyncScimStorageContract.require(supported, feature)

    def search_request_or_skip(self, models: Any, **parameters: Any) -> Any:
        """Skip nothing: a filter or a sort that our models refuse fails."""
        return self.search_request(models, **parameters)

    def search_or_skip(self, storage: Any, resource_types: Any, search_request: Any) -> Any:
        """Skip nothing: a filter or a sort that our storage refuses fails."""
        return self.search(storage, resource_types, search_request)

    @pytest.fixture
    def storage(self, settings: Settings) -> Iterator[ScimStorage]:
        """Give the storage a transaction of its own, in a loop of its own, undone at the end."""
        database = Database(settings.database_url.get_secret_value(), name="scim contract")
        session = AsyncSession(database.orm, expire_on_commit=False)
        with asyncio.Runner() as runner:
            yield BlockingStorage(
                Storage(session, DIRECTORY, system_clock(), system_clock().date(), writing=True), runner
            )
            runner.run(session.close())
            runner.run(database.close())
