"""What bears on a question about one subject and one permission: each thing with when it held. No I/O, no clock."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from access_service.conditions import Outcome
from access_service.questions.periods import ALWAYS, NEVER, Periods

Kind = Literal["person", "service-account", "group", "grant", "role", "permission", "condition"]


@dataclass(frozen=True, slots=True)
class State:
    """A state that something was in: `active`, `inactive`, `draft`, `retired`."""

    name: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Thing:
    """A person, a service account, a role or a permission, with all states that it was ever on record in."""

    kind: Kind
    id: str
    name: str
    states: Sequence[State] = ()

    @property
    def active(self) -> Periods:
        """Answer when it was active."""
        return Periods.of((one.since, one.until) for one in self.states if one.name == "active")

    def state(self, at: datetime) -> State | None:
        """Answer the state that it was in; None before it was on record."""
        return next((one for one in self.states if one.since <= at and (one.until is None or at < one.until)), None)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the question is about."""

    thing: Thing
    attributes: Mapping[str, Any]
    """What conditions see of that one: as it is, for it has no history."""
    deleted_at: datetime | None = None
    """When the directory deleted the person."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission that the question may mean."""

    thing: Thing
    system: str
    """What its system is called."""
    means: Periods
    """When it was the action on the type of resource that is asked about; one may be changed."""
    unit: str | None
    """The org unit that the resource is in."""
    units: Mapping[str, Periods]
    """That one and all that it ever stood below, with when it did."""
    environment: str | None
    """The one that the resource is in."""
    condition: str | None
    outcome: Outcome
    """Of the condition, as the question has it."""
    seen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the condition saw."""
    attributes: Collection[str] = ()
    """The names of what the server holds of the subject, among what was seen."""
    registered: Collection[str] = ()
    """The names of those properties of the resource that its system registered, among what was seen."""
    said: Collection[str] = ()
    """The names of those properties that the question says, and that win over registered ones."""
    system_id: str = ""
    owner: str | None = None
    """Who owns the system, and so sees what it registered."""

    def covered(self, unit: tuple[str, str] | None) -> Periods:
        """Answer when what is given for an org unit held for the resource."""
        return ALWAYS if unit is None else self.units.get(unit[0], NEVER)


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as it was on record."""

    id: str
    valid: Periods
    unit: tuple[str, str] | None
    """The org unit that it holds for, by id and name."""
    environment: str | None
    by: str
    recorded_at: datetime
    reason: str
    ended_by: str | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """A role that came to the subject: by a grant, perhaps through a group, or since everybody has it."""

    role: str
    grant: Grant | None
    group: tuple[str, str] | None = None
    member: Periods = ALWAYS
    visible: bool = True
    """Whether the asker may see the grant."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it."""

    subject: Subject
    permissions: Sequence[Permission]
    roles: Mapping[str, Thing]
    contains: Mapping[tuple[str, str], Periods]
    """By role and permission."""
    inherits: Mapping[str, Mapping[str, Periods]]
    """By the role that inherits, and the one that it inherits from."""
    ways: Sequence[Way]

    def above(self, role: str) -> Iterator[tuple[str, Periods]]:
        """Answer the roles that ever inherited from a role, with when."""
        return ((outer, below[role]) for outer, below in self.inherits.items() if role in below)


@dataclass(frozen=True, slots=True)
class Facet:
    """One thing that must hold, with when it did, and whose record says when it changed."""

    name: Literal[
        "standing", "membership", "validity", "org-unit", "environment", "inheritance", "content", "meaning", "outcome"
    ]
    periods: Periods
    recorded_of: str | None = None


_BESIDE = frozenset({"org-unit", "environment", "outcome"})
"""What is as the question has it, and no part of what was given."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a path."""

    kind: Kind
    id: str
    name: str
    facets: Sequence[Facet]
    thing: Thing | None = None
    """What it is, where it has states."""

    @property
    def periods(self) -> Periods:
        """Answer when all of it held."""
        found = ALWAYS
        for facet in self.facets:
            found &= facet.periods
        return found


@dataclass(frozen=True, slots=True)
class Path:
    """From the subject to the permission, by one way and one chain of roles."""

    way: Way
    permission: Permission
    steps: Sequence[Step]

    @property
    def periods(self) -> Periods:
        """Answer when all of it held at once."""
        found = ALWAYS
        for step in self.steps:
            found &= step.periods
        return found

    @property
    def led(self) -> Periods:
        """Answer when it brought the permission to the subject, wherever, and on whatever condition."""
        found = ALWAYS
        for step in self.steps:
            for facet in step.facets:
                if facet.name not in _BESIDE:
                    found &= facet.periods
        return found

    def misses(self, at: datetime) -> list[tuple[Step, Facet]]:
        """Answer what did not hold, what ended first before what ended later."""
        missing = [(step, facet) for step in self.steps for facet in step.facets if at not in facet.periods]
        return sorted(missing, key=lambda one: _order(one[1], at))


def _order(facet: Facet, at: datetime) -> tuple[bool, float]:
    """Sort what never holds first, then what turned first."""
    turn = facet.periods.turn(at)
    return (turn is not None, turn.timestamp() if turn else 0.0)
