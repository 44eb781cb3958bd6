"""Reading the index from the database: all of it, or what has changed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, sql
from psycopg.rows import TupleRow

from access_service.held import ACCOUNT_VALUES, PERSON_VALUES
from access_service.index.deciding import Index
from access_service.index.model import Catalogue, Model, Named
from access_service.index.subjects import Holder

Take = Callable[[TupleRow], object]

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
_ENVIRONMENTS = """
    SELECT DISTINCT environment FROM role_grant
    WHERE environment IS NOT NULL AND (%(all)s OR subject = ANY (%(ids)s))
"""
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
_EXPORTED = "SELECT pg_export_snapshot()"


@asynccontextmanager
async def snapshot(*connections: AsyncConnection[TupleRow]) -> AsyncIterator[None]:
    """Have all that is read within, by any of the connections, be of one moment."""
    first, *others = connections
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(first.transaction())
        await first.execute(_SNAPSHOT)
        if others:
            (exported,) = await _row(first, _EXPORTED)
            for other in others:
                await stack.enter_async_context(other.transaction())
                await other.execute(_SNAPSHOT)
                await other.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(exported))
        yield


async def whole(connection: AsyncConnection[TupleRow], beside: AsyncConnection[TupleRow], *, at: datetime) -> Index:
    """Read all of it, within a snapshot of both: grants are packed for the one while the other reads the rest."""
    index = Index(at)
    index.state = await _state(connection)
    await _model(connection, index)
    numbers = await _numbers(connection, index, None)
    subjects, all_of_it, known = index.subjects, _wanted(None), asyncio.Event()

    async def read_the_rest() -> None:
        await _each(connection, _HOLDERS, all_of_it, lambda row: subjects.put(_holder(row)))
        known.set()
        await _each(connection, _MEMBERS, all_of_it, lambda row: subjects.belong(row[0], row[1].split()))
        await _each(connection, _RESOURCES, all_of_it, lambda row: index.resources.put(*row))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read_the_rest())
        packed = all_of_it | numbers | {"at": at}
        tasks.create_task(_each(beside, _GRANTS, packed, lambda row: subjects.hold(*row), after=known))
    return index


async def refresh(connection: AsyncConnection[TupleRow], index: Index, changed: Collection[str]) -> None:
    """Read what has changed anew, within a snapshot: the catalogue for `MODEL`, subjects and resources by their ids."""
    resources = [one for one in changed if one.startswith("rsc_")]
    subjects = [one for one in changed if one[:4] in ("per_", "svc_", "grp_")]
    state = await _state(connection)
    if len(resources) + len(subjects) < len(changed):  # roles before grants: they give the numbers
        await _model(connection, index)
    if subjects:
        await _subjects(connection, index, subjects)
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


async def _numbers(connection: AsyncConnection[TupleRow], index: Index, ids: Sequence[str] | None) -> dict[str, Any]:
    """Answer the numbers in which grants are packed; environments get theirs when a grant first names them."""
    rows = await (await connection.execute(_ENVIRONMENTS.encode(), _wanted(ids))).fetchall()
    index.environments.add(sorted(row[0] for row in rows))
    return {"roles": index.roles.texts, "units": index.units.texts, "environments": index.environments.texts}


async def _subjects(connection: AsyncConnection[TupleRow], index: Index, ids: Sequence[str]) -> None:
    numbers = await _numbers(connection, index, ids)
    subjects, wanted = index.subjects, _wanted(ids)
    holders: list[TupleRow] = []
    members: list[TupleRow] = []
    held: list[TupleRow] = []
    await _each(connection, _HOLDERS, wanted, holders.append)
    await _each(connection, _MEMBERS, wanted, members.append)
    await _each(connection, _GRANTS, wanted | numbers | {"at": index.at}, held.append)
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
    (state,) = await _row(connection, _STATE)
    return str(state)


async def _row(connection: AsyncConnection[TupleRow], query: str) -> TupleRow:
    """Answer the one row of a query that always has one."""
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None  # noqa: S101 - it has
    return row


async def _each(
    connection: AsyncConnection[TupleRow],
    query: str,
    wanted: Mapping[str, Any],
    take: Take,
    *,
    after: asyncio.Event | None = None,
) -> None:
    """Hand each row to `take`, a few thousand at a time; where it must come `after` something, not before."""
    cursor = connection.cursor(name=f"lodge_index_{id(take)}", binary=True)
    try:
        async with cursor:
            await cursor.execute(sql.SQL(query), wanted)
            while rows := await cursor.fetchmany(_AT_ONCE):
                if after is not None:
                    await after.wait()
                for row in rows:
                    take(row)
    finally:
        # Where the connection breaks, or we are cancelled, while the server is told: there is nothing left to tell it.
        await AsyncCursor.close(cursor)
