"""Laws of the questions: random histories, made by the public calls at random times, and what was said on each day."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import decisions, rights
from access_service.app import create_app
from access_service.history import When
from access_service.judging import Question
from access_service.questions import chains, holding
from access_service.questions.explaining import Explanation, explain
from access_service.questions.periods import ALWAYS, FOREVER, NEVER, Periods
from access_service.settings import Settings
from lodge_kit.identity import Caller
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer
from lodge_kit.world import World

pytestmark = pytest.mark.anyio

BEGINNING = datetime(2026, 6, 1, 12, tzinfo=UTC)
ALL = Caller("per_01J0000000000000000000ADMN", "Auditor", permissions={one.name: "*" for one in rights.ALL})

# -- periods

instants = st.integers(min_value=0, max_value=20).map(lambda hours: BEGINNING + timedelta(hours=hours))
periods = st.lists(st.tuples(instants, st.none() | instants), max_size=4).map(Periods.of)


@given(periods, periods, instants)
def test_an_instant_is_in_both_or_in_either(one: Periods, other: Periods, at: datetime) -> None:
    assert (at in one & other) == (at in one and at in other)
    assert (at in one | other) == (at in one or at in other)


@given(periods, periods, periods)
def test_periods_are_a_lattice_and_equal_when_they_hold_the_same(one: Periods, two: Periods, three: Periods) -> None:
    assert (one & two, one | two) == (two & one, two | one)
    assert one & (two | three) == (one & two) | (one & three)
    assert (one & ALWAYS, one | NEVER, one & NEVER) == (one, one, NEVER)
    ends = [end for span in one.spans for end in span]
    assert ends == sorted(set(ends))


@given(periods, instants)
def test_the_nearest_span_is_the_one_that_holds_or_the_next_to_it(one: Periods, at: datetime) -> None:
    span = one.nearest(at)
    if span is None:
        assert one == NEVER
    elif at in one:
        assert span[0] <= at < span[1]
    else:
        turn = one.turn(at)
        assert turn is not None
        assert turn in span
        assert turn != FOREVER
        assert all(abs(turn - at) <= abs(end - at) for some in one.spans for end in some if end != FOREVER)


# -- histories


class Time:
    """A clock that the test sets."""

    now = BEGINNING

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def app(settings: Settings, issuer: Issuer, time: Time) -> FastAPI:
    return create_app(settings, clock=time, keys=issuer.keys)


who = st.sampled_from(["ann", "ben"])
roles = st.sampled_from(["low", "middle", "high"])
units = st.sampled_from(["", "top", "below"])
hours = st.integers(min_value=0, max_value=60)
CHANGES = st.one_of(
    st.tuples(st.just("give"), st.sampled_from(["ann", "ben", "team"]), roles, units, hours, st.none() | hours),
    st.tuples(st.just("give"), st.sampled_from(["ann", "ben", "team"]), roles, units, st.just(0), st.none()),
    st.tuples(st.just("end"), st.integers(min_value=0, max_value=9), hours),
    st.tuples(st.sampled_from(["join", "leave"]), who),
    st.tuples(st.just("contain"), roles, st.booleans()),
    st.tuples(st.just("inherit"), roles, st.sets(roles)),
    st.tuples(st.sampled_from(["retire", "activate"]), roles),
    st.tuples(st.sampled_from(["deactivate", "reactivate"]), who),
    st.tuples(st.just("move"), st.booleans()),
)
HISTORIES = st.lists(st.tuples(hours, CHANGES), min_size=2, max_size=10)
PLACES = ("", "below")
PEOPLE = ("ann", "ben")
EXPLAINED = (("ann", "below"), ("ben", ""))


@dataclass
class Said:
    """What was said at an instant."""

    at: datetime
    decided: dict[tuple[str, str], bool]
    """By person and org unit."""
    explained: dict[tuple[str, str], Any]
    reached: dict[str, Any]
    held: Any


@dataclass
class Story:
    """Two people, a team, three roles and two org units, and what becomes of them."""

    admin: Client
    time: Time
    ids: dict[str, str] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        made, tag = self.admin.made, f"{self.time.now:%Y%m%d%H%M%S}"
        system = (await made("/access/v1/systems", key=f"s{tag}", name="Records"))["id"]
        permission = {"name": "record.amend", "action": "amend", "resource_type": tag}
        self.ids["type"], self.ids["system"] = tag, system
        self.ids["amend"] = (await made(f"/access/v1/systems/{system}/permissions", **permission))["id"]
        for role, more in (("low", {"permissions": [self.ids["amend"]]}), ("middle", {}), ("high", {})):
            self.ids[role] = (await made("/access/v1/roles", system=system, name=role, **more))["id"]
        for person in ("ann", "ben"):
            self.ids[person] = (await made("/access/v1/people", user_name=f"{person}{tag}", name=person))["id"]
        self.ids["team"] = (await made("/access/v1/groups", name=f"team{tag}"))["id"]
        self.ids["top"] = (await made("/access/v1/org-units", name="top"))["id"]
        self.ids["below"] = (await made("/access/v1/org-units", name="below", parent=self.ids["top"]))["id"]

    async def change(self, change: Sequence[Any]) -> None:
        """Make a change; what is refused changes nothing."""
        deed, *more = change
        answer = await getattr(self, deed)(*more)
        assert answer is None or answer.status_code < 500, answer.text

    async def give(self, subject: str, role: str, unit: str, after: int, length: int | None) -> Any:
        begins = self.time.now + timedelta(hours=after)
        ends = (begins + timedelta(hours=length)).isoformat() if length is not None else None
        body = {"subject": self.ids[subject], "role": self.ids[role], "org_unit": self.ids.get(unit)}
        answer = await self.admin.post(
            "/access/v1/grants", json=body | {"valid_from": begins.isoformat(), "valid_to": ends}
        )
        if answer.status_code == 201:
            self.given.append(answer.json()["id"])
        return answer

    async def end(self, which: int, after: int) -> Any:
        if not self.given:
            return None
        at = (self.time.now + timedelta(hours=after)).isoformat()
        path = f"/access/v1/grants/{self.given[which % len(self.given)]}/end"
        return await self.admin.post(path, json={"reason": "x", "at": at})

    async def join(self, person: str) -> Any:
        return await self.admin.post(f"/access/v1/groups/{self.ids['team']}/members", json={"person": self.ids[person]})

    async def leave(self, person: str) -> Any:
        return await self.admin.post(f"/access/v1/groups/{self.ids['team']}/members/{self.ids[person]}/remove")

    async def contain(self, role: str, contains: bool) -> Any:  # noqa: FBT001 - drawn
        return await self._patch("roles", role, permissions=[self.ids["amend"]] if contains else [])

    async def inherit(self, role: str, inherits: set[str]) -> Any:
        return await self._patch("roles", role, inherits=sorted(self.ids[one] for one in inherits))

    async def retire(self, role: str) -> Any:
        return await self.admin.post(f"/access/v1/roles/{self.ids[role]}/retire")

    async def activate(self, role: str) -> Any:
        return await self._patch("roles", role, state="active")

    async def deactivate(self, person: str) -> Any:
        return await self.admin.post(f"/access/v1/people/{self.ids[person]}/deactivate")

    async def reactivate(self, person: str) -> Any:
        return await self.admin.post(f"/access/v1/people/{self.ids[person]}/reactivate")

    async def move(self, back: bool) -> Any:  # noqa: FBT001 - drawn
        return await self._patch("org-units", "below", parent=self.ids["top"] if back else None)

    async def _patch(self, noun: str, which: str, **body: Any) -> Any:
        return await self.admin.patch(f"/access/v1/{noun}/{self.ids[which]}", json=body, headers={"If-Match": "*"})

    def question(self, person: str, unit: str) -> Question:
        place = {"org_unit": self.ids[unit]} if unit else {}
        return Question(self.ids[person], "amend", self.ids["type"], "1", resource_properties=place)


class Readings:
    """What is read of a story."""

    def __init__(self, session: AsyncSession, story: Story) -> None:
        self.session, self.story = session, story

    async def said(self) -> Said:
        """Say everything, now."""
        at = self.story.time.now
        when = When(at, at)
        decided = {
            (person, unit): (await decisions.decide(self.session, self.story.question(person, unit), at=at)).permit
            for person in PEOPLE
            for unit in PLACES
        }
        explained = {pair: told(await self.explained(*pair, when)) for pair in EXPLAINED}
        reached = {person: await self.reached(person, when) for person in PEOPLE}
        return Said(at, decided, explained, reached, await self.held(when))

    async def explained(self, person: str, unit: str, when: When) -> Explanation:
        return await explain(self.session, self.story.question(person, unit), when, by=ALL, now=self.story.time.now)

    async def reached(self, person: str, when: When) -> set[tuple[Any, ...]]:
        """Answer the permissions of a person by grant."""
        found = holding.access(self.story.ids[person], when, scope="*", permissions=True)
        rows = await self.session.execute(found)
        return {(row.grant_id, row.org_unit_id, row.group_id, row.since, row.until) for row in rows}

    async def held(self, when: When) -> set[tuple[Any, ...]]:
        """Answer who holds the permission, by person and grant."""
        leading = await chains.leading_to_permission(self.session, self.story.ids["amend"], when)
        rows = await self.session.execute(holding.holders(list(leading), when, scope="*"))
        return {(row.who, row.grant_id, row.org_unit, row.group_id, row.since, row.until) for row in rows}


def told(found: Explanation) -> list[tuple[bool, list[tuple[str, str]]]]:
    """Answer what is compared of an explanation: each path with what it misses."""
    at = found.when.as_of
    return [(at in path.periods, [(step.id, facet.name) for step, facet in path.misses(at)]) for path in found.told]


@pytest.mark.timeout(300)  # some thousand readings
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=HISTORIES)
async def test_what_was_said_of_an_instant_is_said_for_ever(
    history: list[tuple[int, Sequence[Any]]], app: FastAPI, client: Client, time: Time
) -> None:
    world: World = app.state.world
    time.now += timedelta(days=400)
    story = Story(client.acting(ALL.id, rights.ALL), time)
    await story.begin()
    all_said = []
    for passing, change in history:
        time.now += timedelta(hours=passing, seconds=1)
        await story.change(change)
        async with world.database.transaction() as session:
            said = await Readings(session, story).said()
        all_said.append(said)
        for pair, explained in said.explained.items():
            assert any(held for held, _ in explained) == said.decided[pair], pair
        for person in PEOPLE:
            assert said.decided[person, ""] == any(unit is None for _, unit, *_ in said.reached[person])
    time.now += timedelta(hours=1)
    async with world.database.transaction() as session:
        reading = Readings(session, story)
        when = When(time.now, time.now)
        held = {pair: (await reading.explained(*pair, when)).finding.periods for pair in EXPLAINED}
        for said in all_said:
            assert all((said.at in periods) == said.decided[pair] for pair, periods in held.items())
            await repeat(reading, said, known_at=time.now)


async def repeat(reading: Readings, said: Said, *, known_at: datetime) -> None:
    """Read again of an instant what was said at it; and with what is known since, the same but for ends."""
    then, since = When(said.at, said.at), When(said.at, known_at)
    for pair, explained in said.explained.items():
        assert told(await reading.explained(*pair, then)) == explained
    for person in PEOPLE:
        assert await reading.reached(person, then) == said.reached[person]
    held = await reading.held(then)
    assert held == said.held
    assert held == {(reading.story.ids[person], *row) for person in PEOPLE for row in said.reached[person]}
    assert len(await reading.held(since)) == len(held)
