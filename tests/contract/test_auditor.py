"""The role auditor: it reads what is on record in each service, and changes nothing anywhere."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

import access_service.app
import access_service.migrations
import access_service.settings
import access_service.tables
import enquiry_service.app
import enquiry_service.migrations
import enquiry_service.settings
import enquiry_service.tables
import release_service.app
import release_service.migrations
import release_service.settings
import release_service.tables
from lodge_kit.application import Service
from lodge_kit.audit.routes import reading
from lodge_kit.migrating import migrate
from lodge_kit.testing.client import Client, opened
from lodge_kit.testing.databases import Databases
from lodge_kit.testing.issuer import Issuer
from lodge_kit.webhooks.endpoints import subscription

pytestmark = pytest.mark.anyio

ALLOWED = {
    # Questions.
    "POST /access/v1/audit-events/verify",
    "POST /enquiry/v1/audit-events/verify",
    "POST /release/v1/audit-events/verify",
    # About oneself anybody may ask.
    "POST /access/v1/evaluation",
    "POST /access/v1/evaluations",
    "POST /access/v1/explain",
    "POST /access/v1/search/action",
    "POST /access/v1/search/resource",
    "POST /access/v1/search/subject",
    # What is one's own, whoever one is: keys never exceed their owner's rights.
    "POST /access/v1/keys",
    "PUT /access/v1/me/notices",
}
"""The unsafe calls that an auditor may make."""
BODIES = {
    "/enquiry/v1/enquiries/{enquiry_id}/assign": {"assignee": "me"},
    "/enquiry/v1/enquiries/{enquiry_id}/answer": {"body": "x"},
    "/enquiry/v1/enquiries/{enquiry_id}/close": {"outcome": "refused"},
    "/enquiry/v1/enquiries/{enquiry_id}/reopen": {"reason": "x"},
    "/enquiry/v1/enquiries/{enquiry_id}/pause": {"cause": "fee", "reason": "x"},
    "/enquiry/v1/enquiries/{enquiry_id}/extend": {"reason": "x"},
    "/enquiry/v1/enquiries/{enquiry_id}/review": {"reason": "x"},
    "/enquiry/v1/enquiries/{enquiry_id}/retract": {"reason": "x"},
    "/enquiry/v1/enquiries/{enquiry_id}/messages": {"body": "x", "visibility": "internal"},
}
"""What passes where the right is asked for after the body was read."""
CLOSED = {
    "/access/v1/service-accounts",
    *(f"/{name}/v1/{what}" for name in ("access", "enquiry", "release")
      for what in ("webhooks", "deliveries", "events", "event-types")),
}  # fmt: skip
"""The lists that are for those who keep machines, not for auditors."""
ASKED = {
    "/access/v1/names": {"id": "per_1"},
    "/enquiry/v1/artifacts/verify": {"sha256": "0" * 64},
    "/enquiry/v1/audit/subject-lookup": {"column": "campus.student.name"},
    "/access/v1/explain": {"subject": "nobody", "action": "read", "resource_type": "student_record"},
}
"""What must be said where a question is asked."""


class Place(NamedTuple):
    """A service that is open, and one in it who may do everything."""

    app: FastAPI
    somebody: Client

    @property
    def service(self) -> Service:
        found: Service = self.app.state.service
        return found

    def routes(self) -> Iterator[tuple[str, str]]:
        """Yield each method and path that the public sees."""
        for one in iter_route_contexts(self.app.routes):
            if one.path and one.path.startswith(f"/{self.service.name}/v1/"):
                yield from ((method, one.path) for method in sorted(one.methods or ()))


@pytest.fixture(params=["access", "enquiry", "release"])
async def place(
    request: pytest.FixtureRequest, databases: Databases, issuer: Issuer, tmp_path: Path
) -> AsyncIterator[Place]:
    package: dict[str, tuple[Any, Any, ModuleType, Any]] = {
        "access": (access_service.app, access_service.settings, access_service.migrations, access_service.tables),
        "enquiry": (enquiry_service.app, enquiry_service.settings, enquiry_service.migrations, enquiry_service.tables),
        "release": (release_service.app, release_service.settings, release_service.migrations, release_service.tables),
    }
    app, settings, migrations, tables = package[request.param]
    facts: dict[str, Any] = {
        "database_url": databases.of(request.param, lambda url: migrate(url, migrations, tables.Row.metadata)),
        "sealing_keys": Fernet.generate_key().decode(), "audit_key": "a test's own",
        "storage": tmp_path, "source_secrets": tmp_path,
    }  # fmt: skip
    made = app.create_app(settings.Settings(**facts), keys=issuer.keys)
    async with opened(made, issuer) as client:
        rights = (*made.state.service.permissions, subscription(request.param), reading(request.param))
        yield Place(made, client.acting("per_01J0000000000000000000ADMN", rights))


@pytest.fixture
async def auditor(place: Place) -> Client:
    """Somebody who has this one role, of what the services themselves say is in it."""
    name = place.service.name
    told = (await place.somebody.http.get("/internal/v1/permissions")).json()["items"]
    held = {one["name"]: "*" for one in told if "auditor" in one["roles"]}
    assert f"{name}.audit.read" in held
    who = "per_01J0000000000000000000AVD1"
    if name == "access":
        who = (await place.somebody.made("/access/v1/people", user_name="auditor", name="Audrey"))["id"]
    return place.somebody.acting(who, held)


@pytest.fixture
async def there(place: Place) -> dict[str, str]:
    """What is there to be changed, where one must see it to be refused."""
    if place.service.name != "enquiry":
        return {}
    return {"enquiry_id": (await place.somebody.made("/enquiry/v1/enquiries", title="How many?"))["id"]}


def filled(path: str, there: dict[str, str]) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: there.get(found[1], "pause" if found[1] == "verb" else "x_1"), path)


async def test_an_auditor_changes_nothing(place: Place, auditor: Client, there: dict[str, str]) -> None:
    unsafe = [one for one in place.routes() if one[0] not in ("GET", "HEAD", "OPTIONS")]
    assert len(unsafe) > 10
    let_in = set()
    for method, path in unsafe:
        body = BODIES.get(path, {})
        answer = await auditor.call(method, filled(path, there), json=body, headers={"If-Match": "*"})
        if answer.status_code not in (403, 404):
            let_in.add(f"{method} {path}")
    assert let_in == {one for one in ALLOWED if one.partition(" ")[2].startswith(f"/{place.service.name}/")}


async def test_an_auditor_reads_every_list(place: Place, auditor: Client) -> None:
    lists = [path for method, path in place.routes() if method == "GET" and "{" not in path]
    assert len(lists) > 5
    for path in lists:
        answer = await auditor.get(path, params=ASKED.get(path, {}))
        assert answer.status_code == (403 if path in CLOSED else 200), f"{path}: {answer.text}"
