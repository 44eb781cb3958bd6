"""decisions-http: decisions a second over HTTP, 2,000 people holding some 20,000 roles in eight systems.

access-service is a real process with its own database and takes the gateway's tokens; the peer has the same policy in
memory and asks for no credential. Both must decide every question alike, or nothing is measured.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from aiohttp import web
from cryptography.fernet import Fernet
from joserfc.jwk import OKPKey
from psycopg import sql

import access_service.migrations
from access_service import rights
from access_service.tables import Row
from gateway.signing import Signer
from gateway.testing import listening
from lodge_kit import ids
from lodge_kit.clock import system_clock
from lodge_kit.migrating import migrate
from lodge_local import databases, ports
from lodge_local.failures import Failed
from tests.benchmarks.figures import Figure, Tell, in_turn
from tests.benchmarks.load import Fired, fire, request
from tests.benchmarks.processes import database_server, module, program, started

PEOPLE, SYSTEMS, ROLES, PERMISSIONS, HELD = 2_000, 8, 10, 8, 10
"""Roles of each system, permissions of each role, roles that each person holds."""
ACTIONS = ("read", "amend", "approve", "export", "delete")
TYPES = ("student_record", "invoice", "loan", "timetable", "grade")
CONNECTIONS = 16
OURS, PEERS = 1_000, 200
MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub)
"""
"""casbin's own model of roles; its cheap comparisons stand first, which is several times faster."""


@dataclass(frozen=True)
class Policy:
    """Who holds what: the same for both, by names and numbers of our own making."""

    permissions: Sequence[Sequence[tuple[str, str]]]
    """For each role its permissions, each an action and a type of resource; ten roles in a row are one system's."""
    held: Sequence[Sequence[int]]
    """For each person the roles."""


@dataclass(frozen=True)
class Question:
    """May this person do this, to a thing of this type, in this system?"""

    person: int
    system: int
    action: str
    kind: str


def measure(tell: Tell) -> Figure:
    """Measure."""
    with database_server() as (folder, cluster):
        value, peer = asyncio.run(_measure(folder, cluster.url, tell))
    return Figure("decisions-http", value, "decisions a second", "pycasbin behind a FastAPI route", peer)


