"""The decision itself, without I/O: given who asks for what and what is held, permit or deny, and by which path.

SQL (`decisions`) and the index in the process both gather `Candidate`s and let `judge` decide, so that they cannot
come to different answers from the same facts.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Self

from msgspec import Struct

from access_service import conditions
from access_service.conditions import Outcome

Properties = Mapping[str, Any]

PEOPLE = frozenset({"user", "person", "identity"})
"""What AuthZEN's `subject.type` calls people; the standard leaves the words to us, its examples use these."""
PROGRAMS = frozenset({"service_account", "client"})
SUBJECT_TYPES = PEOPLE | PROGRAMS

PLACE = ("org_unit", "environment")
"""The resource's properties that say where it is: scopes of grants are held against them."""


class Question(Struct, frozen=True):
    """What AuthZEN's access evaluation asks (Authorization API 1.0, section 6)."""

    subject: str
    """Lodge's id, the institution's own (external) id, or a user name."""
    action: str
    resource_type: str
    resource: str
    """The system's own id of the resource."""
    subject_type: str = "user"
    subject_properties: Properties = {}
    action_properties: Properties = {}
    resource_properties: Properties = {}
    """`system` (key or id) narrows, `org_unit` and `environment` say where it is; all else is for conditions."""
    context: Properties = {}

    @property
    def system(self) -> str | None:
        """The one system that is meant, None for all. What is no text names a system that there is not."""
        named = self.resource_properties.get("system")
        return named if named is None or isinstance(named, str) else ""


class Subject(Struct, frozen=True):
    """Whom a question is about, with what the server holds of that one."""

    id: str
    attributes: Properties = {}
    """What conditions see: name, user_name, email, org_unit, …; a value that is not known is null."""


class Candidate(Struct, frozen=True):
    """One way in which the permission is held: a grant (None: a role that everybody has) and a permission.

    `units` are the org unit that the resource is in and all above it, `environment` the one that it is in: as the
    permission says, from what the system registered or from what the question says.
    """

    permission: str
    system: str
    grant: str | None
    group: str | None
    roles: tuple[str, ...]
    """From the role that was given to the one that contains the permission."""
    there: bool
    """Whether the grant's scope covers the place of the resource."""
    condition: str | None = None
    request_wins: bool = False
    registered: Properties = {}
    """The resource's properties as the system registered them."""

    @property
    def rank(self) -> tuple[bool, bool, str, str]:
        """Which of several comes first: one that holds here, without a condition, by the oldest grant."""
        return (not self.there, self.condition is not None, self.grant or "", self.permission)


class DecisionReason(StrEnum):
    """Why it was decided so, each with its sentence; stable codes, of which there may be more."""

    sentence: str

    HELD = "held", "A grant that holds now contains this permission."
    SUBJECT_UNKNOWN = "subject-unknown", "The subject is unknown or not active."
    """Nobody, or nobody active, is known by that id (and type)."""
    PERMISSION_UNKNOWN = (
        "permission-unknown", "No system that is meant has this action on this type of resource."
    )  # fmt: skip
    """No system (none that was named) has this action on this type of resource."""
    NOT_HELD = "not-held", "No grant that holds now contains this permission."
    HELD_ELSEWHERE = "held-elsewhere", "The permission is held for other org units or environments only."
    """For other org units or environments only."""
    CONDITION_NOT_MET = "condition-not-met", "The permission is held, and its condition is not met."

    def __new__(cls, code: str, sentence: str) -> Self:
        """Make a reason of its code and its sentence."""
        made = str.__new__(cls, code)
        made._value_ = code
        made.sentence = sentence  # here, as to look it up by an enum's member costs more than to decide
        return made


class Path(Struct, frozen=True):
    """How a permission is held: what a decision rests on, or what came nearest to it."""

    grant: str | None
    group: str | None
    roles: tuple[str, ...]
    permission: str
    system: str
    condition: Outcome | None = None


class Decision(Struct, frozen=True):
    """Permit or deny, why, about whom (Lodge's id), and by which path."""

    permit: bool
    reason: DecisionReason
    subject: str | None = None
    path: Path | None = None


UNKNOWN = Decision(permit=False, reason=DecisionReason.SUBJECT_UNKNOWN)


def effective(registered: Properties, said: Properties, *, request_wins: bool) -> dict[str, Any]:
    """Merge a resource's properties, key by key: what its system registered wins unless the permission says not."""
    return {**registered, **said} if request_wins else {**said, **registered}


def covers(org_unit: str | None, environment: str | None, *, units: Iterable[str], place: str | None) -> bool:
    """Say whether a grant's scope covers a resource in `units` (its own and all above it) and environment `place`."""
    return (org_unit is None or org_unit in units) and (environment is None or environment == place)


def judge(question: Question, subject: Subject, candidates: Sequence[Candidate], *, known: bool) -> Decision:
    """Decide from all ways in which the permission is held; `known` says whether any system has it at all."""
    if not candidates:
        return Decision(False, DecisionReason.NOT_HELD if known else DecisionReason.PERMISSION_UNKNOWN, subject.id)  # noqa: FBT003 - its first field
    first: Decision | None = None
    for one in sorted(candidates, key=lambda candidate: candidate.rank):
        found = _weigh(question, subject, one)
        if found.permit:
            return found
        first = first or found
    assert first is not None  # noqa: S101 - there was one
    return first


def _weigh(question: Question, subject: Subject, one: Candidate) -> Decision:
    if not one.there:
        return Decision(False, DecisionReason.HELD_ELSEWHERE, subject.id, _path(one, None))  # noqa: FBT003
    if one.condition is None:
        return Decision(True, DecisionReason.HELD, subject.id, _path(one, None))  # noqa: FBT003
    outcome = conditions.weigh(one.condition, **seen(question, subject, one))
    reason = DecisionReason.HELD if outcome.holds else DecisionReason.CONDITION_NOT_MET
    return Decision(outcome.holds, reason, subject.id, _path(one, outcome))


def seen(question: Question, subject: Subject, one: Candidate) -> dict[str, Properties]:
    """Answer what a condition sees.

    Of the subject: what the server holds, by name; and all that under `properties` too, with what the question says
    besides. So a question can add to what is known of somebody, and never put anything in its place.
    """
    held = {"type": question.subject_type, "id": question.subject, "lodge_id": subject.id, **subject.attributes}
    return {
        "subject": {**held, "properties": {**question.subject_properties, **subject.attributes}},
        "resource": {
            "type": question.resource_type,
            "id": question.resource,
            "properties": effective(one.registered, question.resource_properties, request_wins=one.request_wins),
        },
        "action": {"name": question.action, "properties": question.action_properties},
        "context": question.context,
    }


def _path(one: Candidate, outcome: Outcome | None) -> Path:
    return Path(one.grant, one.group, one.roles, one.permission, one.system, outcome)
