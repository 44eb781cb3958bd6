"""Evidence about one question, read from what is and what was: a few statements, each for one thing's own rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Text, and_, any_, bindparam, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from access_service import conditions, history, judging, past
from access_service.conditions import Outcome
from access_service.held import ATTRIBUTES
from access_service.history import Found, Standing, When
from access_service.judging import Candidate, Question, effective
from access_service.past import Link
from access_service.questions.evidence import Evidence, Grant, Permission, State, Subject, Thing, Way
from access_service.questions.periods import ALWAYS, NEVER, Periods
from access_service.questions.views import View
from access_service.tables import Group, OrgUnit, Person, Resource, Role, ServiceAccount, System
from access_service.tables import Permission as PermissionRow
from lodge_kit.identity import Scope
from lodge_kit.tables import IdText

Spans = dict[tuple[str, str], list[tuple[datetime, datetime | None]]]

# As the decisions know a subject: in this order, active or not.
_NAMED = text("""
    SELECT 0 AS rank, id, name, deleted_at FROM person WHERE id = :subject
    UNION ALL SELECT 1, id, name, NULL FROM service_account WHERE id = :subject
    UNION ALL SELECT 2, id, name, NULL FROM person WHERE external_id = :subject AND deleted_at IS NULL
    UNION ALL SELECT 3, id, name, NULL FROM person
        WHERE lower(user_name) = :lower AND user_name = :subject AND deleted_at IS NULL
    UNION ALL SELECT 4, id, name, NULL FROM service_account WHERE name = :subject
    ORDER BY rank LIMIT 1
""")
# Whom the directory deleted the decisions do not know by name any more; whoever asks why, means the last one.
_DELETED = text("""
    SELECT id, name, deleted_at FROM person
    WHERE (external_id = :subject OR user_name = :subject) AND deleted_at IS NOT NULL
    ORDER BY deleted_at DESC LIMIT 1
