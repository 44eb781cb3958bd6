"""The catalogue as decisions need it: which roles give a permission, by which way, and which units are above one."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from access_service import rules

NOWHERE = frozenset[int]()


class Numbers:
    """Numbers given to texts in the order in which they come, from 1 on; never taken back. 0 stands for none."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.texts: list[str] = []

    def add(self, texts: Iterable[str]) -> None:
        """Number those that have no number yet."""
        for text in texts:
            if text not in self._numbers:
                self.texts.append(text)
                self._numbers[text] = len(self.texts)

    def get(self, text: str | None) -> int | None:
        """Answer the number of a text: 0 for None, None where it has none."""
        return 0 if text is None else self._numbers.get(text)

    def text(self, number: int) -> str:
        """Answer the text of a number."""
        return self.texts[number - 1]


@dataclass(frozen=True, slots=True)
class Named:
    """A permission in use, as its row has it."""

    id: str
    system: str
    system_key: str
    action: str
    resource_type: str
    condition: str | None
    request_wins: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rows: active roles, what they contain and inherit, permissions in use, the tree of org units."""

    roles: Sequence[tuple[str, bool]]
    """Active roles: the id, and whether everybody has it."""
    inheritance: Sequence[tuple[str, str]]
    contained: Sequence[tuple[str, str]]
    """A role and a permission."""
    permissions: Sequence[Named]
    units: Mapping[str, str | None]


@dataclass(slots=True)
class Meant:
    """A permission that a question can mean."""

    named: Named
    givers: int
    """The roles that give it, whatever is in between: a bit for the number of each."""
    containing: frozenset[str]
    ways: dict[int, tuple[str, ...]] = field(default_factory=dict)


class Asked:
    """All permissions that a question means, and the roles that give any of them, a bit for each."""

    __slots__ = ("conditionally", "everyones", "givers", "permissions", "unconditionally")

    def __init__(self, permissions: Sequence[Meant], everyone: int) -> None:
        self.permissions = permissions
        self.unconditionally = _joined(one for one in permissions if one.named.condition is None)
        """Roles that give one which has no condition."""
        self.conditionally = _joined(one for one in permissions if one.named.condition is not None)
        self.givers = self.unconditionally | self.conditionally
        self.everyones = bool(self.givers & everyone)
        """Whether a role that everybody has is among the givers."""

    def first_free(self, role: int) -> Meant:
        """Answer the permission without a condition that a role gives; of several the first by id."""
        if len(self.permissions) == 1:
            return self.permissions[0]
        found = (one for one in self.permissions if one.named.condition is None and one.givers >> role & 1)
        return min(found, key=lambda one: one.named.id)


class Model:
    """What roles give, worked out when it is first asked for."""

    def __init__(self, catalogue: Catalogue, roles: Numbers, units: Numbers) -> None:
        self._roles, self._units = roles, units
        self._parents = catalogue.units
        active = {role for role, _ in catalogue.roles}
        roles.add(sorted(active))
        units.add(sorted(catalogue.units))
        self.everyone = sum(1 << (roles.get(role) or 0) for role, everyone in catalogue.roles if everyone)
        """The roles that everybody has, a bit for each."""
        self._inherits: dict[str, list[str]] = defaultdict(list)
        self._inherited_by: dict[str, list[str]] = defaultdict(list)
        for role, inherits in catalogue.inheritance:
            if role in active:
                self._inherits[role].append(inherits)
                self._inherited_by[inherits].append(role)
        self._containing: dict[str, set[str]] = defaultdict(set)
        for role, permission in catalogue.contained:
            if role in active:
                self._containing[permission].add(role)
        self._named: dict[tuple[str, str], list[Named]] = defaultdict(list)
        for one in catalogue.permissions:
            self._named[one.action, one.resource_type].append(one)
        self._asked: dict[tuple[str, str, str | None], Asked] = {}
        self._above: dict[str, frozenset[int]] = {}

    def asked(self, action: str, resource_type: str, system: str | None) -> Asked | None:
        """Answer the permissions for an action on a type of resource, in one system (key or id) or in all.

        None where there are none.
        """
        key = (action, resource_type, system)
        found = self._asked.get(key)
        if found is None:
            named = [one for one in self._named.get(key[:2], ()) if system in (None, one.system_key, one.system)]
            if not named:
                return None  # and nothing is remembered: callers could ask for anything
            found = self._asked[key] = Asked([self._giving(one) for one in named], self.everyone)
        return found

    def way(self, meant: Meant, role: int) -> tuple[str, ...]:
        """Answer the roles from the given one to the nearest that contains the permission."""
        found = meant.ways.get(role)
        if found is None:
            given = self._roles.text(role)
            found = meant.ways[role] = rules.shortest_way(self._inherits, given, meant.containing)
        return found

    def above(self, unit: str) -> frozenset[int]:
        """Answer the numbers of an org unit and of all above it; none for one that there is not."""
        found = self._above.get(unit)
        if found is None:
            if unit not in self._parents:
                return NOWHERE
            found = self._above[unit] = frozenset(self._upwards(unit))
        return found

    def _upwards(self, unit: str) -> list[int]:
        numbers: list[int] = []
        here: str | None = unit
        while here is not None:
            number = self._units.get(here)
            if number is None or number in numbers:
                break
            numbers.append(number)
            here = self._parents.get(here)
        return numbers

    def _giving(self, named: Named) -> Meant:
        containing = self._containing.get(named.id, set())
        reached = set(containing)
        waiting = list(containing)
        while waiting:
            for role in self._inherited_by.get(waiting.pop(), ()):
                if role not in reached:
                    reached.add(role)
                    waiting.append(role)
        numbers = (self._roles.get(role) for role in reached)
        return Meant(named, sum(1 << number for number in numbers if number), frozenset(containing))


def bits(roles: int) -> Iterator[int]:
    """Yield the numbers of roles, of which each is a bit."""
    while roles:
        lowest = roles & -roles
        yield lowest.bit_length() - 1
        roles ^= lowest


def _joined(permissions: Iterable[Meant]) -> int:
    joined = 0
    for one in permissions:
        joined |= one.givers
    return joined
