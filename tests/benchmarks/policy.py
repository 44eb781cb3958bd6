"""Who holds what in the benches of decisions: the same for access-service's tables and for casbin's files.

At the scale of an institution: a million grants, a hundred thousand people, two thousand roles. Every number below is
fixed, so that figures compare over years.
"""

import itertools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

PEOPLE, GROUPS, GRANTS = 100_000, 1_000, 1_000_000
SYSTEMS, ROLES = 20, 100
"""Roles of each system."""
ACTIONS = ("read", "amend", "approve", "export", "delete", "create", "close", "print", "assign", "archive")
TYPES = ("student_record", "invoice", "loan", "timetable", "grade", "contract", "order", "payment", "room", "case")
PERMISSIONS, HELD_BY_GROUP, GROUPS_OF_PERSON = 20, 10, 2
"""Permissions of each role, out of the hundred of its system; roles of each group; groups of each person."""
UNITS, RESOURCES = 200, 500
"""Org units; resources of each type that each system registers."""
_INHERIT, _SCOPED = 0.1, 0.05
"""The share of roles that inherit another, and of grants that hold for one org unit only."""
_BEFORE = "2026-01-01T00:00:00Z"
"""When everything was given."""


@dataclass(frozen=True)
class Policy:
    """Who holds what, by numbers: of people, of groups, of roles (a hundred in a row are one system's), of units."""

    permissions: Sequence[Sequence[tuple[str, str]]]
    """For each role its own permissions, each an action and a type of resource."""
    inherits: Sequence[int | None]
    """For each role the one that it inherits from."""
    held: Sequence[Sequence[tuple[int, int | None]]]
    """For each person the roles given, each everywhere or for one org unit."""
    held_by_group: Sequence[Sequence[int]]
    groups: Sequence[Sequence[int]]
    """For each person the groups."""

    def contained(self, role: int) -> Sequence[tuple[str, str]]:
        """Answer what a role contains, with what it inherits."""
        above = self.inherits[role]
        return [*self.permissions[role], *(self.permissions[above] if above is not None else ())]