""")


async def subject(session: AsyncSession, named: str, when: When) -> Subject | None:
    """Answer whom a text names, by id, external id or user name; None for nobody, and for nobody yet on record."""
    row = (await session.execute(_NAMED, {"subject": named, "lower": named.lower()})).first()
    row = row or (await session.execute(_DELETED, {"subject": named})).first()
    if row is None:
        return None
    kind: type[Person | ServiceAccount] = Person if row.id.startswith("per_") else ServiceAccount
    states = (await _states(session, kind, [row.id], when)).get(row.id)
    if not states:
        return None
    deleted_at = row.deleted_at if row.deleted_at and row.deleted_at <= when.known_at else None
    known = await session.get(kind, row.id)
    attributes = {name: getattr(known, name, None) for name in ATTRIBUTES}
    thing = Thing("person" if kind is Person else "service-account", row.id, row.name, states)
    return Subject(thing, attributes, deleted_at)


async def permissions(session: AsyncSession, question: Question, about: Subject, when: When) -> list[Permission]:
    """Answer the permissions that are, or ever were, this action on this type of resource."""
    asked = {
        "action": question.action, "resource_type": question.resource_type, "resource": question.resource,
        "system": question.system, **when.parameters,
    }  # fmt: skip
    meanings: dict[str, list[Any]] = defaultdict(list)
    for row in await session.execute(_MEANT, asked):
        meanings[row.id].append(row)
    states = await _states(session, PermissionRow, meanings, when)
    found = [await _permission(question, about, rows, states.get(one, []), when) for one, rows in meanings.items()]
    units = {unit: await _covered(session, unit, when) for unit in {one.unit for one in found} if unit is not None}
    return [one if one.unit is None else replace(one, units=units[one.unit]) for one in found]


async def _permission(
    question: Question, about: Subject, rows: list[Any], states: list[State], when: When
) -> Permission:
    means = Periods.of((row.since, row.until) for row in rows)
    then = next((row for row in reversed(rows) if row.since <= when.as_of), rows[0])
    candidate = Candidate(
        permission=then.id, system=then.system_id, grant=None, group=None, roles=(), there=True,
        condition=then.condition, request_wins=then.request_wins, registered=then.properties or {},
    )  # fmt: skip
    outcome, seen = Outcome(holds=True), dict[str, Mapping[str, Any]]()
    if then.condition is not None:
        await conditions.read([then.condition])
        seen = judging.seen(question, judging.Subject(about.thing.id, about.attributes), candidate)
        outcome = conditions.weigh(then.condition, **seen)
    place = effective(candidate.registered, question.resource_properties, request_wins=then.request_wins)
    unit, environment = (one if isinstance(one, str) else None for one in map(place.get, judging.PLACE))
    thing = Thing("permission", then.id, then.name, states)
    said = question.resource_properties.keys() if then.request_wins else ()
    return Permission(
        thing, then.system, means, unit, {}, environment, then.condition, outcome, seen,
        attributes=about.attributes.keys(), registered=candidate.registered.keys() - said, said=said,
        system_id=then.system_id, owner=then.owner,
    )  # fmt: skip


async def evidence(
    session: AsyncSession, found: Subject, meant: Sequence[Permission], when: When, *, view: View
) -> Evidence:
    """Answer all that bears on whether the subject had one of the permissions, as far as the asker may know of it."""
    contains = await _links(session, past.CONTAINS, {one.thing.id for one in meant}, when)
    inherits: Spans = {}
    roles = fresh = {outer for outer, _ in contains}
    while fresh:
        above = await _links(session, past.INHERITS, fresh, when)
        inherits |= above
        fresh = {outer for outer, _ in above} - roles
        roles = roles | fresh
    below: dict[str, dict[str, Periods]] = defaultdict(dict)
    for (outer, inner), spans in inherits.items():
        below[outer][inner] = Periods.of(spans)
    things, everyones = await _roles(session, roles, when)
    ways = [Way(role, None) for role in everyones if found.thing.kind == "person"]
    given = await _given(session, found.thing.id, things, when, scope=view.grants)
    ways += [way for way in given if way.visible or view.decision]
    return Evidence(
        found, meant, things, {pair: Periods.of(spans) for pair, spans in contains.items()}, below, ways
    )  # fmt: skip


async def _given(session: AsyncSession, who: str, roles: Mapping[str, Thing], when: When, *, scope: Scope) -> list[Way]:
    members = await _links(session, past.MEMBER, {who}, when)
    joined = {group: Periods.of(spans) for (group, _), spans in members.items()}
    asked = {"wanted": [who, *joined], "roles": list(roles), **when.parameters}
    return [
        Way(
            row.role_id, _grant(row), (row.subject, row.group_name) if row.subject != who else None,
            joined.get(row.subject, ALWAYS), scope == "*" or row.org_unit in scope,
        )
        for row in await session.execute(_GIVEN, asked)
    ]  # fmt: skip


def _grant(row: Row[*tuple[Any, ...]]) -> Grant:
    return Grant(
        row.id, Periods.of([(row.valid_from, row.valid_to)]), (row.org_unit, row.unit_name) if row.org_unit else None,
        row.environment, row.granted_by, row.created_at, row.reason, row.ended_by, row.end_reason,
    )  # fmt: skip


async def _covered(session: AsyncSession, unit: str, when: When) -> Mapping[str, Periods]:
    """Answer an org unit and all that it ever stood below, with when it did."""
    found = {unit: ALWAYS}
    fresh = dict(found)
    while fresh:
        placed = await _states(session, OrgUnit, fresh, when)
        risen: dict[str, Periods] = {}
        for below, states in placed.items():
            for state in states:
                more = Periods.of([(state.since, state.until)]) & fresh[below]
                if state.name:
                    risen[state.name] = risen.get(state.name, NEVER) | more
        fresh = {one: more for one, more in risen.items() if more | found.get(one, NEVER) != found.get(one)}
        found |= {one: more | found.get(one, NEVER) for one, more in fresh.items()}
    return found


# -- rows


async def _roles(session: AsyncSession, wanted: Collection[str], when: When) -> tuple[dict[str, Thing], list[str]]:
    states = await _states(session, Role, wanted, when)
    named = select(col(Role.id), col(Role.name), col(Role.everyone)).where(col(Role.id).in_(wanted))
    rows = (await session.execute(named)).all()
    things = {row.id: Thing("role", row.id, row.name, states.get(row.id, ())) for row in rows}
    return things, [row.id for row in rows if row.everyone]


async def _links(session: AsyncSession, link: Link, inner: Iterable[str], when: When) -> Spans:
    found: Spans = defaultdict(list)
    for row in await session.execute(_LINKS[link.kind], {"wanted": list(inner), **when.parameters}):
        found[row.outer, row.inner].append((row.since, row.until))
    return found


async def _states(
    session: AsyncSession, kind: type[Standing], wanted: Iterable[str], when: When
) -> dict[str, list[State]]:
    found: dict[str, list[State]] = defaultdict(list)
    for row in await session.execute(_STANDINGS[kind], {"wanted": list(wanted), **when.parameters}):
        found[row.id].append(State(row.state, row.since, row.until))
    return found


# -- the statements, made once


def _meant() -> Found:
    ever, system = history.meanings(), bindparam("system", type_=Text)
    registered = and_(
        col(Resource.system_id) == col(System.id), col(Resource.type) == ever.c.resource_type,
        col(Resource.name) == bindparam("resource", type_=Text),
    )  # fmt: skip
    return (
        select(
            ever, col(PermissionRow.name), col(PermissionRow.system_id), col(System.name).label("system"),
            col(System.owner), col(Resource.properties),
        )
        .join_from(ever, PermissionRow, col(PermissionRow.id) == ever.c.id)
        .join(System, col(System.id) == col(PermissionRow.system_id))
        .outerjoin(Resource, registered)
        .where(ever.c.action == bindparam("action", type_=Text))
        .where(ever.c.resource_type == bindparam("resource_type", type_=Text))
        .where(or_(system.is_(None), col(System.id) == system, col(System.key) == system))
        .order_by(ever.c.id, ever.c.since)
    )  # fmt: skip


def _grants() -> Found:
    given = history.grants()
    return (
        select(given, col(OrgUnit.name).label("unit_name"), col(Group.name).label("group_name"))
        .outerjoin_from(given, OrgUnit, col(OrgUnit.id) == given.c.org_unit)
        .outerjoin(Group, col(Group.id) == given.c.subject)
        .where(given.c.subject == any_(history.WANTED))
        .where(given.c.role_id == any_(bindparam("roles", type_=ARRAY(IdText))))
    )


def _inner_links(link: Link) -> Found:
    ever = history.links(link)
    return select(ever).where(ever.c.inner == any_(history.WANTED))


_MEANT, _GIVEN = _meant(), _grants()
_LINKS = {link.kind: _inner_links(link) for link in (past.MEMBER, past.CONTAINS, past.INHERITS)}
_STANDINGS = {kind: history.standings(kind) for kind in (Person, ServiceAccount, Role, PermissionRow, OrgUnit)}
