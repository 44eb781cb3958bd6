"""The library's own rules for a storage, held by ours on PostgreSQL, and none of them skipped."""

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


class TestStorage(AsyncScimStorageContract):
    @pytest.fixture
    def provider(self) -> ScimProvider:
        return described()

    @staticmethod
    def require(supported: bool, feature: str) -> None:  # noqa: FBT001 - the contract's own
        """Skip nothing: all that the contract knows is supported."""
        assert supported, f"{feature} is not supported any more"

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

    def test_cursor_pages_equal_sort_values_once(
        self, storage: Any, provider: ScimProvider, user_type: Any, user_model: Any
    ) -> None:
        """Hold the rule with title in the place of nickName, which Lodge does not keep."""
        assert provider.config
        assert provider.config.sort
        for user_name, title in (("alice", "twin"), ("bob", None), ("carol", "twin"), ("dave", "twin"), ("erin", None)):
            storage.create(user_type, user_model(user_name=user_name, title=title))
        request = self.search_request([user_model], cursor="", count=2, sort_by="title")
        names = [one.user_name for page in self.walk(storage, [user_type], request) for one in page.resources]
        assert sorted(names[:3]) == ["alice", "carol", "dave"]
        assert sorted(names[3:]) == ["bob", "erin"]
