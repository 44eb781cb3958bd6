"""Runs: a report asked with values, by one who may, of its approved version; the worker does the rest."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from enquiry_service import data_sources, enquiries, events, parameters, rights, versions
from enquiry_service.enquiry_log import happened
from enquiry_service.report_rights import given_run
from enquiry_service.tables import Enquiry, Report, ReportVersion, Run
from lodge_kit import audit, directory, ids
from lodge_kit.events import publish
from lodge_kit.identity import Caller
from lodge_kit.problems import Conflict, Forbidden, Invalid, NotFound
from lodge_kit.world import World

UNDER_WAY = ("queued", "running", "spooling")
WITH_FILE = ("done", "truncated")

_FORGOTTEN = timedelta(minutes=1)
"""After it, a run that waits is put into the queue again, where it is no longer."""


def visible(by: Caller) -> ColumnElement[bool]:
    """Match the runs that the caller may see.

    They are one's own, with the right to read reports those of one's org units, and those that answered one's enquiry.
    """
    scope = by.scope(rights.REPORTS_READ)
    if scope == "*":
        return true()
    return or_(col(Run.requested_by) == by.id, col(Run.org_unit).in_(scope), released_to(by))


def released_to(by: Caller) -> ColumnElement[bool]:
    """Match the runs that answered an enquiry of the caller's."""
    own = select(col(Enquiry.id)).where(col(Enquiry.requester) == by.id)
    return and_(col(Run.released_at).is_not(None), col(Run.enquiry_id).in_(own))


async def get(session: AsyncSession, run_id: str, *, by: Caller, lock: bool = False) -> Run:
    """Read a run, and with `lock` keep the worker from changing it meanwhile. Raises `NotFound`."""
    found = select(Run).where(col(Run.id) == run_id, visible(by))
    run = (await session.execute(found.with_for_update() if lock else found)).scalar_one_or_none()
    if run is None:
        raise NotFound(f"There is no run {run_id} that you may see.")
    return run


async def request(
    session: AsyncSession, report: Report, values: Mapping[str, Any], *, enquiry_id: str | None, purpose: str,
    world: World, by: Caller, now: datetime,
) -> Run:  # fmt: skip
    """Ask for a run of the approved version.

    Raises `Forbidden`, `Invalid`, `NothingApproved`, `SourceNotProven`, `Unclassified`.

    Who was given the right on this one report runs it for whichever enquiry he may see, and fills no more org units.
    """
    org_unit = await _for_org_unit(session, enquiry_id, by=by, given=partial(given_run, world, report.id, by=by))
    version = await versions.approved(session, report)
    data_sources.demand_proven(await data_sources.get(session, report.source_id))
    # One that was approved before columns had classes: nobody could say later who has seen what of whom.
    await versions.demand_classified(session, version)
    facts = {"enquiry_id": enquiry_id, "purpose": purpose, "org_unit": org_unit}
    return await _queued(session, version, values, facts, world=world, by=by, now=now)


async def request_ad_hoc(
    session: AsyncSession, report: Report, number: int, values: Mapping[str, Any], *, enquiry_id: str, purpose: str,
    world: World, by: Caller, now: datetime,
) -> Run:  # fmt: skip
    """Ask for a run of a draft, for a named enquiry, by who may where the enquiry belongs; fewer rows, on record there.

    Raises as `request` does, and `Unclassified`. From then on the draft stays as it is: what was run is on record.
    """
    org_unit = await _for_org_unit(session, enquiry_id, by=by)
    by.demand(rights.ADHOC, org_unit or "")
    source = await data_sources.get(session, report.source_id)
    data_sources.demand_proven(source)
    if not source.adhoc_row_limit:
        raise Forbidden("This source is for approved reports only. Submit this version, and have another approve it.")
    # Locked: nobody edits it between here and its first run.
    version = await versions.get(session, report.id, number, lock=True)
    if version.state not in ("draft", "review"):
        raise Conflict(f"This version is {version.state}. Run the report's approved version instead.")
    await versions.demand_classified(session, version)
    facts = {
        "enquiry_id": enquiry_id, "purpose": purpose, "org_unit": org_unit, "ad_hoc": True,
        "row_limit": source.adhoc_row_limit,
    }  # fmt: skip
    run = await _queued(session, version, values, facts, world=world, by=by, now=now)
    enquiry = await enquiries.get(session, enquiry_id, by=by)
    await happened(session, enquiry, "ad-hoc-run", by=by, now=now, run=run.id, report=report.id, version=number)
    return run


