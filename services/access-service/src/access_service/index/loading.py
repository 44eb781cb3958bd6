"""Reading the index from the database: all of it, or what has changed."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from access_service.held import ACCOUNT_VALUES, PERSON_VALUES
from access_service.index.deciding import Index
from access_service.index.model import Catalogue, Model, Named
from access_service.index.subjects import Holder

_AT_ONCE = 2_000
"""Rows between which other work of the process gets its turn."""

_ROLES = "SELECT id, everyone FROM role WHERE state = 'active'"
_INHERITANCE = "SELECT role_id, inherits FROM role_inheritance"
_CONTAINED = "SELECT role_id, permission_id FROM role_permission"
_PERMISSIONS = """
    SELECT p.id, p.system_id, s.key, p.action, p.resource_type, p.condition, p.request_wins
    FROM permission p JOIN system s ON s.id = p.system_id WHERE p.state = 'active'
"""
_UNITS = "SELECT id, parent FROM org_unit"
_ENVIRONMENTS = "SELECT DISTINCT environment FROM role_grant WHERE environment IS NOT NULL"
_HOLDERS = f"""
    SELECT id, CASE WHEN deleted_at IS NULL THEN user_name END, CASE WHEN deleted_at IS NULL THEN external_id END,
        {PERSON_VALUES}::text, status = 'active'
    FROM person WHERE %(all)s OR id = ANY (%(ids)s)
    UNION ALL
    SELECT id, name, NULL, {ACCOUNT_VALUES}::text, status = 'active'
    FROM service_account WHERE %(all)s OR id = ANY (%(ids)s)
"""  # noqa: S608 - constants; every value is bound
_MEMBERS = """
    SELECT person_id, string_agg(group_id, ' ' ORDER BY group_id) FROM group_member
    WHERE %(all)s OR person_id = ANY (%(ids)s) GROUP BY person_id
"""
# Packed by PostgreSQL (`subjects.RECORD`): a hundred thousand rows come, not a million. Grouped, the numbers are known
# to be few for each id, or the planner would hash the million grants to look them up.
_NUMBERS = """
    (SELECT id COLLATE "C" AS id, min(number)::int AS number FROM unnest({}::text[]) WITH ORDINALITY AS x (id, number)
        GROUP BY 1)
"""
_GRANTS = f"""
    SELECT g.subject, string_agg(
        int4send(r.number) || int4send(coalesce(u.number, 0)) || int4send(coalesce(e.number, 0))
        || timestamptz_send(g.valid_from) || timestamptz_send(coalesce(g.valid_to, 'infinity')) || textsend(g.id),
        ''::bytea)
    FROM role_grant g
    JOIN {_NUMBERS.format("%(roles)s")} r ON r.id = g.role_id
    LEFT JOIN {_NUMBERS.format("%(units)s")} u ON u.id = g.org_unit
    LEFT JOIN {_NUMBERS.format("%(environments)s")} e ON e.id COLLATE "default" = g.environment
    WHERE (g.valid_to IS NULL OR g.valid_to > %(at)s) AND (%(all)s OR g.subject = ANY (%(ids)s))
    GROUP BY g.subject
"""  # noqa: S608 - constants; every value is bound
_RESOURCES = """
    SELECT id, system_id, type, name, properties::text FROM resource WHERE %(all)s OR id = ANY (%(ids)s)
"""
_STATE = "SELECT coalesce(max(id), 'none') FROM audit_event"
_SNAPSHOT = """
    SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL work_mem = '128MB'; SET LOCAL hash_mem_multiplier = 4; SET LOCAL cursor_tuple_fraction = 1;
    SET LOCAL jit = off;
    SET LOCAL plan_cache_mode = force_custom_plan
