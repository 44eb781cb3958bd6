"""access-service's part: units, people, groups, the four systems with their roles, and who was given what."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import psycopg
from sqlmodel import SQLModel

from access_service.tables import (
    Grant,
    Group,
    GroupMember,
    OrgUnit,
    Permission,
    Person,
    Role,
    RoleInheritance,
    RolePermission,
    System,
)
from lodge_local.demonstration import past
from lodge_local.demonstration.campus import Campus, Member
from lodge_local.demonstration.chance import Chance, at
from lodge_local.demonstration.copying import copy
from lodge_local.demonstration.duties import duties
from lodge_local.demonstration.giving import Giving, given
from lodge_local.demonstration.log_ins import AUDITOR, SUPPORT_OFFICER, SYSTEM_OWNER
from lodge_local.demonstration.systems import ENVIRONMENTS, SYSTEMS, SystemSpec
from lodge_local.failures import Failed

BY = "lodge"
"""Who is on record for what nobody of the university did."""
LODGE = "lodge"
"""The key of the system that Lodge itself is."""
_OFFICERS = 7
_GROUPS = {
    "Boards of examiners: secretaries": ("Examinations", 18, "Examinations officer"),
    "Change advisory board": ("Software Support", 12, "Record viewer"),
    "Departmental schedulers": ("Timetabling", 26, "Department scheduler"),
    "Information governance": ("Internal Audit", 8, "Returns analyst"),
    "Module leaders without a department": ("English", 15, "Module leader"),
    "Peak desk cover": ("Reader Services", 20, "Desk assistant"),
    "Statutory returns working group": ("Statutory Returns", 9, "Returns analyst"),
    "Year-end accounts": ("Finance", 14, "Financial accountant"),
}
"""A group: the unit that most of its members are of, how many they are, the role that they are given together."""


def is_loaded(connection: psycopg.Connection, campus: Campus) -> bool:
    """Say whether this very university is here; raises Failed where something else is."""
    if _any(connection, "SELECT FROM org_unit WHERE id = %s", campus.units[0].id):
        return True
    if not _any(connection, "SELECT FROM system WHERE key = %s", LODGE):
        raise Failed("access-service's database was not bootstrapped: `make run` does that before it loads anything.")
    others = "SELECT FROM system WHERE key <> %s UNION ALL SELECT FROM org_unit"
    if _any(connection, others, LODGE) or _any(connection, "SELECT FROM person OFFSET 1 LIMIT %s", 1):
        raise Failed(
            "access-service's database has people or systems of its own, and the demonstration data is for an empty"
            " one: start with LODGE_DEMO=0, or name an empty database."
        )
    return False


def load(connection: psycopg.Connection, campus: Campus) -> dict[str, int]:
    """Write all of it; answers how many of the things that one would count."""
    found = connection.execute(
        "SELECT r.name, r.id FROM role r JOIN system s ON s.id = r.system_id WHERE s.key = %s", (LODGE,)
    ).fetchall()
    lodge = {str(name): str(role) for name, role in found}
    roles, catalogue = _catalogue(campus)
    groups, members, to_groups = _groups(campus, roles)
    grants = [*_in_lodge(campus, lodge), *to_groups, *_grants(campus, roles)]
    copy(connection, _units(campus))
    people = copy(connection, _people(campus))
    copy(connection, [*past.standings(campus), *past.appointments(campus)])
    copy(connection, catalogue)
    copy(connection, [*groups, *members])
    starters = connection.execute("SELECT key, id FROM support_function ORDER BY position").fetchall()
    copy(connection, duties(campus, {str(key): str(one) for key, one in starters}))
    count = copy(connection, grants)
    copy(connection, past.records(grants))
    return {
        "people": people, "systems": len(SYSTEMS), "roles": len(roles), "groups": len(groups), "grants": count,
    }  # fmt: skip


def _any(connection: psycopg.Connection, query: str, value: object) -> bool:
    return connection.execute(query.encode(), (value,)).fetchone() is not None


def _units(campus: Campus) -> Iterator[OrgUnit]:
    made = at(campus.began)
    for unit in campus.units:
        yield OrgUnit(
            id=unit.id, name=unit.name, code=unit.code, parent=unit.parent, created_at=made, updated_at=made
        )  # fmt: skip


def _people(campus: Campus) -> Iterator[Person]:
    for member in campus.members:
        left = member.left_on
        yield Person(
            id=member.id, user_name=member.user_name, external_id=member.external_id, name=member.name,
            email=member.email, org_unit=member.unit.id, manager=member.manager, deputy=member.deputy,
            status="inactive" if left else "active", joined_on=member.joined_on, left_on=left,
            version=2 if left else 1, created_at=member.made, updated_at=at(left) if left else member.made,
        )  # fmt: skip


def _catalogue(campus: Campus) -> tuple[dict[str, Role], list[SQLModel]]:
    """Make the systems; answers the roles by name, and every row in the order in which they refer to each other."""
    systems: list[SQLModel] = []
    permissions: list[SQLModel] = []
    links: list[SQLModel] = []
    roles: dict[str, Role] = {}
    chance = Chance("catalogue")
    for spec in SYSTEMS:
        system = _system(campus, chance, spec)
        systems.append(system)
        ids = {}
        for name, description, module, code in spec.parsed():
            resource, _, action = name.partition(".")
            row = Permission(
                id=chance.id("prm", system.created_at), system_id=system.id, name=name, description=description,
                module=module, action=action, resource_type=resource, supplier_code=code,
                created_at=system.created_at, updated_at=system.created_at,
            )  # fmt: skip
            permissions.append(row)
            ids[name] = row.id
        of_system = _roles(chance, spec, system)
        links += _links(spec, system, of_system, ids)
        roles |= of_system
    return roles, [*systems, *permissions, *roles.values(), *sorted(links, key=lambda link: type(link).__name__)]


def _system(campus: Campus, chance: Chance, spec: SystemSpec) -> System:
    made = chance.working(campus.began + timedelta(days=3))
    description = f"{spec.description} From {spec.supplier}. Environments: {', '.join(ENVIRONMENTS)}."
    return System(
        id=chance.id("sys", made), key=spec.key, name=spec.name, description=description,
        owner=campus.head(spec.owner).id, created_at=made, updated_at=made,
    )  # fmt: skip


def _roles(chance: Chance, spec: SystemSpec, system: System) -> dict[str, Role]:
    return {
        role.name: Role(
            id=chance.id("rol", system.created_at), system_id=system.id, name=role.name, description=role.description,
            owner=system.owner, created_at=system.created_at, updated_at=system.created_at,
        )
        for role in spec.roles
    }  # fmt: skip


def _links(
    spec: SystemSpec, system: System, roles: Mapping[str, Role], permissions: Mapping[str, str]
) -> Iterator[SQLModel]:
    for role in spec.roles:
        for name in role.permissions:
            yield RolePermission(role_id=roles[role.name].id, permission_id=permissions[name], since=system.created_at)
        for name in role.inherits:
            yield RoleInheritance(role_id=roles[role.name].id, inherits=roles[name].id, since=system.created_at)


def _groups(campus: Campus, roles: Mapping[str, Role]) -> tuple[list[Group], list[GroupMember], list[Grant]]:
    chance = Chance("groups")
    groups, members, grants = [], [], []
    here = [member for member in campus.members if member.left_on is None]
    for name, (unit, size, role) in _GROUPS.items():
        made = chance.working(campus.began + timedelta(days=chance.number(10, 200)))
        group = Group(id=chance.id("grp", made), name=name, created_at=made, updated_at=made)
        groups.append(group)
        near = [member for member in campus.of(unit) if member.left_on is None][: size // 2]
        for member in {one.id: one for one in (*near, *chance.some(here, size - len(near)))}.values():
            added = max(made, member.made)
            members.append(GroupMember(group_id=group.id, person_id=member.id, added_at=added))
        giver = roles[role].owner or BY
        giving = Giving(group.id, roles[role].id, None, made, None, f"For the group “{name}”.", giver)
        grants.append(giving.row(chance))
    return groups, members, grants


def _in_lodge(campus: Campus, lodge: Mapping[str, str]) -> Iterator[Grant]:
    """Give Lodge's own roles: to those of the five who have one, and to their colleagues."""
    chance, made = Chance("lodge"), at(campus.began) + timedelta(hours=10)
    support = [one for one in campus.of("Software Support") if one.left_on is None][:_OFFICERS]
    officers = {one.id: one for one in (campus.log_in(SUPPORT_OFFICER), *support)}
    owners = {one.id: one for one in (campus.log_in(SYSTEM_OWNER), *(campus.head(spec.owner) for spec in SYSTEMS))}
    holders: dict[str, list[Member]] = {
        "support-officer": list(officers.values()),
        "system-owner": list(owners.values()),
        "auditor": [campus.log_in(AUDITOR)],
    }
    for role, people in holders.items():
        for person in people:
            begins = max(made, person.made)
            yield Giving(person.id, lodge[role], None, begins, None, "Lodge was brought in.", BY, "import").row(chance)


def _grants(campus: Campus, roles: Mapping[str, Role]) -> Iterator[Grant]:
    chance = Chance("grants")
    for giving in given(campus, {name: (role.id, role.owner or BY) for name, role in roles.items()}):
        yield giving.row(chance)
