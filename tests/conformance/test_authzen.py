"""The AuthZEN working group's interoperability vectors ("Todo", 1.0), answered exactly, over HTTP.

The data is no part of this project. `LODGE_CONFORMANCE` names its folder; by default it lies beside the project. What
a server must hold is loaded through the public API, as its README says.
"""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

import access_service.migrations
from access_service import rights
from access_service.app import create_app
from access_service.settings import Settings
from access_service.tables import Row
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

_BESIDE = Path(__file__).parents[2].parent / "shared" / "conformance"
FILE = Path(os.environ.get("LODGE_CONFORMANCE") or _BESIDE) / "authzen" / "todo-decisions-1_0.json"

PEOPLE = {
    "rick@the-citadel.com": ("CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("admin", "evil_genius")),
    "morty@the-citadel.com": ("CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("editor",)),
    "summer@the-smiths.com": ("CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("editor",)),
    "beth@the-smiths.com": ("CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("viewer",)),
    "jerry@the-smiths.com": ("CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs", ("viewer",)),
}
"""E-mail, the institution's own id, roles."""
OWN = "resource.properties.ownerID == subject.email"
PERMISSIONS: dict[str, dict[str, str]] = {
    "read-user": {"action": "can_read_user", "resource_type": "user"},
    "read": {"action": "can_read_todos", "resource_type": "todo"},
    "create": {"action": "can_create_todo", "resource_type": "todo"},
    "update": {"action": "can_update_todo", "resource_type": "todo"},
    "update-own": {"action": "can_update_todo", "resource_type": "todo", "condition": OWN},
    "delete": {"action": "can_delete_todo", "resource_type": "todo"},
    "delete-own": {"action": "can_delete_todo", "resource_type": "todo", "condition": OWN},
}
ROLES = {
    "viewer": ("read-user", "read"),
    "editor": ("read-user", "read", "create", "update-own", "delete-own"),
    "admin": ("read-user", "read", "create", "delete"),
    "evil_genius": ("read-user", "read", "update"),
}


@pytest.fixture
async def asker(databases: Databases, issuer: Issuer) -> AsyncIterator[Client]:
    """Load what the vectors are about, and answer one who may ask about it."""
    url = databases.of("access", lambda found: migrate(found, access_service.migrations, Row.metadata))
    settings = Settings(database_url=url, sealing_keys=Fernet.generate_key().decode(), audit_key="a test's own")
    async with opened(create_app(settings, keys=issuer.keys), issuer) as client:
        admin = client.acting("per_01J0000000000000000000ADMN", rights.ALL)
        system = await admin.made("/access/v1/systems", key="todo", name="Todo")
        where = f"/access/v1/systems/{system['id']}/permissions"
        permissions = {name: (await admin.made(where, name=name, **facts))["id"] for name, facts in PERMISSIONS.items()}
        roles = {
            name: (
                await admin.made(
                    "/access/v1/roles", system=system["id"], name=name, permissions=[permissions[one] for one in held]
                )
            )["id"]
            for name, held in ROLES.items()
        }
        for email, (external_id, held) in PEOPLE.items():
            facts = {"user_name": email, "name": email.partition("@")[0], "email": email, "external_id": external_id}
            person = await admin.made("/access/v1/people", **facts)
            for role in held:
                await admin.made("/access/v1/grants", subject=person["id"], role=roles[role])
        yield client.acting("svc_01J000000000000000000TDRS", [rights.EVALUATE])


async def test_the_todo_vectors_are_answered_exactly(asker: Client) -> None:
    if not FILE.is_file():
        pytest.skip(f"{FILE} is not there: set LODGE_CONFORMANCE to the folder of the public test data")
    vectors: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))
    wrong = []
    for vector in vectors["evaluation"]:
        answer = await asker.post("/access/v1/evaluation", json=vector["request"])
        assert answer.status_code == 200, answer.text
        if answer.json()["decision"] is not vector["expected"]:
            wrong.append((vector, answer.json()))
    for vector in vectors["evaluations"]:
        answer = await asker.post("/access/v1/evaluations", json=vector["request"])
        assert answer.status_code == 200, answer.text
        if answer.json() != {"evaluations": vector["expected"]}:
            wrong.append((vector, answer.json()))
    single, several = len(vectors["evaluation"]), len(vectors["evaluations"])
    print(f"AuthZEN's Todo vectors: {single} and {several}, {len(wrong)} wrong.")  # noqa: T201 - the figure is asked for
    assert (single, several) == (40, 3)
    assert wrong == []