"""
"""All rows are wanted, so none must come soon; plans see the values, so that `%(all)s OR …` costs nothing."""


@asynccontextmanager
async def snapshot(connection: AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    """Have all that is read within be of one moment."""
    async with connection.transaction():
        await connection.execute(_SNAPSHOT)
        yield


async def whole(connection: AsyncConnection[TupleRow], *, at: datetime) -> Index:
    """Read all of it, within a snapshot."""
    index = Index(at)
    index.state = await _state(connection)
    await _model(connection, index)
    await _subjects(connection, index, None, at=at)
    await _each(connection, _RESOURCES, _wanted(None), lambda row: index.resources.put(*row))
    return index


async def refresh(connection: AsyncConnection[TupleRow], index: Index, changed: Collection[str]) -> None:
    """Read what has changed anew, within a snapshot: the catalogue for `MODEL`, subjects and resources by their ids."""
    resources = [one for one in changed if one.startswith("rsc_")]
    subjects = [one for one in changed if one[:4] in ("per_", "svc_", "grp_")]
    state = await _state(connection)
    if len(resources) + len(subjects) < len(changed):  # roles before grants: they give the numbers
        await _model(connection, index)
    if subjects:
        await _subjects(connection, index, subjects, at=index.at)
    if resources:
        found: list[TupleRow] = []
        await _each(connection, _RESOURCES, _wanted(resources), found.append)
        for one in resources:
            index.resources.drop(one)
        for row in found:
            index.resources.put(*row)
    index.state = state


async def _model(connection: AsyncConnection[TupleRow], index: Index) -> None:
    async def rows(query: str) -> list[Any]:
        return await (await connection.execute(query.encode())).fetchall()

    catalogue = Catalogue(
        roles=await rows(_ROLES), inheritance=await rows(_INHERITANCE), contained=await rows(_CONTAINED),
        permissions=[Named(*row) for row in await rows(_PERMISSIONS)], units=dict(await rows(_UNITS)),
    )  # fmt: skip
    index.model = Model(catalogue, index.roles, index.units)
    index.changes += 1


async def _subjects(
    connection: AsyncConnection[TupleRow], index: Index, ids: Sequence[str] | None, *, at: datetime
) -> None:
    rows = await (await connection.execute(_ENVIRONMENTS.encode())).fetchall() if ids is None else []
    if ids is not None:
        narrowed = f"{_ENVIRONMENTS} AND subject = ANY (%(ids)s)"
        rows = await (await connection.execute(narrowed.encode(), {"ids": list(ids)})).fetchall()
    index.environments.add(sorted(row[0] for row in rows))
    numbered = {
        "roles": index.roles.texts, "units": index.units.texts, "environments": index.environments.texts, "at": at,
    }  # fmt: skip
    subjects, wanted = index.subjects, _wanted(ids)
    if ids is None:
        await _each(connection, _HOLDERS, wanted, lambda row: subjects.put(_holder(row)))
        await _each(connection, _MEMBERS, wanted, lambda row: subjects.belong(row[0], row[1].split()))
        await _each(connection, _GRANTS, wanted | numbered, lambda row: subjects.hold(row[0], row[1]))
        return
    holders: list[TupleRow] = []
    members: list[TupleRow] = []
    held: list[TupleRow] = []
    await _each(connection, _HOLDERS, wanted, holders.append)
    await _each(connection, _MEMBERS, wanted, members.append)
    await _each(connection, _GRANTS, wanted | numbered, held.append)
    # From here on nothing is awaited: no decision is made from half of a change.
    for one in ids:
        subjects.drop(one)
    for row in holders:
        subjects.put(_holder(row))
    for row in members:
        subjects.belong(row[0], row[1].split())
    grants = {row[0]: row[1] for row in held}
    for one in ids:
        subjects.hold(one, grants.get(one, b""))
    index.changes += 1


def _holder(row: TupleRow) -> Holder:
    return Holder(row[0], row[1], row[2], row[3], active=row[4])


def _wanted(ids: Sequence[str] | None) -> dict[str, Any]:
    return {"all": ids is None, "ids": list(ids or ())}


async def _state(connection: AsyncConnection[TupleRow]) -> str:
    row = await (await connection.execute(_STATE)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    return str(row[0])


async def _each(
    connection: AsyncConnection[TupleRow], query: str, wanted: Mapping[str, Any], take: Callable[[TupleRow], object]
) -> None:
    """Hand each row to `take`, a few thousand at a time."""
    async with connection.cursor(name="lodge_index", binary=True) as cursor:
        await cursor.execute(sql.SQL(query), wanted)
        while rows := await cursor.fetchmany(_AT_ONCE):
            for row in rows:
                take(row)
