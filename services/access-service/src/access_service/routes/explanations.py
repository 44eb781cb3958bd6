"""/access/v1/explain: why somebody may do something, why not, why no longer, as of any day.

GET is a link, which a help desk keeps and sends on. POST takes an AuthZEN question as it was asked, with the properties
and the context that conditions look at, and `as_of` beside it.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from access_service.history import When
from access_service.judging import Question
from access_service.questions.evidence import Path, Step
from access_service.questions.explaining import Explanation, explain
from access_service.questions.misses import Why
from access_service.questions.periods import BEGINNING, FOREVER, Span
from access_service.questions.telling import tell
from access_service.routes.as_of import Asked, when_of
from access_service.routes.authzen import Evaluation
from lodge_kit.clock import AsOf
from lodge_kit.database import Session
from lodge_kit.directory import Reference, reference
from lodge_kit.identity import Authenticated, Caller
from lodge_kit.world import Here, Now, World

router = APIRouter(tags=["questions"])


class Explain(Evaluation):
    """An AuthZEN question, with the instants that it is asked of."""

    model_config = ConfigDict(extra="forbid")

    as_of: AsOf | None = Field(default=None, description="The instant that is asked about, or a date. Now if left out.")
    known_at: AsOf | None = Field(default=None, description="The instant by whose records it is answered.")


class Period(BaseModel):
    """A time for which something held; null is without beginning or without end."""

    since: datetime | None
    until: datetime | None


class ConditionInput(BaseModel):
    """A value that a condition names."""

    name: str = Field(examples=["subject.email"])
    state: Literal["seen", "missing", "hidden", "too-long"] = Field(
        description="hidden: what Lodge may hold of the subject or the resource, and you may not read."
    )
    value: Any = Field(default=None, description="What stood there, where it was seen.")


class PathStep(Period):
    """A step of a path, with the period that the instant is in, or the nearest one."""

    kind: Literal["person", "service-account", "group", "grant", "role", "permission", "condition"]
    id: str
    name: str = Field(description="What it is called; of a grant its role, of a condition its text.")
    held: bool
    state: str | None = Field(description="The state that it was in then: active, inactive, draft, retired.")
    by: Reference | None = Field(description="Who made it so, or who ended it where it held no more.")
    reason: str | None = Field(
        description="What was said to that; of a condition, the error that kept it from being known."
    )
    saw: list[ConditionInput] | None = Field(
        default=None, description="Of a condition: what it looked at, as people and resources are now."
    )


class ExplainedPath(BaseModel):
    """A way in which the permission was held, or came near to it."""

    held: bool
    steps: list[PathStep]
    why_not: str | None


class Explained(BaseModel):
    """A decision with all that it rests on, or what came nearest."""

    decision: bool | None = Field(
        description="null: nothing that you may see permits it, and what other grants do you may not ask."
    )
    reason: Why = Field(description="A stable code; there may be more of them.")
    sentence: str = Field(
        description="For people.", examples=["Ann may amend record 4711 in Records: Bob gave Ann the role Clerk."]
    )
    as_of: datetime
    known_at: datetime
    subject: Reference | None
    permissions: list[Reference] = Field(description="Those that the question may mean, as far as you may see.")
    held: list[Period] = Field(description="All periods in which it was held, is, or will be, as far as is known.")
    paths: list[ExplainedPath] = Field(description="Those that hold first, then those that miss least.")
    more_paths: int = Field(description="How many are not told: the answer has the first 50.")


@router.get("/explain")
async def get_explanation(
    session: Session, here: Here, by: Authenticated, now: Now, when: Asked,
    subject: Annotated[str, Query(max_length=500, description="An id, an external id, a user name, or `me`.")],
    action: Annotated[str, Query(max_length=500)],
    resource_type: Annotated[str, Query(max_length=500)],
    resource_id: Annotated[str, Query(max_length=500, description="The system's own id of the thing.")] = "",
    system: Annotated[str | None, Query(max_length=500, description="Its id or key; any if left out.")] = None,
    org_unit: Annotated[str | None, Query(max_length=500, description="Where the thing is.")] = None,
    environment: Annotated[str | None, Query(max_length=500, description="In which installation it is.")] = None,
) -> Explained:  # fmt: skip
    """Say why somebody may do something, why not, or why no longer; only what you may read otherwise is told.

    About oneself anybody may ask. About others it needs `access.grants.read`, and either `access.evaluate` in the
    systems that are meant, or `access.people.read` and `access.catalogue.read`.
    """
    place = {"system": system, "org_unit": org_unit, "environment": environment}
    question = Question(
        by.named(subject), action, resource_type, resource_id,
        resource_properties={name: value for name, value in place.items() if value is not None},
    )  # fmt: skip
    return await _explained(session, here, question, when, by=by, now=now)


@router.post("/explain")
async def explain_evaluation(asked: Explain, session: Session, here: Here, by: Authenticated, now: Now) -> Explained:
    """Say why an AuthZEN evaluation is decided as it is, or was: the same question, with `as_of` beside it."""
    question = Question(
        by.named(asked.subject.id), asked.action.name, asked.resource.type, asked.resource.id,
        subject_type=asked.subject.type, subject_properties=asked.subject.properties,
        action_properties=asked.action.properties, resource_properties=asked.resource.properties,
        context=asked.context,
    )  # fmt: skip
    when = when_of(asked.as_of, asked.known_at, here=here, now=now)
    return await _explained(session, here, question, when, by=by, now=now)


async def _explained(
    session: AsyncSession, here: World, question: Question, when: When, *, by: Caller, now: datetime
) -> Explained:
    found = await explain(session, question, when, by=by, now=now)
    told = tell(found, zone=here.settings.time_zone, now=now)
    subject = found.subject.thing if found.subject else None
    return Explained(
        decision=found.decision, reason=told.why, sentence=told.sentence,
        as_of=when.as_of, known_at=when.known_at, subject=reference(subject.id, subject.name) if subject else None,
        permissions=[Reference(id=one.thing.id, name=one.thing.name) for one in found.permissions],
        held=[_period(span) for span in found.finding.periods.spans],
        paths=[_path(found, path, why_not) for path, why_not in zip(found.told, told.why_not, strict=True)],
        more_paths=len(found.finding.paths) - len(found.told),
    )  # fmt: skip


def _path(found: Explanation, path: Path, why_not: str | None) -> ExplainedPath:
    return ExplainedPath(held=why_not is None, steps=[_step(found, path, step) for step in path.steps], why_not=why_not)


def _step(found: Explanation, path: Path, step: Step) -> PathStep:
    at = found.when.as_of
    state = step.thing.state(at) if step.thing else None
    span = step.periods.nearest(at)
    by, reason = _deed(found, path, step, span)
    saw = found.sights.get(step.id, ()) if step.kind == "condition" else None
    return PathStep(
        kind=step.kind, id=step.id, name=step.name, held=at in step.periods, state=state.name if state else None,
        by=reference(by, found.names.get(by, "") if by else None), reason=reason,
        saw=None if saw is None else [ConditionInput.model_validate(one, from_attributes=True) for one in saw],
        **_period(span).model_dump() if span else {"since": None, "until": None},
    )  # fmt: skip


def _deed(found: Explanation, path: Path, step: Step, span: Span | None) -> tuple[str | None, str | None]:
    """Answer who made a step hold, or ended it where it holds no more, and with what reason."""
    grant, ended = path.way.grant, span is not None and span[1] <= found.when.as_of
    if step.kind == "grant" and grant is not None:
        return (grant.ended_by, grant.end_reason) if ended or span is None else (grant.by, grant.reason or None)
    if step.kind == "condition":
        return None, path.permission.outcome.error
    turn = span[ended] if span else None
    records = [facet.recorded_of for facet in step.facets if facet.recorded_of]
    return next((found.authors[one, turn] for one in records if turn and (one, turn) in found.authors), None), None


def _period(span: Span) -> Period:
    since, until = span
    return Period(since=None if since == BEGINNING else since, until=None if until == FOREVER else until)
