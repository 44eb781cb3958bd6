"""The decision from memory. What is gathered here and by SQL (`decisions`) is judged in one place (`judging`)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from access_service.index.model import NOWHERE, Asked, Meant, Model, Numbers, bits
from access_service.index.resources import Resources
from access_service.index.subjects import Holder, Subjects
from access_service.judging import (
    SUBJECT_TYPES,
    UNKNOWN,
    Candidate,
    Decision,
    DecisionReason,
    Path,
    Question,
    Subject,
    judge,
)

_NONE: dict[str, Any] = {}


class Index:
    """All that decisions depend on, as of one snapshot of the database."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        """Grants that had ended by then were left out: nothing earlier can be decided from here."""
        self.state = "none"
        """The newest audited deed that is in here."""
        self.changes = 0
        """How often something in here has become other than it was."""
        self.roles, self.units, self.environments = Numbers(), Numbers(), Numbers()
        self.subjects = Subjects()
        self.resources = Resources()
        self.model: Model

    def decide(self, question: Question, *, at: int) -> Decision:
        """Decide as `decisions.decide` would; `at` is a `moment`."""
        holder = self._asked_about(question)
        if holder is None:
            return UNKNOWN
        asked = self.model.asked(question.action, question.resource_type, question.system)
        if asked is None:
            return Decision(False, DecisionReason.PERMISSION_UNKNOWN, holder.id)  # noqa: FBT003 - its first field
        holder.settle(at, changes=self.changes, everyone=self.model.everyone)
        if not (holder.everywhere | holder.somewhere) & asked.givers:
            return Decision(False, DecisionReason.NOT_HELD, holder.id)  # noqa: FBT003
        free = holder.everywhere & asked.unconditionally
        if free and not (asked.everyones or holder.somewhere & asked.givers):
            # Without scopes and conditions the oldest grant comes first (`Candidate.rank`).
            return Decision(True, DecisionReason.HELD, holder.id, self._oldest(asked, holder, free, at))  # noqa: FBT003
        candidates = [one for each in asked.permissions for one in self._candidates(each, holder, question, at)]
        # What a condition sees is read only where there is one.
        seen = holder.attributes() if any(one.condition is not None for one in candidates) else _NONE
        return judge(question, Subject(holder.id, seen), candidates, known=True)

    def permits(self, question: Question, *, at: int) -> bool:
        """Answer `decide(…).permit`: quicker, as hardly any needs a path."""
        holder = self._asked_about(question)
        asked = self.model.asked(question.action, question.resource_type, question.system)
        if holder is None or asked is None:
            return False
        holder.settle(at, changes=self.changes, everyone=self.model.everyone)
        if holder.everywhere & asked.unconditionally:
            return True
        return bool((holder.everywhere | holder.somewhere) & asked.givers) and self.decide(question, at=at).permit

    def _asked_about(self, question: Question) -> Holder | None:
        if question.subject_type not in SUBJECT_TYPES:
            return None
        holder = self.subjects.find(question.subject)
        return holder if holder is not None and holder.active else None

    def _oldest(self, asked: Asked, holder: Holder, roles: int, at: int) -> Path:
        """Answer the path by the oldest grant of these roles, which the holder has everywhere."""
        found = []
        for one in holder.given():
            for role in bits(one.everywhere & roles):
                grant = one.oldest(role, at)
                if grant is not None:
                    found.append((grant, role, one))
        grant, role, giver = found[0] if len(found) == 1 else min(found, key=lambda one: one[0])
        meant = asked.first_free(role)
        group = None if giver is holder else giver.id
        return Path(grant.decode(), group, self.model.way(meant, role), meant.named.id, meant.named.system)

    def _place(
        self, meant: Meant, registered: dict[str, Any], said: dict[str, Any]
    ) -> tuple[frozenset[int], int | None]:
        """Answer where the resource is: the numbers of its org unit and all above it, and that of its environment."""
        wins = meant.named.request_wins
        unit = _said("org_unit", registered, said, request_wins=wins)
        environment = _said("environment", registered, said, request_wins=wins)
        return (
            self.model.above(unit) if unit is not None else NOWHERE,
            self.environments.get(environment) if environment is not None else None,
        )

    def _candidates(self, meant: Meant, holder: Holder, question: Question, at: int) -> Iterator[Candidate]:
        named = meant.named
        registered = self.resources.properties(named.system, named.resource_type, question.resource)
        units, environment = self._place(meant, registered, dict(question.resource_properties))

        def candidate(role: int, grant: str | None, group: str | None, *, there: bool) -> Candidate:
            return Candidate(
                permission=named.id, system=named.system, grant=grant, group=group, roles=self.model.way(meant, role),
                there=there, condition=named.condition, request_wins=named.request_wins, registered=registered,
            )  # fmt: skip

        for given in holder.given():
            group = None if given is holder else given.id
            for role, unit, kind, begins, ends, grant in given.grants():
                if meant.givers >> role & 1 and begins <= at < ends:
                    there = (not unit or unit in units) and (not kind or kind == environment)
                    yield candidate(role, grant.decode(), group, there=there)
        for role in bits(self.model.everyone & meant.givers) if holder.is_person else ():
            yield candidate(role, None, None, there=True)


def _said(name: str, registered: dict[str, Any], said: dict[str, Any], *, request_wins: bool) -> str | None:
    """Answer what a property says, as `held.MEANT` has it: registered wins, unless the permission says not."""
    if name in registered and not (request_wins and name in said):
        return _as_text(registered[name])
    return _as_text(said.get(name))


def _as_text(value: Any) -> str | None:
    # A place that is no text is a place that there is not: JSON's text of it names no unit.
    return value if isinstance(value, str) else None
