"""What keeps a path from holding, each as a code for programs and as a clause for people."""

from dataclasses import dataclass
from enum import StrEnum

from access_service.questions.dates import Calendar
from access_service.questions.evidence import Facet, Grant, Path, Permission, Step
from access_service.questions.explaining import Explanation


class Why(StrEnum):
    """Why it is decided so; stable codes, of which there may be more."""

    HELD = "held"
    SUBJECT_UNKNOWN = "subject-unknown"
    SUBJECT_LATER = "subject-later"
    SUBJECT_INACTIVE = "subject-inactive"
    SUBJECT_DELETED = "subject-deleted"
    SYSTEM_UNKNOWN = "system-unknown"
    PERMISSION_UNKNOWN = "permission-unknown"
    NEVER_GIVEN = "never-given"
    GRANT_ENDED = "grant-ended"
    GRANT_LATER = "grant-later"
    GRANT_WITHDRAWN = "grant-withdrawn"
    OTHER_ORG_UNIT = "other-org-unit"
    OTHER_ENVIRONMENT = "other-environment"
    MEMBERSHIP_ENDED = "membership-ended"
    MEMBERSHIP_LATER = "membership-later"
    ROLE_DRAFT = "role-draft"
    ROLE_RETIRED = "role-retired"
    ROLE_LATER = "role-later"
    INHERITANCE_ENDED = "inheritance-ended"
    INHERITANCE_LATER = "inheritance-later"
    PERMISSION_REMOVED = "permission-removed"
    PERMISSION_LATER = "permission-later"
    PERMISSION_RETIRED = "permission-retired"
    PERMISSION_CHANGED = "permission-changed"
    CONDITION_NOT_MET = "condition-not-met"


Miss = tuple[Why, str]
_LATER = {"role": Why.ROLE_LATER, "permission": Why.PERMISSION_LATER}


