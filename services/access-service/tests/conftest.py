"""A running access-service with a database and a clock of its own, people, and a directory that speaks SCIM to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from sqlalchemy import text

import access_service.migrations
from access_service import rights
from access_service.app import create_app
from access_service.settings import Settings
from access_service.tables import Row
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer
from lodge_kit.world import World

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


DIRECTORY = "svc_01J0000000000000000000D1RY"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Directory:
    """Calls /scim/v2 as one caller."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Make a call; `if_match="…"` is the header If-Match."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        options = {"json": body} if body is not None else {}
        return await self.client.call(method, f"/scim/v2{path}", headers=named, **options)

    async def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """GET what must be there."""
        answer = await self.client.get(f"/scim/v2{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def user(self, user_name: str, **attributes: Any) -> dict[str, Any]:
        """POST a user who must be added."""
        answer = await self.call("POST", "/Users", {"schemas": [USER], "userName": user_name, **attributes})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def users(self, *names: str) -> list[str]:
        """Add users by name; answers their ids."""
        return [(await self.user(name))["id"] for name in names]

    async def group(self, name: str, *members: str, **attributes: Any) -> dict[str, Any]:
        """POST a group that must be added."""
        body = {"schemas": [GROUP], "displayName": name, "members": [{"value": one} for one in members], **attributes}
        answer = await self.call("POST", "/Groups", body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> httpx.Response:
        """PATCH."""
        return await self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)

    async def members(self, group_id: str) -> list[str]:
        """Answer who is in a group."""
        return [one["value"] for one in (await self.get(f"/Groups/{group_id}")).get("members", [])]

    async def found(self, condition: str, kind: str = "Users") -> list[str]:
        """Answer the names of those that a filter finds, in order of their names."""
        page = await self.get(f"/{kind}", filter=condition, count=200)
        assert page["totalResults"] == len(page["Resources"])
        return sorted(one.get("userName") or one["displayName"] for one in page["Resources"])


@pytest.fixture
def directory(client: Client) -> Directory:
    return Directory(client.acting(DIRECTORY, (rights.PEOPLE_READ, rights.PEOPLE_WRITE)))


@pytest.fixture
def world(client: Client) -> World:
    found: World = client.http._transport.app.state.world  # type: ignore[attr-defined]  # noqa: SLF001 - the app of the client
    return found


Rows = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
def rows(world: World) -> Rows:
    """Read rows as they are in the database."""

    async def read(statement: str, **values: Any) -> list[Any]:
        async with world.database.transaction() as session:
            return list(await session.execute(text(statement), values))

    return read


class Records:
    """A system with one role, which permits to view; and whether somebody may."""

    def __init__(self, admin: Client) -> None:
        self._admin = admin

    async def given_to(self, subject: str) -> None:
        """Give the role."""
        made = self._admin.made
        system = await made("/access/v1/systems", key="records", name="Records")
        permission = {"name": "record.view", "action": "view", "resource_type": "record"}
        viewing = await made(f"/access/v1/systems/{system['id']}/permissions", **permission)
        role = await made("/access/v1/roles", system=system["id"], name="Viewer", permissions=[viewing["id"]])
        await made("/access/v1/grants", subject=subject, role=role["id"])

    async def may_be_viewed_by(self, person: str) -> bool:
        """Ask."""
        asked = {
            "subject": {"type": "user", "id": person},
            "action": {"name": "view"},
            "resource": {"type": "record", "id": "1"},
        }
        decided: bool = (await self._admin.made("/access/v1/evaluation", **asked))["decision"]
        return decided


@pytest.fixture
def records(admin: Client) -> Records:
    return Records(admin)
