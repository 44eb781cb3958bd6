"""The decision from memory. What is gathered here and by SQL (`decisions`) is judged in one place (`judging`)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from access_service.index.model import NOWHERE, Meant, Model, Numbers
from access_service.index.resources import Resources
from access_service.index.subjects import RECORD, Holder, Subjects, moment
from access_service.judging import SUBJECT_TYPES, UNKNOWN, Candidate, Decision, Question, Subject, judge

_NONE: dict[str, Any] = {}


class Index:
    """All that decisions depend on, as of one snapshot of the database."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        """Grants that had ended by then were left out: nothing earlier can be decided from here."""
        self.state = "none"
        """The newest audited deed that is in here."""
        self.roles, self.units, self.environments = Numbers(), Numbers(), Numbers()
        self.subjects = Subjects()
        self.resources = Resources()
        self.model: Model

    def decide(self, question: Question, *, at: datetime) -> Decision:
        """Decide as `decisions.decide` would."""
        holder = self._asked_about(question.subject_type, question.subject)
        if holder is None:
            return UNKNOWN
        meant = self._meant(question.action, question.resource_type, question.system)
        candidates = [one for each in meant for one in self._candidates(each, holder, question, moment(at))]
        # What a condition sees is read only where there is one.
        seen = holder.attributes() if any(one.condition is not None for one in candidates) else _NONE
        return judge(question, Subject(holder.id, seen), candidates, known=bool(meant))

    def permits(
        self, subject_type: str, subject: str, action: str, resource_type: str, resource: str,
        properties: dict[str, Any], *, at: int,
    ) -> bool | None:  # fmt: skip
        """Decide quickly, `at` a `moment`; None where a condition must be weighed: ask `decide` then.

        The same as `decide(…).permit`, without the path: a fifth of the time.
        """
        holder = self._asked_about(subject_type, subject)
        if holder is None:
            return False
        conditional = False
        for meant in self._meant(action, resource_type, _system(properties)):
            if conditional and meant.named.condition is not None:
                continue
            if self._is_held(meant, holder, resource, properties, at):
                if meant.named.condition is None:
                    return True
                conditional = True
        return None if conditional else False

    def _is_held(self, meant: Meant, holder: Holder, resource: str, properties: dict[str, Any], at: int) -> bool:
        givers = meant.givers
        if not givers:
            return False
        units, environment = self._place(meant, resource, properties)
        for _, grants in self.subjects.held(holder):
            for role, unit, kind, begins, ends, _ in RECORD.iter_unpack(grants):
                if (
                    role in givers and begins <= at < ends
                    and (not unit or unit in units) and (not kind or kind == environment)
                ):  # fmt: skip
                    return True
        return holder.is_person and any(self.roles.get(role) in givers for role in self.model.everyone)

    def _asked_about(self, subject_type: str, subject: str) -> Holder | None:
        if subject_type not in SUBJECT_TYPES:
            return None
        holder = self.subjects.find(subject)
        return holder if holder is not None and holder.active else None

    def _meant(self, action: str, resource_type: str, system: str | None) -> Sequence[Meant]:
        found = self.model.meant(action, resource_type)
        if system is None or not found:
            return found
        return [one for one in found if system in (one.named.system_key, one.named.system)]

    def _place(self, meant: Meant, resource: str, properties: dict[str, Any]) -> tuple[frozenset[int], int | None]:
        """Answer where the resource is: the numbers of its org unit and all above it, and that of its environment."""
        registered = self.resources.properties(meant.named.system, meant.named.resource_type, resource)
        if not registered and not properties:
            return NOWHERE, None
        wins = meant.named.request_wins
        unit = _said("org_unit", registered, properties, request_wins=wins)
        environment = _said("environment", registered, properties, request_wins=wins)
        return (
            self.model.above(unit) if unit is not None else NOWHERE,
            self.environments.get(environment) if environment is not None else None,
        )

    def _candidates(self, meant: Meant, holder: Holder, question: Question, at: int) -> Iterator[Candidate]:
        units, environment = self._place(meant, question.resource, dict(question.resource_properties))
        for group, grants in self.subjects.held(holder):
            for role, unit, kind, begins, ends, grant in RECORD.iter_unpack(grants):
                if role in meant.givers and begins <= at < ends:
                    there = (not unit or unit in units) and (not kind or kind == environment)
                    yield self._candidate(meant, role, question, f"grt_{grant.decode()}", group, there=there)
        for everyone in self.model.everyone if holder.is_person else ():
            number = self.roles.get(everyone)
            if number in meant.givers:
                yield self._candidate(meant, number, question, None, None, there=True)

    def _candidate(
        self, meant: Meant, role: int, question: Question, grant: str | None, group: str | None, *, there: bool
    ) -> Candidate:
        named = meant.named
        registered = (
            self.resources.properties(named.system, named.resource_type, question.resource)
            if named.condition is not None
            else _NONE
        )
        return Candidate(
            permission=named.id, system=named.system, grant=grant, group=group, roles=self.model.way(meant, role),
            there=there, condition=named.condition, request_wins=named.request_wins, registered=registered,
        )  # fmt: skip


def _system(properties: dict[str, Any]) -> str | None:
    named = properties.get("system")
    return named if named is None or isinstance(named, str) else ""


def _said(name: str, registered: dict[str, Any], properties: dict[str, Any], *, request_wins: bool) -> str | None:
    """Answer what a property says, as `held.MEANT` has it: registered wins, unless the permission says not."""
    if name in registered and not (request_wins and name in properties):
        return _as_text(registered[name])
    said = properties.get(name)
    return said if isinstance(said, str) else None


def _as_text(value: Any) -> str | None:
    # A registered place that is no text is a place that there is not: JSON's text of it names no unit.
    return value if isinstance(value, str) else None