def make(chance: random.Random) -> Policy:
    """Make the policy, the same for the same `chance`."""
    every = [(action, kind) for action in ACTIONS for kind in TYPES]
    count = SYSTEMS * ROLES
    permissions = [sorted(chance.sample(every, PERMISSIONS)) for _ in range(count)]
    # From the first half of a system's roles only, which inherit nothing: no circle, and one step is the longest way.
    inherits = [
        role - role % ROLES + chance.randrange(ROLES // 2)
        if role % ROLES >= ROLES // 2 and chance.random() < 2 * _INHERIT
        else None
        for role in range(count)
    ]
    each, more = divmod(GRANTS - GROUPS * HELD_BY_GROUP, PEOPLE)
    held = [
        [
            (role, chance.randrange(UNITS) if chance.random() < _SCOPED else None)
            for role in chance.sample(range(count), each + (person < more))
        ]
        for person in range(PEOPLE)
    ]
    return Policy(
        permissions,
        inherits,
        held,
        [chance.sample(range(count), HELD_BY_GROUP) for _ in range(GROUPS)],
        [chance.sample(range(GROUPS), GROUPS_OF_PERSON) for _ in range(PEOPLE)],
    )


# -- for access-service


def identifier(prefix: str, number: int) -> str:
    """Answer the id of the thing with this number."""
    return f"{prefix}_{number:026}"


def load(url: str, policy: Policy) -> None:
    """Write the policy into access-service's tables, past its API: a million calls would be a bench of their own.

    `url` is the superuser's, so that references are not looked up row by row. The constraint against overlaps goes:
    no decision reads it, and a GiST of a million rows takes minutes.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("ALTER TABLE role_grant DROP CONSTRAINT ex_role_grant_overlap")
        for table, columns, rows in _tables(policy):
            _copy(connection, table, columns.split(), rows)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


Rows = Iterable[tuple[object, ...]]


def _tables(policy: Policy) -> Iterator[tuple[str, str, Rows]]:
    """Answer each table with its columns and rows, in an order that references allow."""
    yield (
        "org_unit",
        "id name parent",
        ((identifier("org", n), f"Unit {n}", identifier("org", (n - 1) // 4) if n else None) for n in range(UNITS)),
    )
    yield (
        "system",
        "id key name description",
        ((identifier("sys", n), f"system-{n}", f"System {n}", "") for n in range(SYSTEMS)),
    )
    yield (
        "permission",
        "id system_id name description module action resource_type",
        (
            (_permission(n, action, kind), identifier("sys", n), f"{kind}.{action}", "", kind, action, kind)
            for n in range(SYSTEMS)
            for action in ACTIONS
            for kind in TYPES
        ),
    )
    yield "resource", "id system_id type name properties", (
        (
            identifier("rsc", (n * len(TYPES) + place) * RESOURCES + number), identifier("sys", n), kind,
            f"{kind}-{number}", json.dumps({"org_unit": identifier("org", number % UNITS)}),
        )
        for n in range(SYSTEMS) for place, kind in enumerate(TYPES) for number in range(RESOURCES)
    )  # fmt: skip
    yield (
        "role",
        "id system_id name description state",
        (
            (identifier("rol", n), identifier("sys", n // ROLES), f"Role {n}", "", "active")
            for n in range(len(policy.permissions))
        ),
    )
    yield (
        "role_permission",
        "role_id permission_id",
        (
            (identifier("rol", n), _permission(n // ROLES, action, kind))
            for n, held in enumerate(policy.permissions)
            for action, kind in held
        ),
    )
    yield (
        "role_inheritance",
        "role_id inherits",
        (
            (identifier("rol", n), identifier("rol", above))
            for n, above in enumerate(policy.inherits)
            if above is not None
        ),
    )
    yield (
        "person",
        "id user_name external_id name email status notices",
        (
            (identifier("per", n), f"person-{n}", f"hr-{n:07}", f"Person {n}", f"p{n}@campus.example", "active", "each")
            for n in range(PEOPLE)
        ),
    )
    yield "group", "id name description", ((identifier("grp", n), f"Group {n}", "") for n in range(GROUPS))
    yield (
        "group_member",
        "group_id person_id added_at",
        (
            (identifier("grp", group), identifier("per", n), _BEFORE)
            for n, groups in enumerate(policy.groups)
            for group in groups
        ),
    )
    given = itertools.chain(
        ((identifier("per", n), role, unit) for n, held in enumerate(policy.held) for role, unit in held),
        ((identifier("grp", n), role, None) for n, held in enumerate(policy.held_by_group) for role in held),
    )
    yield "role_grant", "id subject role_id org_unit valid_from origin reason granted_by", (
        (
            identifier("grt", n), subject, identifier("rol", role), None if unit is None else identifier("org", unit),
            _BEFORE, "request", "", "lodge",
        )
        for n, (subject, role, unit) in enumerate(given)
    )  # fmt: skip


def _permission(system: int, action: str, kind: str) -> str:
    return identifier("prm", (system * len(TYPES) + TYPES.index(kind)) * len(ACTIONS) + ACTIONS.index(action))


def _copy(connection: psycopg.Connection, table: str, columns: Sequence[str], rows: Rows) -> None:
    is_link = table in ("role_permission", "role_inheritance", "group_member")
    stamps = {} if is_link else {"version": "1", "created_at": _BEFORE, "updated_at": _BEFORE}
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, [*columns, *stamps]))
    )
    tail = "".join(f"\t{value}" for value in stamps.values()) + "\n"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        # Lines of its text form: ours hold nothing that would have to be escaped.
        for row in rows:
            copy.write("\t".join(["\\N" if value is None else str(value) for value in row]) + tail)


# -- for casbin


def write_for_casbin(folder: Path, policy: Policy) -> None:
    """Write `model.conf` and `policy.csv`; what holds for one org unit only casbin's model has no word for."""
    (folder / "model.conf").write_text(_MODEL)
    with (folder / "policy.csv").open("w") as file:
        for role, permissions in enumerate(policy.permissions):
            above = policy.inherits[role]
            file.writelines(
                f"p, role-{role}, system-{role // ROLES}/{kind}, {action}\n" for action, kind in permissions
            )
            if above is not None:
                file.write(f"g, role-{role}, role-{above}\n")
        for person, held in enumerate(policy.held):
            file.writelines(f"g, {identifier('per', person)}, role-{role}\n" for role, unit in held if unit is None)
            file.writelines(f"g, {identifier('per', person)}, group-{group}\n" for group in policy.groups[person])
        for group, roles in enumerate(policy.held_by_group):
            file.writelines(f"g, group-{group}, role-{role}\n" for role in roles)


_MODEL = """
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
