"""Rights on one report, beside the rights by role on all of them: access-service gives them, and is asked by AuthZEN.

Its grants have dates, groups and ends; what it answers is remembered for `REMEMBERED`, so a right that was taken away
ends within that. While it cannot be asked, nobody has a right on one report; rights by role go on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal, Self, get_args

import aiohttp
from pydantic import BaseModel, ValidationError

from enquiry_service import rights
from lodge_kit.clock import Clock
from lodge_kit.identity import Caller, Permission
from lodge_kit.problems import NotFound, Unavailable
from lodge_kit.world import World

ReportRight = Literal["run", "see-sql", "edit", "unmask"]
"""Each by itself: who runs a report need not see its SQL. In access-service the action is `report.<right>`."""

RIGHTS: tuple[ReportRight, ...] = get_args(ReportRight)
SYSTEM = "lodge-reports"
"""The key of the system in access-service whose permissions these are; where there is none, nobody has any of them."""
REMEMBERED = timedelta(seconds=15)
_MOST = 1_000
"""Questions that access-service answers in one call."""
_MOST_REMEMBERED = 50_000
_WAIT = aiohttp.ClientTimeout(total=5)
_BY_ROLE: Mapping[ReportRight, Permission] = {
    "run": rights.RUN, "see-sql": rights.REPORTS_READ, "edit": rights.REPORTS_WRITE,
}  # fmt: skip


class RightsAway(Unavailable):
    """access-service cannot be asked now who has which right on a report."""

    code = "rights-away"


class _Decided(BaseModel):
    decision: bool


class _Answer(BaseModel):
    evaluations: list[_Decided]


class Granted:
    """What access-service said of people and reports a moment ago."""

    def __init__(self, gateway_url: str, key: str | None, *, clock: Clock) -> None:
        self._url = f"{gateway_url.rstrip('/')}/access/v1/evaluations"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[datetime, frozenset[ReportRight]]] = {}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=_WAIT, headers=self._headers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def on(self, reports: Sequence[str], *, of: str) -> Mapping[str, frozenset[ReportRight]]:
        """Answer the rights that the person or account `of` was given on each of these reports. Raises `RightsAway`."""
        now = self._clock()
        known = {one: its for one in reports if (its := self._fresh(of, one, now)) is not None}
        unknown, at_once = [one for one in reports if one not in known], _MOST // len(RIGHTS)
        for start in range(0, len(unknown), at_once):
            found = await self._ask(unknown[start : start + at_once], of=of)
            if len(self._known) + len(found) > _MOST_REMEMBERED:
                self._known.clear()
            # Counted from before it was asked: an answer is never older than it is taken for.
            self._known |= {(of, one): (now, its) for one, its in found.items()}
            known |= found
        return known

    def _fresh(self, of: str, report: str, now: datetime) -> frozenset[ReportRight] | None:
        at, found = self._known.get((of, report), (None, None))
        # A clock that was put back makes nothing younger.
        return found if at is not None and timedelta() <= now - at < REMEMBERED else None

    async def _ask(self, reports: Sequence[str], *, of: str) -> Mapping[str, frozenset[ReportRight]]:
        asked = [(one, right) for one in reports for right in RIGHTS]
        body = {
            "subject": {"type": "service_account" if of.startswith("svc_") else "user", "id": of},
            "evaluations": [
                {
                    "action": {"name": f"report.{right}"},
                    "resource": {"type": "report", "id": one, "properties": {"system": SYSTEM}},
                }
                for one, right in asked
            ],
        }
        try:
            async with self._http.post(self._url, json=body) as answer:
                answer.raise_for_status()
                said = _Answer.model_validate(await answer.json()).evaluations
        except (aiohttp.ClientError, TimeoutError, ValidationError, ValueError) as error:
            raise RightsAway("access-service cannot be asked now what you may do with it. Try again soon.") from error
        if len(said) != len(asked):
            raise RightsAway("access-service did not say of each right whether you have it. Try again soon.")
        held = {pair for pair, its in zip(asked, said, strict=True) if its.decision}
        return {one: frozenset(right for right in RIGHTS if (one, right) in held) for one in reports}


def by_role(by: Caller) -> frozenset[ReportRight]:
    """Answer what the caller's permissions allow with every report."""
    return frozenset(right for right, permission in _BY_ROLE.items() if by.may(permission))


async def given(world: World, reports: Sequence[str], *, by: Caller) -> Mapping[str, frozenset[ReportRight]]:
    """Answer the rights that were given to the caller on each of these reports. Raises `RightsAway`.

    None by a key that is held to other permissions: `enquiry.reports.granted` says that a call may use them.
    """
    assert isinstance(world.own, Granted)  # noqa: S101 - `create_world` made it
    if not reports or not by.may(rights.GRANTED):
        return dict.fromkeys(reports, frozenset())
    return await world.own.on(reports, of=by.id)


async def held(world: World, report_id: str, *, by: Caller) -> frozenset[ReportRight]:
    """Answer all that the caller may do with a report, by role and by grant. Raises `RightsAway`."""
    return by_role(by) | (await given(world, [report_id], by=by))[report_id]


async def may(world: World, report_id: str, right: ReportRight, *, by: Caller) -> bool:
    """Say whether the caller has a right on a report; nothing is asked where a role suffices. Raises `RightsAway`."""
    return right in by_role(by) or right in (await given(world, [report_id], by=by))[report_id]


async def given_run(world: World, report_id: str, *, by: Caller) -> bool:
    """Say whether the caller was given the right to run this report, wherever roles let him. Raises `RightsAway`."""
    return "run" in (await given(world, [report_id], by=by))[report_id]


async def demand(world: World, report_id: str, *wanted: ReportRight, by: Caller) -> None:
    """Refuse whoever lacks one of these rights on a report.

    `Forbidden` for one who may know of the report, and for one who has rights on no report at all; for any other there
    is no such report. Nothing is asked where roles suffice.
    """
    missing = [one for one in wanted if one not in by_role(by)]
    if not missing:
        return
    mine = await held(world, report_id, by=by)
    if not mine and by.may(rights.GRANTED):
        raise NotFound(f"There is no report {report_id}.")
    for one in missing:
        if one not in mine:
            by.demand(_BY_ROLE[one])
