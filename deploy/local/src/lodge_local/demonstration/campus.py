"""The people of the university and the units they work in, as every service knows them. Pure: a day in, values out."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from lodge_local.demonstration import words
from lodge_local.demonstration.chance import Chance, at
from lodge_local.demonstration.log_ins import AUDITOR, DOMAIN, LOG_INS, MANAGER, REQUESTER, SUPPORT_OFFICER, LogIn
from lodge_local.demonstration.log_ins import SYSTEM_OWNER as OWNER_OF_RECORDS

PEOPLE = 2_000
HISTORY = timedelta(days=730)
"""How far the past goes back: the day on which Lodge was brought in."""

_PLACES = {
    REQUESTER: "History",
    MANAGER: "History",
    OWNER_OF_RECORDS: "Student Records",
    SUPPORT_OFFICER: "Software Support",
    AUDITOR: "Internal Audit",
}
_HEADS = (MANAGER, OWNER_OF_RECORDS, AUDITOR)
_ACADEMIC = 0.66
_LEFT = 0.06
_YEARS = 18


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the university."""

    id: str
    name: str
    code: str
    parent: str | None
    kind: str
    """university, faculty, department, service, team."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the university."""

    id: str
    name: str
    user_name: str
    external_id: str
    email: str
    unit: Unit
    joined_on: date
    left_on: date | None
    made: datetime
    manager: str | None = None
    deputy: str | None = None

    def is_here(self, on: date) -> bool:
        """Say whether the person works here that day."""
        return self.joined_on <= on and (self.left_on is None or self.left_on > on)


@dataclass(frozen=True)
class Campus:
    """The whole of it, as of `day`, the day on which loading began: history ends before it."""

    day: date
    units: list[Unit]
    members: list[Member]
    _in_unit: dict[str, list[Member]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for member in self.members:
            self._in_unit.setdefault(member.unit.name, []).append(member)

    @property
    def now(self) -> datetime:
        """The instant before which all of it happened."""
        return at(self.day)

    @property
    def began(self) -> date:
        """The first day of the history."""
        return self.day - HISTORY

    def of(self, unit: str) -> list[Member]:
        """Answer who works in a unit, its head first."""
        return self._in_unit[unit]

    def head(self, unit: str) -> Member:
        """Answer who leads a unit."""
        return self._in_unit[unit][0]

    def log_in(self, wanted: LogIn) -> Member:
        """Answer one of the five."""
        return next(member for member in self._in_unit[_PLACES[wanted]] if member.user_name == wanted.user_name)


def found(day: date) -> Campus:
    """Found the university as it stands on `day`."""
    units = list(_units(day))
    return Campus(day, units, _members(units, day))


def _units(day: date) -> Iterator[Unit]:
    chance, made = Chance("units"), at(day - HISTORY)
    top = Unit(chance.id("org", made), words.UNIVERSITY, "ALD", None, "university")
    yield top
    for branches, kind, below in ((words.FACULTIES, "faculty", "department"), (words.SERVICES, "service", "team")):
        for code, (name, parts) in branches.items():
            branch = Unit(chance.id("org", made), name, code, top.id, kind)
            yield branch
            for number, part in enumerate(parts, start=1):
                yield Unit(chance.id("org", made), part, f"{code}{number:02}", branch.id, below)


def _members(units: list[Unit], day: date) -> list[Member]:
    chance = Chance("people")
    taken: set[str] = set()
    drawn = [_person(chance, unit, day, taken, is_head=True) for unit in units]
    drawn += [_five(chance, one, units, day) for one in LOG_INS if one not in _HEADS]
    academic = [unit for unit in units if unit.kind in ("faculty", "department")]
    serving = [unit for unit in units if unit.kind not in ("faculty", "department", "university")]
    whole = {unit.id: 1.0 if unit.kind in ("department", "team") else 0.4 for unit in units}
    sizes = {unit.id: whole[unit.id] * (0.5 + chance.number(0, 100) / 100) for unit in units}
    while len(drawn) < PEOPLE:
        among = academic if chance.happens(_ACADEMIC) else serving
        unit = chance.one(among, [sizes[each.id] for each in among])
        drawn.append(_person(chance, unit, day, taken, is_head=False))
    return _with_managers(chance, drawn, units)


def _person(chance: Chance, unit: Unit, day: date, taken: set[str], *, is_head: bool) -> Member:
    for one in _HEADS:
        if is_head and _PLACES[one] == unit.name:
            return _five(chance, one, [unit], day)
    given, family = chance.one(words.GIVEN), chance.one(words.FAMILY)
    user_name = _user_name(given, family, taken)
    joined = day - timedelta(days=chance.number(900 if is_head else 20, 365 * _YEARS))
    left = None
    if not is_head and chance.happens(_LEFT):
        left = max(joined, day - HISTORY) + timedelta(days=chance.number(15, 700))
        left = left if left < day else None
    made = at(max(joined, day - HISTORY)) + timedelta(minutes=chance.number(1, 480))
    number = f"e{100_000 + len(taken):06}"
    person = chance.id("per", made)
    return Member(
        person, f"{given} {family}", user_name, number, f"{user_name}@{DOMAIN}", unit, joined, left, made
    )  # fmt: skip


def _five(chance: Chance, one: LogIn, units: list[Unit], day: date) -> Member:
    unit = next(unit for unit in units if unit.name == _PLACES[one])
    made = at(day - HISTORY)
    return Member(
        chance.id("per", made), one.name, one.user_name, one.external_id, one.email, unit,
        joined_on=day - timedelta(days=1_900), left_on=None, made=made,
    )  # fmt: skip


def _user_name(given: str, family: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", f"{given}.{family}".replace("ø", "o").replace("ł", "l"))
    stem = "".join(letter for letter in plain.lower() if letter.isascii() and (letter.isalpha() or letter == "."))
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}{number}"
    taken.add(name)
    return name


def _with_managers(chance: Chance, drawn: list[Member], units: list[Unit]) -> list[Member]:
    """Give everybody a manager (the head of the unit, or of the one above), heads and half the leavers a deputy."""
    heads = {member.unit.id: member.id for member in drawn[: len(units)]}
    colleagues: dict[str, list[Member]] = {}
    for member in drawn[len(units) :]:
        if member.left_on is None:
            colleagues.setdefault(member.unit.id, []).append(member)
    managed = []
    for number, member in enumerate(drawn):
        is_head = number < len(units)
        manager = heads.get(member.unit.parent or "") if is_head else heads[member.unit.id]
        deputy = None
        if is_head or (member.left_on is not None and chance.happens(0.5)):
            others = [one for one in colleagues.get(member.unit.id, []) if one.id != member.id]
            deputy = chance.one(others).id if others else None
        managed.append(replace(member, manager=manager, deputy=deputy))
    return managed
