"""Every path from a subject to a permission on a day, those that held and the nearest that did not. No I/O, no clock.

A path is a way (a grant, perhaps through a group) and a chain of roles, each of which inherits from the next, the last
of which contains the permission. Inheritance has no circle on any day, but over time it may: chains are simple.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count, islice

from access_service.questions.evidence import Evidence, Facet, Path, Permission, Step, Thing, Way
from access_service.questions.periods import ALWAYS, NEVER, Periods

_INSTANT = timedelta(microseconds=1)
_CHAINS = 20
"""Chains of one way that are told: roles that inherit along many lines have more than anybody reads."""

Chain = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the evidence says of an instant."""

    at: datetime
    permit: bool
    periods: Periods
    """When the subject held the permission, as far as the asker may see."""
    paths: Sequence[Path]
    """Those that hold first, then those that miss least; only what the asker may see."""

    @property
    def held(self) -> list[Path]:
        """Answer the paths that hold."""
        return [path for path in self.paths if self.at in path.periods]

    @property
    def nearest(self) -> Path | None:
        """Answer the path that misses least; None where there is none, or one holds."""
        return None if self.permit or not self.paths else self.paths[0]


def find(evidence: Evidence, at: datetime) -> Finding:
    """Answer what held at an instant and what nearly did."""
    permit, periods, paths = False, NEVER, list[Path]()
    for permission in evidence.permissions:
        reach = _reach(evidence, permission)
        for way in evidence.ways:
            if way.role not in reach:
                continue
            held = _before(evidence, way) & _beside(way, permission) & reach[way.role]
            permit = permit or at in held
            if way.visible:
                periods |= held
                paths += _paths(evidence, way, permission, reach[way.role], at)
    return Finding(at, permit, periods, sorted(paths, key=lambda path: _rank(path, at)))


def having(evidence: Evidence, at: datetime) -> list[Thing]:
    """Answer the roles that had one of the permissions then, those first that are nearest to it."""
    distances: dict[str, int] = {}
    for permission in evidence.permissions:
        if at in permission.thing.active & permission.means:
            distances = _distances(evidence, permission, at) | distances
    return sorted((evidence.roles[role] for role in distances), key=lambda role: (distances[role.id], role.name))


def _reach(evidence: Evidence, permission: Permission) -> dict[str, Periods]:
    """Answer when each role had the permission, itself or by inheritance; roles that never led to it are left out."""
    in_use = permission.thing.active & permission.means
    reach: dict[str, Periods] = {}
    waiting: deque[tuple[str, Periods]] = deque(
        (role, periods & in_use) for (role, one), periods in evidence.contains.items() if one == permission.thing.id
    )
    while waiting:
        role, more = waiting.popleft()
        before = reach.get(role)
        reach[role] = (before or NEVER) | (more & evidence.roles[role].active)
        if reach[role] != before:
            waiting.extend((outer, periods & reach[role]) for outer, periods in evidence.above(role))
    return reach


def _before(evidence: Evidence, way: Way) -> Periods:
    """Answer when the role was the subject's, wherever."""
    valid = way.grant.valid if way.grant else ALWAYS
    return evidence.subject.thing.active & way.member & valid


def _beside(way: Way, permission: Permission) -> Periods:
    """Answer when it was so as the question has it: there, in that environment, on the condition."""
    if way.grant is None:
        return _whether(permission.outcome.holds)
    here = way.grant.environment in (None, permission.environment)
    return permission.covered(way.grant.unit) & _whether(here and permission.outcome.holds)


def _whether(holds: bool) -> Periods:  # noqa: FBT001 - the one thing that is asked
    return ALWAYS if holds else NEVER


def _paths(evidence: Evidence, way: Way, permission: Permission, reach: Periods, at: datetime) -> Iterator[Path]:
    """Answer the paths of one way: all that hold then; else the one that did last, or will next."""
    led = _before(evidence, way) & reach
    beside = _beside(way, permission)
    when = _instant_in((led & beside) or led, at)
    chains = [] if when is None else list(islice(_chains(evidence, way.role, permission, when), _CHAINS))
    if when != at:
        chains = chains[:1]
    for chain in chains or [_closest(evidence, way.role, permission, at)]:
        yield Path(
            way, permission, [*_first_steps(evidence, way, permission), *_role_steps(evidence, chain, permission)]
        )


