"""A running access-service with a database and a clock of its own, people, a catalogue, and a directory by SCIM."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
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


class Campus:
    """Makes what decisions are about, and asks. Everything is called by a short name; `ids` has the ids."""

    def __init__(self, admin: Client, app: FastAPI) -> None:
        self.admin = admin
        self.app = app
        self.ids: dict[str, str] = {}

    async def system(self, key: str, **more: Any) -> str:
        made = await self.admin.made("/access/v1/systems", key=key, name=key.title(), **more)
        self.ids[key] = made["id"]
        return self.ids[key]

    async def permission(self, system: str, action: str, type: str, *, name: str = "", **more: Any) -> str:  # noqa: A002 - AuthZEN's word
        named = name or f"{type}.{action}"
        made = await self.admin.made(
            f"/access/v1/systems/{self.ids[system]}/permissions",
            name=named, action=action, resource_type=type, **more,
        )  # fmt: skip
        self.ids[named] = made["id"]
        return self.ids[named]

    async def role(self, system: str, name: str, *permissions: str, **more: Any) -> str:
        contained = [self.ids[one] for one in permissions]
        made = await self.admin.made(
            "/access/v1/roles", system=self.ids[system], name=name, permissions=contained, **more
        )
        self.ids[name] = made["id"]
        return self.ids[name]

    async def person(self, user_name: str, *roles: str, **more: Any) -> str:
        made = await self.admin.made("/access/v1/people", user_name=user_name, name=user_name.title(), **more)
        self.ids[user_name] = made["id"]
        for role in roles:
            await self.give(user_name, role)
        return self.ids[user_name]

    async def give(self, subject: str, role: str, *, environment: str | None = None, **more: Any) -> str:
        body = {"subject": self.ids.get(subject, subject), "role": self.ids[role]} | more
        grant = str((await self.admin.made("/access/v1/grants", **body))["id"])
        if environment is not None:
            async with self.app.state.database.transaction() as session:
                placed = text("UPDATE role_grant SET environment = :environment WHERE id = :id")
                await session.execute(placed, {"environment": environment, "id": grant})
        return grant

    async def register(self, system: str, type: str, **resources: dict[str, Any]) -> None:  # noqa: A002 - AuthZEN's word
        body = [{"type": type, "id": name, "properties": properties} for name, properties in resources.items()]
        await self.admin.made(f"/access/v1/systems/{self.ids[system]}/resources", resources=body)

    async def evaluate(self, subject: str, action: str, type: str, id: str = "1", **more: Any) -> dict[str, Any]:  # noqa: A002 - AuthZEN's words
        answer = await self.admin.post("/access/v1/evaluation", json=asked(subject, action, type, id, **more))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def may(self, subject: str, action: str, type: str, id: str = "1", **more: Any) -> bool:  # noqa: A002 - AuthZEN's words
        return bool((await self.evaluate(subject, action, type, id, **more))["decision"])

    async def search(self, kind: str, **body: Any) -> dict[str, Any]:
        answer = await self.admin.post(f"/access/v1/search/{kind}", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def asked(
    subject: str, action: str, type: str, id: str, *, properties: dict[str, Any] | None = None,  # noqa: A002 - AuthZEN's words
    subject_properties: dict[str, Any] | None = None, action_properties: dict[str, Any] | None = None,
    subject_type: str = "user", context: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write an evaluation down as AuthZEN has it."""
    return {
        "subject": {"type": subject_type, "id": subject, "properties": subject_properties or {}},
        "action": {"name": action, "properties": action_properties or {}},
        "resource": {"type": type, "id": id, "properties": properties or {}},
        "context": context or {},
    }


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
    """Calls /scim/v2 as one caller; between two calls time passes, so that no two changes share an instant."""

    def __init__(self, client: Client, time: Time) -> None:
        self.client = client
        self.time = time

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Make a call; `if_match="…"` is the header If-Match."""
        self.time.now += timedelta(milliseconds=1)
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
def directory(client: Client, time: Time) -> Directory:
    return Directory(client.acting(DIRECTORY, (rights.PEOPLE_READ, rights.PEOPLE_WRITE)), time)


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


@pytest.fixture
async def campus(admin: Client, app: FastAPI) -> Campus:
    return Campus(admin, app)