async def _measure(folder: Path, server: str, tell: Tell) -> tuple[float, float]:
    chance = random.Random(2026)  # noqa: S311 - the same policy each time
    policy = _policy(chance)
    questions = [_question(policy, chance) for _ in range(OURS)]
    tell("making the database")
    people = [ids.new("per") for _ in range(PEOPLE)]
    url = databases.create_database(server, "access", password="bench")
    migrate(url, access_service.migrations, Row.metadata)
    _load(url, policy, people)
    _write_for_casbin(folder, policy)
    signer = Signer([OKPKey.generate_key("Ed25519", auto_kid=True)], system_clock)

    async def publish(_asked: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(signer.published())

    tell("starting access-service and the peer")
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(listening(publish))
        ours, peer = ports.free(), ports.free()
        environment = _environment(url, ours, gateway)
        service = stack.enter_context(
            started(module("access_service", "serve"), folder=folder, log="access", environment=environment)
        )
        command = program("deciding", peer, folder / "model.conf", folder / "policy.csv")
        other = stack.enter_context(started(command, folder=folder, log="peer"))
        await service.until_serving(ours, "/readyz")
        await other.until_serving(peer)
        asked = [_for_casbin(question) for question in questions]

        async def by_lodge() -> Fired:
            token = signer.sign(  # a minute is the longest life of one
                ids.new("svc"), "access", time.time() + 50, name="A portal",
                permissions={rights.EVALUATE.name: "*"},
            )  # fmt: skip
            return await fire(ours, [_for_us(one, people, token) for one in questions], connections=CONNECTIONS)

        async def by_casbin() -> Fired:
            return await fire(peer, asked[:PEERS], connections=CONNECTIONS)

        _demand_alike((await by_lodge()).bodies, (await by_casbin()).bodies)
        return await in_turn(lambda: _rate(by_lodge()), lambda: _rate(by_casbin()), rounds=5, within=25, tell=tell)


async def _rate(firing: Any) -> float:
    fired: Fired = await firing
    return len(fired.bodies) / fired.seconds


def _demand_alike(ours: Sequence[bytes], theirs: Sequence[bytes]) -> None:
    decisions = [json.loads(body)["decision"] for body in ours]
    others = [json.loads(body)["decision"] for body in theirs]
    if decisions[: len(others)] != others or len(set(others)) == 1:
        raise Failed("Lodge and the peer do not decide alike, so their speeds do not compare.")


# -- the policy


def _policy(chance: random.Random) -> Policy:
    every = [(action, kind) for action in ACTIONS for kind in TYPES]
    permissions = [sorted(chance.sample(every, PERMISSIONS)) for _ in range(SYSTEMS * ROLES)]
    return Policy(permissions, [sorted(chance.sample(range(SYSTEMS * ROLES), HELD)) for _ in range(PEOPLE)])


def _question(policy: Policy, chance: random.Random) -> Question:
    """Ask about what the person may do, or about anything: about as often."""
    person = chance.randrange(PEOPLE)
    if chance.random() < 0.5:
        role = chance.choice(policy.held[person])
        return Question(person, role // ROLES, *chance.choice(policy.permissions[role]))
    return Question(person, chance.randrange(SYSTEMS), chance.choice(ACTIONS), chance.choice(TYPES))


def _for_us(question: Question, people: Sequence[str], token: str) -> bytes:
    asked = {
        "subject": {"type": "user", "id": people[question.person]},
        "action": {"name": question.action},
        "resource": {"type": question.kind, "id": "1", "properties": {"system": f"system-{question.system}"}},
    }
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return request("POST", "/access/v1/evaluation", headers=headers, body=json.dumps(asked).encode())


def _for_casbin(question: Question) -> bytes:
    asked = {
        "subject": f"person-{question.person}",
        "object": f"system-{question.system}/{question.kind}",
        "action": question.action,
    }
    return request("POST", "/evaluation", headers={"Content-Type": "application/json"}, body=json.dumps(asked).encode())


def _write_for_casbin(folder: Path, policy: Policy) -> None:
    lines = [
        f"p, role-{role}, system-{role // ROLES}/{kind}, {action}"
        for role, permissions in enumerate(policy.permissions)
        for action, kind in permissions
    ]
    lines += [f"g, person-{person}, role-{role}" for person, roles in enumerate(policy.held) for role in roles]
    (folder / "model.conf").write_text(MODEL)
    (folder / "policy.csv").write_text("\n".join(lines) + "\n")


# -- access-service's side


def _load(url: str, policy: Policy, people: Sequence[str]) -> None:
    """Write the policy into access-service's tables, past its API: two thousand calls would be a bench of their own."""
    now = datetime.now(UTC)
    stamps = {"version": 1, "created_at": now, "updated_at": now}
    systems = [
        {"id": ids.new("sys"), "key": f"system-{n}", "name": f"System {n}", "description": ""} for n in range(SYSTEMS)
    ]
    permissions = {
        (n, action, kind): {
            "id": ids.new("prm"), "system_id": system["id"], "name": f"{kind}.{action}", "description": "",
            "module": kind, "action": action, "resource_type": kind,
        }
        for n, system in enumerate(systems) for action in ACTIONS for kind in TYPES
    }  # fmt: skip
    roles = [
        {
            "id": ids.new("rol"), "system_id": systems[n // ROLES]["id"], "name": f"Role {n}", "description": "",
            "state": "active",
        }
        for n in range(len(policy.permissions))
    ]  # fmt: skip
    contained = [
        {"role_id": roles[n]["id"], "permission_id": permissions[n // ROLES, action, kind]["id"], "since": now}
        for n, held in enumerate(policy.permissions) for action, kind in held
    ]  # fmt: skip
    persons = [
        {"id": person, "user_name": f"person-{n}", "name": f"Person {n}", "status": "active", "notices": "each"}
        for n, person in enumerate(people)
    ]
    grants = [
        {
            "id": ids.new("grt"), "subject": person, "role_id": roles[role]["id"],
            "valid_from": now - timedelta(days=1), "origin": "request", "reason": "", "granted_by": "lodge",
        }
        for person, held in zip(people, policy.held, strict=True) for role in held
    ]  # fmt: skip
    with psycopg.connect(url) as connection:
        _copy(connection, "system", [one | stamps for one in systems])
        _copy(connection, "permission", [one | stamps for one in permissions.values()])
        _copy(connection, "role", [one | stamps for one in roles])
        _copy(connection, "role_permission", contained)
        _copy(connection, "person", [one | stamps for one in persons])
        _copy(connection, "role_grant", [one | stamps for one in grants])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _copy(connection: psycopg.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])


def _environment(url: str, port: int, gateway: int) -> dict[str, str]:
    return {
        "LODGE_ACCESS_DATABASE_URL": url,
        "LODGE_ACCESS_PORT": str(port),
        "LODGE_GATEWAY_URL": f"http://{ports.HOST}:{gateway}",
        "LODGE_SEALING_KEYS": Fernet.generate_key().decode(),
        "LODGE_AUDIT_KEY": "the bench's own",
    }