@dataclass(frozen=True, slots=True)
class Misses:
    """What was missing at the instant that an explanation is of; clauses say who did what, and when."""

    of: Explanation
    calendar: Calendar

    @property
    def who(self) -> str:
        """Answer what the subject is called."""
        return self.of.subject.thing.name if self.of.subject else self.of.question.subject

    def path(self, path: Path) -> list[Miss]:
        """Answer the misses of a path: what never holds, then what ended or will begin, in order of time."""
        return [self._miss(path, step, facet) for step, facet in path.misses(self.of.when.as_of)]

    def subject(self) -> Miss:
        """Tell why the subject could do nothing then. Call it where that is so."""
        assert self.of.subject is not None  # noqa: S101 - nobody is told of nobody
        thing = self.of.subject.thing
        facet = Facet("standing", thing.active, thing.id)
        return self._standing(Step(thing.kind, thing.id, thing.name, [facet], thing), facet)

    def permission(self, one: Permission) -> Miss | None:
        """Tell why nobody could use a permission then; None where one could."""
        thing, at = one.thing, self.of.when.as_of
        standing = Facet("standing", thing.active, thing.id)
        if at not in thing.active:
            return self._standing(Step(thing.kind, thing.id, thing.name, [standing], thing), standing)
        return None if at in one.means else self._changed(thing.name)

    def _changed(self, name: str) -> Miss:
        deed = f"{self.of.question.action} on {self.of.question.resource_type}"
        return Why.PERMISSION_CHANGED, f"the permission {name} stood for {deed} at another time"

    def author(self, facet: Facet) -> str | None:
        """Answer who made the change that keeps a facet from holding, as far as the audit knows."""
        turn = facet.periods.turn(self.of.when.as_of)
        if turn is None or facet.recorded_of is None:
            return None
        return self.name(self.of.authors.get((facet.recorded_of, turn)))

    def name(self, one: str | None) -> str | None:
        """Answer what somebody is called; None where that is not known."""
        return self.of.names.get(one) if one else None

    def _miss(self, path: Path, step: Step, facet: Facet) -> Miss:
        match facet.name:
            case "standing":
                return self._standing(step, facet)
            case "membership":
                return self._membership(step, facet)
            case "validity" if path.way.grant:
                return self._validity(path.way.grant, step, facet)
            case "inheritance" | "content":
                return self._link(path, step, facet)
            case "org-unit" if path.way.grant and path.way.grant.unit:
                return Why.OTHER_ORG_UNIT, self._other_unit(path.way.grant.unit[1], path, step, facet)
        return self._otherwise(path, step, facet)

    def _otherwise(self, path: Path, step: Step, facet: Facet) -> Miss:
        """Tell what is not as the question has it: the environment, the action, the condition."""
        permission = path.permission
        if facet.name == "environment" and path.way.grant:
            there = permission.environment
            other = f"not in {there}" if there else "and the question names no environment"
            other = self._kept("environment", permission) or other
            return Why.OTHER_ENVIRONMENT, f"{step.name} is held in {path.way.grant.environment} only, {other}"
        if facet.name == "meaning":
            return self._changed(step.name)
        error = f" ({permission.outcome.error})" if permission.outcome.error else ""
        return Why.CONDITION_NOT_MET, f"the condition of {permission.thing.name} does not hold{error}: {step.name}"

    def _standing(self, step: Step, facet: Facet) -> Miss:
        """Tell why a person, a service account, a role or a permission was not in use."""
        name = f"the {step.kind} {step.name}" if step.kind in _LATER else step.name
        state = step.thing.state(self.of.when.as_of) if step.thing else None
        turn = facet.periods.turn(self.of.when.as_of)
        if state is None:
            when = f" only on {self.calendar.day(turn)}" if turn else " later"
            return _LATER.get(step.kind, Why.SUBJECT_LATER), f"{name} was added to Lodge{when}"
        by = self.name(self.of.authors.get((step.id, state.since)))
        done = f"on {self.calendar.day(state.since)}" + (f" by {by}" if by else "")
        if state.name == "draft":
            return Why.ROLE_DRAFT, f"{name} was a draft, not yet in use"
        if step.kind in _LATER:
            return Why.ROLE_RETIRED if step.kind == "role" else Why.PERMISSION_RETIRED, f"{name} was retired {done}"
        gone = self.of.subject.deleted_at if self.of.subject else None
        if gone is not None and gone <= self.of.when.as_of:
            return Why.SUBJECT_DELETED, f"{name} was deleted from the directory on {self.calendar.day(gone)}"
        return Why.SUBJECT_INACTIVE, f"{name} was made inactive {done}"

    def _membership(self, step: Step, facet: Facet) -> Miss:
        by, turn = self.author(facet), facet.periods.turn(self.of.when.as_of)
        when = f"on {self.calendar.day(turn)}" if turn else "later"
        if turn is not None and turn > self.of.when.as_of:
            said = (
                f"{by} put {self.who} into the group {step.name}" if by else f"{self.who} joined the group {step.name}"
            )
            return Why.MEMBERSHIP_LATER, f"{said} only {when}"
        said = f"{by} took {self.who} out of the group {step.name}" if by else f"{self.who} left the group {step.name}"
        return Why.MEMBERSHIP_ENDED, f"{said} {when}"

    def _validity(self, grant: Grant, step: Step, facet: Facet) -> Miss:
        turn, by = facet.periods.turn(self.of.when.as_of), self.name(grant.ended_by)
        why = f" (“{grant.end_reason}”)" if grant.end_reason else ""
        if turn is None:
            return Why.GRANT_WITHDRAWN, f"the grant of {step.name} was withdrawn before it began{why}"
        if turn > self.of.when.as_of:
            giver = self.name(grant.by) or "somebody"
            return Why.GRANT_LATER, f"{giver} gave the role {step.name} from {self.calendar.day(turn)} on only"
        if grant.ended_by is None:
            return Why.GRANT_ENDED, f"the grant of {step.name} was {self.calendar.until(turn)} only"
        return Why.GRANT_ENDED, f"{by or 'somebody'} ended the grant of {step.name} on {self.calendar.day(turn)}{why}"

    def _other_unit(self, unit: str, path: Path, step: Step, facet: Facet) -> str:
        held, asked = f"{step.name} is held for {unit} only", path.permission.unit
        if kept := self._kept("org_unit", path.permission):
            return f"{held}, {kept}"
        if asked is None:
            return f"{held}, and the question names no org unit"
        name, turn = self.name(asked) or asked, facet.periods.turn(self.of.when.as_of)
        if turn is None:
            return f"{held}, not for {name}"
        since = "from" if turn > self.of.when.as_of else "until"
        return f"{held}, of which {name} was a part only {since} {self.calendar.day(turn)}"

    def _kept(self, name: str, permission: Permission) -> str | None:
        """Tell that a system registered a place of the resource which the asker may not read; None where it is told."""
        if name not in permission.registered or self.of.view.resource(permission):
            return None
        return f"and {permission.system} has {self.of.question.resource} registered as being elsewhere"

    def _link(self, path: Path, step: Step, facet: Facet) -> Miss:
        """Tell that a role did not inherit from another, or contain the permission."""
        role = next((one.name for one in path.steps if one.kind == "role" and one.id == facet.recorded_of), "")
        inherits = facet.name == "inheritance"
        turn, by = facet.periods.turn(self.of.when.as_of), self.author(facet)
        if turn is not None and turn > self.of.when.as_of:
            does = f"the role {role} {'inherits' if inherits else 'contains'} {step.name}"
            later = Why.INHERITANCE_LATER if inherits else Why.PERMISSION_LATER
            return later, f"{does} only from {self.calendar.day(turn)} on"
        when = f"on {self.calendar.day(turn)}" if turn else "at another time"
        if inherits:
            return (
                Why.INHERITANCE_ENDED,
                f"the role {role} stopped inheriting {step.name} {when}{f', by {by}' if by else ''}",
            )
        taken = f"took the permission {step.name} out of the role {role} {when}"
        return Why.PERMISSION_REMOVED, f"{by or 'somebody'} {taken}"
