"""Laws of decisions, for any small catalogue, tree, grants, dates, scopes and conditions.

What SQL decides is what a few plain loops decide, which are written here and know nothing of it; what an index decides
is what SQL decides; what a search finds are those for which it permits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import rights, tables
from access_service.decisions import decide
from access_service.history import When
from access_service.index import Index, loading
from access_service.index.subjects import moment
from access_service.judging import Decision, DecisionReason, Question
from access_service.questions.explaining import explain
from access_service.questions.misses import Why
from access_service.questions.telling import tell
from access_service.searching.actions import actions
from access_service.searching.resources import resources
from access_service.searching.subjects import subjects
from lodge_kit.identity import Caller

pytestmark = pytest.mark.anyio

ACTIONS, NAMES = ("read", "write"), ("1", "2", "3")
UNITS = tuple(f"org_{n}" for n in range(4))
SYSTEMS = ("sys_0", "sys_1")
PEOPLE, GROUPS, ACCOUNT = ("per_0", "per_1", "per_2"), ("grp_0", "grp_1"), "svc_0"
ENVIRONMENTS = ("live", "test")
NOWHERE = "org_9"

Seen = Mapping[str, Any]
CONDITIONS: dict[str | None, Callable[[Seen, Seen, Seen], bool]] = {
    None: lambda _subject, _properties, _context: True,
    "resource.properties.owner == subject.email": lambda subject, properties, _context: (
        "owner" in properties and properties["owner"] == subject["email"]
    ),
    "subject.org_unit == resource.properties.org_unit": lambda subject, properties, _context: (
        "org_unit" in properties and properties["org_unit"] == subject["org_unit"]
    ),
    "context.ok || resource.properties.open": lambda _subject, properties, context: (
        context.get("ok") is True or properties.get("open") is True
    ),
    "subject.name == 'per_0' && 1 / 0 == 1": lambda _subject, _properties, _context: False,
}
"""Each with what it means in Python; an error, as of a key that is missing, does not hold."""


@dataclass(frozen=True)
class Permission:
    system: str
    action: str
    type: str
    condition: str | None
    request_wins: bool
    active: bool


@dataclass(frozen=True)
class Role:
    state: str
    everyone: bool
    contains: frozenset[int]
    inherits: frozenset[int]


@dataclass(frozen=True)
class Grant:
    subject: str
    role: int
    unit: str | None
    environment: str | None
    begins: int
    ends: int | None
    """Hours from now."""


@dataclass
class House:
    """All that a decision depends on."""

    parents: dict[str, str | None]
    permissions: Sequence[Permission]
    roles: Sequence[Role]
    people: Mapping[str, tuple[str, str | None, str | None]]
    """Status, e-mail, org unit."""
    members: Mapping[str, frozenset[str]]
    account: str
    grants: Sequence[Grant]
    registered: Mapping[tuple[str, str, str], dict[str, Any]]
    questions: Sequence[Question] = field(default_factory=list)


PROPERTIES = some.fixed_dictionaries(
    {},
    optional={
        "owner": some.sampled_from(["a@x", "b@x"]), "org_unit": some.sampled_from(UNITS),
        "environment": some.sampled_from(ENVIRONMENTS), "open": some.booleans(),
    },
)  # fmt: skip
_MORE = {
    "owner": some.sampled_from(["a@x", "b@x"]), "org_unit": some.sampled_from([*UNITS, *UNITS, NOWHERE, 5]),
    "environment": some.sampled_from([*ENVIRONMENTS, None]), "open": some.booleans(),
}  # fmt: skip
SAID = some.one_of(
    some.fixed_dictionaries({}, optional=_MORE), some.fixed_dictionaries({}, optional=_MORE),
    some.fixed_dictionaries({"system": some.sampled_from([*SYSTEMS, "key-0", "nowhere", 7])}, optional=_MORE),
)  # fmt: skip
# Weighted: else hardly anything would be permitted.
TYPES = some.sampled_from(["record"] * 5 + ["book"])
ACTIVE = some.sampled_from([True] * 4 + [False])
STATES = some.sampled_from(["active"] * 5 + ["retired"])


@some.composite
def houses(draw: some.DrawFn) -> House:
    parents = {UNITS[0]: None} | {
        unit: draw(some.sampled_from([None, *UNITS[:place]])) for place, unit in enumerate(UNITS) if place
    }
    permission = some.builds(
        Permission, some.sampled_from(SYSTEMS), some.sampled_from(ACTIONS), TYPES,
        some.sampled_from([None, *CONDITIONS]), some.booleans(), ACTIVE,
    )  # fmt: skip
    permissions = draw(some.lists(permission, min_size=2, max_size=5))
    roles = [
        Role(
            draw(STATES), draw(some.sampled_from([False] * 6 + [True])),
            draw(some.frozensets(some.integers(0, len(permissions) - 1), max_size=2)),
            draw(some.frozensets(some.integers(0, place - 1), min_size=1, max_size=2)) if place else frozenset(),
        )
        for place in range(draw(some.integers(2, 5)))
    ]  # fmt: skip
    grant = some.builds(
        Grant, some.sampled_from([*PEOPLE, *GROUPS, ACCOUNT]), some.integers(0, len(roles) - 1),
        some.none() | some.sampled_from(UNITS), some.sampled_from([None, None, *ENVIRONMENTS]),
        some.integers(-5, 1), some.none() | some.integers(-1, 5),
    )  # fmt: skip
    grants = some.lists(
        grant.filter(lambda one: one.ends is None or one.ends >= one.begins),
        min_size=2, max_size=8, unique_by=lambda one: (one.subject, one.role, one.unit, one.environment),
    )  # fmt: skip
    person = some.tuples(
        some.sampled_from(["active"] * 4 + ["inactive"]), some.sampled_from([None, "a@x", "b@x"]),
        some.none() | some.sampled_from(UNITS),
    )  # fmt: skip
    keys = some.tuples(some.sampled_from(SYSTEMS), TYPES, some.sampled_from(NAMES))
    asked = some.builds(
        Question, some.sampled_from([*PEOPLE, *PEOPLE, "ext-0", "user-1", "ext-2", ACCOUNT, "account", "nobody"]),
        some.sampled_from(ACTIONS), TYPES, some.sampled_from(NAMES),
        some.sampled_from(["user"] * 6 + ["service_account", "ship"]), some.just({}), some.just({}), SAID,
        some.sampled_from([{}, {"ok": True}, {"ok": False}]),
    )  # fmt: skip
    return House(
        parents, permissions, roles, {one: draw(person) for one in PEOPLE},
        {group: draw(some.frozensets(some.sampled_from(PEOPLE), min_size=1)) for group in GROUPS},
        draw(some.sampled_from(["active", "active", "inactive"])), draw(grants),
        draw(some.dictionaries(keys, PROPERTIES, max_size=5)),
        draw(some.lists(asked, min_size=8, max_size=8)),
    )  # fmt: skip


# The oracle


def who_is(house: House, question: Question) -> str | None:
    if question.subject_type not in ("user", "service_account"):
        return None
    named = {f"{word}-{n}": person for n, person in enumerate(PEOPLE) for word in ("ext", "user")}
    found = (named | {"account": ACCOUNT}).get(question.subject, question.subject)
    if found == ACCOUNT:
        return found if house.account == "active" else None
    return found if found in PEOPLE and house.people[found][0] == "active" else None


def reached(house: House, role: int) -> set[int]:
    """Answer the active roles that are held with this one."""
    if house.roles[role].state != "active":
        return set()
    return {role}.union(*(reached(house, other) for other in house.roles[role].inherits))


def above(house: House, unit: Any) -> list[Any]:
    return [unit, *above(house, house.parents[unit])] if unit in house.parents else []


def held(house: House, who: str, permission: int) -> list[Grant | None]:
    groups = {group for group, people in house.members.items() if who in people}
    everyone = [
        None for place, role in enumerate(house.roles)
        if role.everyone and who in PEOPLE and any(permission in house.roles[r].contains for r in reached(house, place))
    ]  # fmt: skip
    given = [
        grant for grant in house.grants
        if grant.subject in {who, *groups} and grant.begins <= 0 and (grant.ends is None or grant.ends > 0)
        and any(permission in house.roles[role].contains for role in reached(house, grant.role))
    ]  # fmt: skip
    return everyone + given


def meant(house: House, question: Question) -> list[int]:
    said = question.resource_properties.get("system")
    return [
        place for place, one in enumerate(house.permissions)
        if one.active and (one.action, one.type) == (question.action, question.resource_type)
        and (said is None or said in (one.system, one.system.replace("sys_", "key-")))
    ]  # fmt: skip


def covers(grant: Grant, units: list[Any], environment: Any) -> bool:
    return grant.unit in (None, *units) and grant.environment in (None, environment)


def expected(house: House, question: Question) -> DecisionReason:
    who = who_is(house, question)
    if who is None:
        return DecisionReason.SUBJECT_UNKNOWN
    known = meant(house, question)
    if not known:
        return DecisionReason.PERMISSION_UNKNOWN
    found = {DecisionReason.NOT_HELD}
    for place in known:
        permission = house.permissions[place]
        registered = house.registered.get((permission.system, question.resource_type, question.resource), {})
        pair = [registered, question.resource_properties]
        properties = {**pair[0], **pair[1]} if permission.request_wins else {**pair[1], **pair[0]}
        units = above(house, properties.get("org_unit"))
        for grant in held(house, who, place):
            if grant is not None and not covers(grant, units, properties.get("environment")):
                found.add(DecisionReason.HELD_ELSEWHERE)
            else:
                _, email, unit = house.people.get(who, ("", None, None))
                subject = {"email": email, "org_unit": unit}
                holds = CONDITIONS[permission.condition](subject, properties, question.context)
                found.add(DecisionReason.HELD if holds else DecisionReason.CONDITION_NOT_MET)
    order = (
        DecisionReason.HELD,
        DecisionReason.CONDITION_NOT_MET,
        DecisionReason.HELD_ELSEWHERE,
        DecisionReason.NOT_HELD,
    )
    return next(reason for reason in order if reason in found)


# What SQL has


async def build(session: AsyncSession, house: House, now: datetime) -> None:
    stamps = {"version": 1, "created_at": now, "updated_at": now}

    async def put(table: Any, rows: Sequence[dict[str, Any]], **more: Any) -> None:
        if rows:
            await session.execute(insert(table), [row | more for row in rows])

    for unit, parent in house.parents.items():
        await put(tables.OrgUnit, [{"id": unit, "name": unit, "parent": parent}], **stamps)
    people = [
        {
            "id": one, "name": one, "user_name": f"user-{n}", "external_id": f"ext-{n}", "status": status,
            "email": email, "org_unit": unit, "notices": "each",
        }
        for n, (one, (status, email, unit)) in enumerate(house.people.items())
    ]  # fmt: skip
    await put(tables.Person, people, **stamps)
    account = {"id": ACCOUNT, "name": "account", "description": "", "status": house.account}
    await put(tables.ServiceAccount, [account], **stamps)
    await put(tables.Group, [{"id": one, "name": one, "description": ""} for one in GROUPS], **stamps)
    links = [{"group_id": group, "person_id": one} for group, members in house.members.items() for one in members]
    await put(tables.GroupMember, links, added_at=now)
    systems = [{"id": one, "key": f"key-{n}", "name": one, "description": ""} for n, one in enumerate(SYSTEMS)]
    await put(tables.System, systems, **stamps)
    permissions = [
        {
            "id": f"prm_{n}", "system_id": one.system, "name": f"{n}", "action": one.action, "resource_type": one.type,
            "condition": one.condition, "request_wins": one.request_wins, "description": "", "module": "",
            "state": "active" if one.active else "retired",
        }
        for n, one in enumerate(house.permissions)
    ]  # fmt: skip
    await put(tables.Permission, permissions, **stamps)
    roles = [
        {
            "id": f"rol_{n}", "system_id": SYSTEMS[0], "name": f"{n}", "description": "", "state": one.state,
            "everyone": one.everyone,
        }
        for n, one in enumerate(house.roles)
    ]  # fmt: skip
    await put(tables.Role, roles, **stamps)
    inner = [
        {"role_id": f"rol_{n}", "permission_id": f"prm_{p}"} for n, one in enumerate(house.roles) for p in one.contains
    ]
    await put(tables.RolePermission, inner, since=now)
    lower = [{"role_id": f"rol_{n}", "inherits": f"rol_{o}"} for n, one in enumerate(house.roles) for o in one.inherits]
    await put(tables.RoleInheritance, lower, since=now)
    grants = [
        {
            "id": f"grt_{n:026}", "subject": one.subject, "role_id": f"rol_{one.role}", "org_unit": one.unit,
            "environment": one.environment, "valid_from": now + timedelta(hours=one.begins),
            "valid_to": None if one.ends is None else now + timedelta(hours=one.ends), "origin": "request",
            "reason": "", "granted_by": "lodge",
        }
        for n, one in enumerate(house.grants)
    ]  # fmt: skip
    await put(tables.Grant, grants, **stamps)
    registered = [
        {"id": f"rsc_{n}", "system_id": system, "type": kind, "name": name, "properties": properties}
        for n, ((system, kind, name), properties) in enumerate(house.registered.items())
    ]
    await put(tables.Resource, registered, **stamps)


def demand_true(house: House, question: Question, found: Decision) -> None:
    """Demand that the path is one: from a grant that is held, by inheritance, to a role with the permission."""
    if found.path is None:
        assert not found.permit
        return
    path, who = found.path, who_is(house, question)
    permission, way = int(path.permission[4:]), [int(role[4:]) for role in path.roles]
    assert permission in house.roles[way[-1]].contains
    assert all(lower in house.roles[upper].inherits for upper, lower in pairwise(way))
    assert all(house.roles[role].state == "active" for role in way)
    if path.grant is None:
        assert house.roles[way[0]].everyone
    else:
        grant = house.grants[int(path.grant[4:])]
        assert (grant.role, grant.subject) == (way[0], path.group or who)
        assert path.group is None or who in house.members[path.group]


BOUNDED = settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@pytest.mark.usefixtures("client")
@BOUNDED
@given(house=houses())
async def test_sql_decides_what_plain_loops_decide(app: FastAPI, time: Any, house: House) -> None:
    async with AsyncSession(app.state.database.orm) as session:
        await build(session, house, time.now)
        for question in house.questions:
            found = await decide(session, question, at=time.now)
            assert found.reason is expected(house, question), question
            assert found.permit is (found.reason is DecisionReason.HELD)
            assert found.subject == who_is(house, question)
            demand_true(house, question, found)
        await session.rollback()


REASONS = {
    DecisionReason.HELD: {Why.HELD},
    DecisionReason.SUBJECT_UNKNOWN: {
        Why.SUBJECT_UNKNOWN,
        Why.SUBJECT_INACTIVE,
        Why.PERMISSION_UNKNOWN,
        Why.SYSTEM_UNKNOWN,
    },  # both may be unknown: it says so of the permission
    DecisionReason.PERMISSION_UNKNOWN: {Why.PERMISSION_UNKNOWN, Why.SYSTEM_UNKNOWN, Why.PERMISSION_RETIRED},
}
"""What an explanation says where a decision says this."""


@pytest.mark.usefixtures("client")
@BOUNDED
@given(house=houses())
async def test_an_explanation_says_what_is_decided_and_weighs_the_same_conditions(
    app: FastAPI, time: Any, house: House
) -> None:
    auditor = Caller("per_9", "Auditor", permissions={one.name: "*" for one in rights.ALL})
    async with AsyncSession(app.state.database.orm) as session:
        await build(session, house, time.now)
        for question in house.questions:
            decided = await decide(session, question, at=time.now)
            found = await explain(session, question, When(time.now, time.now), by=auditor, now=time.now)
            told = tell(found, zone=ZoneInfo("UTC"), now=time.now)
            assert found.finding.permit is decided.permit, question
            if decided.reason in REASONS and not (told.why_not and decided.reason is DecisionReason.PERMISSION_UNKNOWN):
                assert told.why in REASONS[decided.reason], question
            if decided.reason is DecisionReason.CONDITION_NOT_MET:
                missing = [(path, {facet.name for _, facet in path.misses(time.now)}) for path in found.told]
                outcomes = [path.permission.outcome for path, names in missing if names == {"outcome"}]
                assert decided.path is not None
                assert decided.path.condition in outcomes, question
        await session.rollback()


# The index


async def driver(session: AsyncSession) -> Any:
    """Answer the connection under a session: an index reads what the transaction sees."""
    raw = await (await session.connection()).get_raw_connection()
    return raw.driver_connection


async def demand_alike(session: AsyncSession, index: Index, questions: Sequence[Question], now: datetime) -> None:
    for question in questions:
        theirs = await decide(session, question, at=now)
        ours = index.decide(question, at=moment(now))
        assert (ours.permit, ours.reason, ours.subject) == (theirs.permit, theirs.reason, theirs.subject), question
        assert index.permits(question, at=moment(now)) is theirs.permit
        if ours.path is not None and theirs.path is not None:
            assert ours.path.grant == theirs.path.grant
            assert ours.path.permission == theirs.path.permission
        assert (ours.path is None) is (theirs.path is None)


@pytest.mark.usefixtures("client")
@BOUNDED
@given(house=houses())
async def test_an_index_decides_what_sql_decides_now_and_later(app: FastAPI, time: Any, house: House) -> None:
    async with AsyncSession(app.state.database.orm) as session:
        await build(session, house, time.now)
        connection = await driver(session)
        index = await loading.whole(connection, connection, at=time.now)
        # Grants begin and end with time alone: nothing is read anew for it. Then back, for what was added up meanwhile.
        for hours in (0, 1, 3, 6, 1, 0):
            await demand_alike(session, index, house.questions, time.now + timedelta(hours=hours))
        await session.rollback()


CHANGES = {
    "per_0": "UPDATE person SET status = 'inactive', user_name = 'user-9' WHERE id = 'per_0'",
    "per_1": "UPDATE person SET status = 'active', external_id = 'ext-0', email = 'a@x', org_unit = 'org_1'"
    " WHERE id = 'per_1' AND NOT EXISTS (SELECT 1 FROM person o WHERE o.external_id = 'ext-0')",
    "per_2": "INSERT INTO group_member (group_id, person_id, added_at) VALUES ('grp_0', 'per_2', now())"
    " ON CONFLICT DO NOTHING",
    "grp_0": "UPDATE role_grant SET valid_to = valid_from WHERE subject = 'grp_0'",
    "grp_1": "UPDATE role_grant SET org_unit = NULL, environment = NULL WHERE id IN"
    " (SELECT min(id) FROM role_grant WHERE subject = 'grp_1' GROUP BY role_id)",
    "svc_0": "UPDATE service_account SET status = 'active' WHERE id = 'svc_0'",
    "rsc_0": 'UPDATE resource SET properties = \'{"open": true, "org_unit": "org_0"}\' WHERE id = \'rsc_0\'',
    "rsc_1": "DELETE FROM resource WHERE id = 'rsc_1'",
    "model": "UPDATE role SET state = CASE state WHEN 'active' THEN 'retired' ELSE 'active' END WHERE id = 'rol_0'",
    "model ": "DELETE FROM role_inheritance WHERE role_id = 'rol_1'",
    "model  ": "UPDATE org_unit SET parent = NULL WHERE id = 'org_3'",
}
"""What is told of a change, and the change."""


@pytest.mark.usefixtures("client")
@BOUNDED
@given(house=houses(), told=some.lists(some.sets(some.sampled_from(sorted(CHANGES)), max_size=4), max_size=3))
async def test_an_index_that_followed_the_changes_decides_as_a_new_one(
    app: FastAPI, time: Any, house: House, told: list[set[str]]
) -> None:
    async with AsyncSession(app.state.database.orm) as session:
        await build(session, house, time.now)
        connection = await driver(session)
        index = await loading.whole(connection, connection, at=time.now)
        for changes in told:
            for question in house.questions:
                index.decide(question, at=moment(time.now))  # what is remembered may have to be forgotten
            for change in sorted(changes):
                await session.execute(text(CHANGES[change].replace(":", "\\:")))
            await loading.refresh(await driver(session), index, {change.strip() for change in changes})
            await demand_alike(session, index, house.questions, time.now)
        await session.rollback()


# The searches


@pytest.mark.usefixtures("client")
@BOUNDED
@given(house=houses(), limit=some.integers(1, 4))
async def test_a_search_finds_those_for_which_it_permits(app: FastAPI, time: Any, house: House, limit: int) -> None:
    def permitted(question: Question, **change: str) -> bool:
        asked = {name: getattr(question, name) for name in Question.__struct_fields__} | change
        return expected(house, Question(**asked)) is DecisionReason.HELD

    async def whole(search: Any, session: AsyncSession, question: Question) -> list[str]:
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = await search(session, question, at=time.now, after=after, limit=limit)
            assert len(page.found) <= limit
            found, after = found + page.found, page.after
        return found

    async with AsyncSession(app.state.database.orm) as session:
        await build(session, house, time.now)
        for question in house.questions[:3]:
            people = [f"ext-{n}" for n in range(3) if permitted(question, subject=f"ext-{n}")]
            programs = ["account"] if permitted(question, subject="account") else []
            kinds = {"user": people, "service_account": programs, "ship": []}
            assert await whole(subjects, session, question) == kinds[question.subject_type], question
            may = [one for one in ACTIONS if permitted(question, action=one)]
            assert await actions(session, question, at=time.now) == may, question
            systems = {house.permissions[place].system for place in meant(house, question)}
            known = {
                name for system, kind, name in house.registered if system in systems and kind == question.resource_type
            }
            on = sorted(name for name in known if permitted(question, resource=name))
            assert await whole(resources, session, question) == on, question
        await session.rollback()