def _instant_in(periods: Periods, at: datetime) -> datetime | None:
    span = periods.nearest(at)
    if span is None:
        return None
    since, until = span
    return at if since <= at < until else since if at < since else until - _INSTANT


def _rank(path: Path, at: datetime) -> tuple[int, float, int]:
    turn = path.periods.turn(at)
    distance = float("inf") if turn is None else abs((turn - at).total_seconds())
    missing = len(path.misses(at))
    return missing, distance if missing else 0.0, len(path.steps)


# -- chains


def _chains(evidence: Evidence, role: str, permission: Permission, at: datetime) -> Iterator[Chain]:
    """Answer every chain of roles that held then, a shortest one first."""
    distances = _distances(evidence, permission, at)
    waiting: list[Chain] = [(role,)] if role in distances else []
    while waiting:
        chain = waiting.pop()
        if at in evidence.contains.get((chain[-1], permission.thing.id), NEVER):
            yield chain
        below = evidence.inherits.get(chain[-1], {})
        leading = [inner for inner, periods in below.items() if at in periods and inner in distances]
        waiting += [(*chain, inner) for inner in sorted(leading, key=lambda one: (-distances[one], one))]


def _distances(evidence: Evidence, permission: Permission, at: datetime) -> dict[str, int]:
    """Answer how many inheritances each role was from the permission then; only those that had it."""
    bottom = [
        role for (role, one), periods in evidence.contains.items() if one == permission.thing.id and at in periods
    ]
    found = dict.fromkeys((role for role in bottom if at in evidence.roles[role].active), 0)
    waiting = deque(found)
    while waiting:
        role = waiting.popleft()
        for outer, periods in evidence.above(role):
            if outer not in found and at in periods and at in evidence.roles[outer].active:
                found[outer] = found[role] + 1
                waiting.append(outer)
    return found


def _closest(evidence: Evidence, role: str, permission: Permission, at: datetime) -> Chain:
    """Answer the chain of which least fails then, whenever its links held (Dijkstra, with failures for lengths)."""
    order = count()
    waiting: list[tuple[int, int, int, Chain, bool]] = [(0, 1, next(order), (role,), False)]
    done: set[str] = set()
    while waiting:
        failures, length, _, chain, complete = heappop(waiting)
        if complete:
            return chain
        here = chain[-1]
        if here in done:
            continue
        done.add(here)
        failures += at not in evidence.roles[here].active
        content = evidence.contains.get((here, permission.thing.id))
        if content is not None:
            heappush(waiting, (failures + (at not in content), length, next(order), chain, True))
        for inner, periods in evidence.inherits.get(here, {}).items():
            heappush(waiting, (failures + (at not in periods), length + 1, next(order), (*chain, inner), False))
    raise LookupError(f"{role} never led to {permission.thing.id}")


# -- steps


def _first_steps(evidence: Evidence, way: Way, permission: Permission) -> Iterator[Step]:
    subject, grant = evidence.subject.thing, way.grant
    yield Step(subject.kind, subject.id, subject.name, [Facet("standing", subject.active, subject.id)], subject)
    if way.group is not None:
        yield Step("group", *way.group, [Facet("membership", way.member, way.group[0])])
    if grant is not None:
        facets = [
            Facet("validity", grant.valid), Facet("org-unit", permission.covered(grant.unit)),
            Facet("environment", _whether(grant.environment in (None, permission.environment))),
        ]  # fmt: skip
        yield Step("grant", grant.id, evidence.roles[way.role].name, facets)


def _role_steps(evidence: Evidence, chain: Chain, permission: Permission) -> Iterator[Step]:
    above: str | None = None
    for role in chain:
        thing = evidence.roles[role]
        facets = [Facet("standing", thing.active, role)]
        if above is not None:
            facets.insert(0, Facet("inheritance", evidence.inherits[above][role], above))
        yield Step("role", role, thing.name, facets, thing)
        above = role
    last, thing = chain[-1], permission.thing
    facets = [
        Facet("content", evidence.contains[last, thing.id], last), Facet("standing", thing.active, thing.id),
        Facet("meaning", permission.means, thing.id),
    ]  # fmt: skip
    yield Step("permission", thing.id, thing.name, facets, thing)
    if permission.condition is not None:
        yield Step("condition", thing.id, permission.condition, [Facet("outcome", _whether(permission.outcome.holds))])