async def _queued(
    session: AsyncSession, version: ReportVersion, values: Mapping[str, Any], facts: Mapping[str, Any], *,
    world: World, by: Caller, now: datetime,
) -> Run:  # fmt: skip
    """Bind the values and have the run wait for a worker. Raises `Invalid` with every value that is wrong."""
    definitions = parameters.DEFINITIONS.validate_python(version.parameters)
    bound = parameters.bind(definitions, values, scope=by.scope(rights.RUN))
    people = [
        (f"/parameters/{one.name}", parameters.written(bound[one.name]))
        for one in definitions
        if isinstance(one, parameters.PersonParameter)
    ]
    await directory.demand_known(session, world.directory, people, now=now)
    await directory.remember_caller(session, by, now=now)
    run = Run(
        id=ids.new("run"), report_version_id=version.id, requested_by=by.id, created_at=now, updated_at=now,
        parameters={name: parameters.written(value) for name, value in bound.items()}, **facts,
    )  # fmt: skip
    session.add(run)
    audit.record(
        session,
        "run.requested",
        kind="run",
        of=run.id,
        by=by,
        now=now,
        report=version.report_id,
        version=version.number,
        ad_hoc=run.ad_hoc,
    )
    await session.flush()
    return run


async def _for_org_unit(
    session: AsyncSession, enquiry_id: str | None, *, by: Caller, given: Callable[[], Awaitable[bool]] | None = None
) -> str | None:
    """Answer for which org unit is run: the enquiry's. Raises unless the caller may run reports for it.

    `given` says, where that does not suffice, whether he was given the right on this one report.
    """
    if enquiry_id is None:
        if not by.may(rights.RUN, "") and not (given and await given()):
            raise Forbidden(
                f"You hold {rights.RUN.name} for some org units only: name the enquiry of one of them that this run is"
                " for."
            )
        return None
    try:
        enquiry = await enquiries.get(session, enquiry_id, by=by)
    except NotFound as problem:
        raise Invalid.at("/enquiry", problem.detail, "unknown-enquiry") from problem
    if not by.may(rights.RUN, enquiry.org_unit or "") and not (given and await given()):
        by.demand(rights.RUN, enquiry.org_unit or "")
    if enquiry.status == "closed":
        raise Conflict("This enquiry is closed. Reopen it first.")
    return enquiry.org_unit


async def cancel(session: AsyncSession, run_id: str, *, by: Caller, now: datetime) -> None:
    """Have a run ended, at the source too. One that waits ends at once."""
    run = await get(session, run_id, by=by, lock=True)
    if run.requested_by != by.id:
        by.demand(rights.RUN, run.org_unit or "")
    if run.status not in UNDER_WAY:
        raise Conflict(f"This run is {run.status} already.")
    audit.record(session, "run.cancelled", kind="run", of=run.id, by=by, now=now)
    run.cancel_requested_at, run.updated_at = run.cancel_requested_at or now, now
    if run.status == "queued":
        run.status, run.reason = "cancelled", "Cancelled before it began."
        await ended(session, run, now=now)


async def ended(session: AsyncSession, run: Run, *, now: datetime) -> None:
    """Put the end of a run, whichever it was, on record, and tell the world."""
    run.phase, run.finished_at, run.lease_until, run.updated_at = None, now, None, now
    await session.flush()
    version = await session.get_one(ReportVersion, run.report_version_id)
    fact = events.RunFinished(
        report=version.report_id, status=run.status, rows=run.rows, sha256=run.sha256, enquiry=run.enquiry_id
    )
    await publish(session, fact, of=run.id, version=run.version, actor=run.requested_by, now=now)
    by = run.requested_by
    audit.record(session, "run.finished", kind="run", of=run.id, by=by, now=now, status=run.status, rows=run.rows)


async def abandoned(session: AsyncSession, *, now: datetime) -> list[str]:
    """Answer the runs that nobody executes: their worker died, or their job was lost."""
    dead = col(Run.status).in_(("running", "spooling")) & (col(Run.lease_until) < func.now())
    forgotten = (col(Run.status) == "queued") & (col(Run.created_at) < now - _FORGOTTEN)
    return list((await session.execute(select(col(Run.id)).where(dead | forgotten).limit(500))).scalars())
