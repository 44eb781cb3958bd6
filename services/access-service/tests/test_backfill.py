"""What was made before history was kept is answered of the days since it was made, not since that migration."""

from typing import Any

import pytest
from alembic import command
from cryptography.fernet import Fernet
from sqlalchemy import NullPool, create_engine, make_url

import access_service.migrations
from access_service.settings import Settings
from access_service.tables import Row
from lodge_kit.migrating import configuration, migrate
from lodge_kit.testing.client import Client
from lodge_kit.testing.databases import WORKER, Databases

pytestmark = pytest.mark.anyio

MADE, CHANGED = "2025-03-01T09:00:00Z", "2025-06-01T09:00:00Z"
THEN, LATER, LINKED = "2025-04-01T09:00:00Z", "2025-07-01T09:00:00Z", "2025-08-01T09:00:00Z"
ANN, BEN = "per_01J0000000000000000000ANNN", "per_01J0000000000000000000BENN"
CLERK, HEAD = "rol_01J00000000000000000C1ERK0", "rol_01J00000000000000000HEAD00"
AMEND, VIEW = "prm_01J00000000000000000AMEND0", "prm_01J000000000000000000VIEW0"
FIRST_SLICE = f"""
    INSERT INTO person (id, user_name, name, status, notices, version, created_at, updated_at) VALUES
        ('{ANN}', 'ann', 'Ann', 'active', 'each', 1, '{MADE}', '{MADE}'),
        ('{BEN}', 'ben', 'Ben', 'inactive', 'each', 2, '{MADE}', '{CHANGED}');
    INSERT INTO system (id, key, name, description, version, created_at, updated_at)
        VALUES ('sys_1', 'records', 'Records', '', 1, '{MADE}', '{MADE}');
    INSERT INTO permission (id, system_id, name, description, module, action, resource_type, version, created_at,
        updated_at) VALUES
        ('{AMEND}', 'sys_1', 'record.amend', '', '', 'amend', 'record', 1, '{MADE}', '{MADE}'),
        ('{VIEW}', 'sys_1', 'record.view', '', '', 'view', 'record', 1, '{MADE}', '{MADE}');
    INSERT INTO role (id, system_id, name, description, state, version, created_at, updated_at) VALUES
        ('{CLERK}', 'sys_1', 'Clerk', '', 'active', 1, '{MADE}', '{MADE}'),
        ('{HEAD}', 'sys_1', 'Head', '', 'retired', 1, '{MADE}', '{CHANGED}');
    INSERT INTO role_permission (role_id, permission_id) VALUES ('{CLERK}', '{AMEND}');
    INSERT INTO role_inheritance (role_id, inherits) VALUES ('{HEAD}', '{CLERK}');
    INSERT INTO role_grant (id, subject, role_id, valid_from, valid_to, origin, reason, granted_by, ended_by, ended_at,
        end_reason, version, created_at, updated_at) VALUES
        ('grt_ann', '{ANN}', '{HEAD}', '{MADE}', '{CHANGED}', 'request', '', '{BEN}', '{BEN}', '{CHANGED}', 'moved', 2,
            '{MADE}', '{CHANGED}'),
        ('grt_ben', '{BEN}', '{CLERK}', '{MADE}', NULL, 'request', '', '{ANN}', NULL, NULL, NULL, 1,
            '{MADE}', '{MADE}');
    INSERT INTO audit_event (id, at, actor, action, subject_type, subject_id, facts, request_id) VALUES
        ('aud_1', '{CHANGED}', '{ANN}', 'person.left', 'person', '{BEN}', '{{}}', ''),
        ('aud_2', '{CHANGED}', '{ANN}', 'role.changed', 'role', '{HEAD}', '{{"changed": ["state"]}}', '');
"""  # noqa: S608 - constants of this module
SINCE = f"""
    INSERT INTO role_permission (role_id, permission_id, since) VALUES ('{CLERK}', '{VIEW}', '{LINKED}');
    INSERT INTO audit_event (id, at, actor, action, subject_type, subject_id, facts, request_id) VALUES
        ('aud_3', '{LINKED}', '{ANN}', 'role.changed', 'role', '{CLERK}', '{{"changed": ["permissions"]}}', '');
"""  # noqa: S608 - constants of this module


@pytest.fixture
def settings(databases: Databases, request: pytest.FixtureRequest) -> Settings:
    """A database that the first slice of the service wrote, and the next, brought up to date."""
    url = databases.fresh(f"backfill_{WORKER}_{abs(hash(request.node.name)) % 10**8}", "bare", lambda _url: None)
    own, metadata = access_service.migrations, Row.metadata
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    for revision, written in (("access_0001", FIRST_SLICE), ("access_0003", SINCE)):
        with engine.connect() as connection:
            command.upgrade(configuration(own, metadata, connection=connection), revision)
            connection.exec_driver_sql(written)
            connection.commit()
    migrate(url, own, metadata)
    return Settings(database_url=url, sealing_keys=Fernet.generate_key().decode(), audit_key="a test's own")


async def test_what_began_before_history_was_kept_is_told_from_when_it_was_made(admin: Client) -> None:
    async def reached(who: str, **when: str) -> list[tuple[str, str, Any]]:
        asked = {"expand": "permissions"} | when
        rows = (await admin.get(f"/access/v1/people/{who}/access", params=asked)).json()["items"]
        return [(row["role"]["name"], row["permission"]["name"], row["until"]) for row in rows]

    for who, role in ((ANN, "Head"), (BEN, "Clerk")):
        ends = {ANN: CHANGED, BEN: None}[who]
        assert await reached(who, as_of=THEN) == [(role, "record.amend", ends)]
        assert await reached(who, as_of=THEN, known_at=THEN) == [(role, "record.amend", None)]
        assert await reached(who, as_of=LATER) == []
        assert await reached(who, as_of="2025-02-01") == []
    holders = await admin.get(f"/access/v1/permissions/{AMEND}/holders", params={"as_of": THEN})
    assert [one["holder"]["name"] for one in holders.json()["items"]] == ["Ann", "Ben"]
    asked = {"subject": ANN, "action": "amend", "resource_type": "record"}
    told = (await admin.get("/access/v1/explain", params=asked)).json()
    assert told["held"] == [{"since": MADE, "until": CHANGED}]


async def test_what_was_linked_since_keeps_its_own_beginning(admin: Client) -> None:
    async def given(day: str) -> list[str]:
        answer = await admin.get(f"/access/v1/roles/{CLERK}/effective-permissions", params={"as_of": day})
        return [one["name"] for one in answer.json()["items"]]

    assert [await given(day) for day in (THEN, LINKED)] == [["record.amend"], ["record.amend", "record.view"]]
