"""AuthZEN's Access Evaluation and Access Evaluations APIs (Authorization API 1.0, sections 6 and 7)."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from sqlalchemy.ext.asyncio import AsyncConnection

from access_service import decision_records, decisions, process
from access_service.asking import Asker
from access_service.judging import Decision, DecisionReason, Question
from access_service.routes.authzen import AuthZenRoute, Evaluation, Properties
from lodge_kit.identity import Authenticated
from lodge_kit.problems import BadRequest, Problem
from lodge_kit.world import Here, Now, World

router = APIRouter(tags=["decisions"], route_class=AuthZenRoute)

MOST_EVALUATIONS = 1_000
_REQUESTABLE = timedelta(hours=1)
"""How long what a denial says of asking for access is worth anything."""

_DISPLAY = {"title": "Ask for access", "description": "Ask for a role that allows it."}
_PLACES = ("system", "org_unit", "environment")
"""Properties that a request for access names too."""
_PLAIN = re.compile(r"[\w.~-]*", re.ASCII).fullmatch

Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]


class AccessRequest(BaseModel):
    """How to ask for what was denied, after the draft AuthZEN Access Request and Approval Profile."""

    expires_at: datetime
    form_url: str
    display: dict[str, str]


class DecisionContext(BaseModel):
    """Why it was decided so."""

    reason: DecisionReason
    detail: str
    """The reason in a sentence."""
    evaluation_id: str
    """The id of the decision; of its record too, where it is recorded."""
    evaluated_at: datetime
    role: str | None = None
    grant: str | None = None
    error: str | None = None
    access_request: AccessRequest | None = None


class Evaluated(BaseModel):
    """The decision."""

    decision: bool
    context: DecisionContext


class ItemError(BaseModel):
    """Why a question among several could not be decided."""

    status: int
    message: str


class ItemContext(BaseModel):
    """What went wrong with one question."""

    error: ItemError


class ItemEvaluated(BaseModel):
    """The decision about one question; a context only where it could not be decided."""

    decision: bool
    context: ItemContext | None = None


class Evaluations(BaseModel):
    """The decisions in the order of the questions; fewer where one of them settled it."""

    evaluations: list[ItemEvaluated]


class Options(BaseModel):
    """How the questions are worked through."""

    evaluations_semantic: Semantic = "execute_all"


_PART: dict[str, Any] = {"type": "object", "description": "As in an evaluation; the default for every question."}
_Default = Annotated[Properties, WithJsonSchema(_PART)]
_ITEM: dict[str, Any] = {
    "type": "object",
    "description": "subject, action, resource, context: each wholly in place of the default.",
}


class EvaluationsAsked(BaseModel):
    """Several questions. Without `evaluations`, or with none in it, the defaults are one question."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": {"type": "user", "id": "ada.lovelace"},
                    "action": {"name": "amend"},
                    "evaluations": [
                        {"resource": {"type": "student_record", "id": "4711"}},
                        {"resource": {"type": "student_record", "id": "4712"}},
                    ],
                    "options": {"evaluations_semantic": "execute_all"},
                }
            ]
        }
    )

    subject: _Default = {}
    action: _Default = {}
    resource: _Default = {}
    context: _Default = {}
    evaluations: list[Annotated[Any, WithJsonSchema(_ITEM)]] = Field(default=[], max_length=MOST_EVALUATIONS)
    options: Options = Options()

    def defaults(self) -> dict[str, Any]:
        """Answer what a question has where it says nothing itself."""
        said = self.model_fields_set & {"subject", "action", "resource", "context"}
        return {name: getattr(self, name) for name in said}


class Deciding:
    """One request's deciding: who asks, on which connection, and whom it has found already."""

    def __init__(self, here: World, connection: AsyncConnection, by: Authenticated, now: datetime) -> None:
        self._recorder = process.of(here).recorder
        self._connection = connection
        self._by = by
        self._now = now
        self._asker = Asker(by, connection, at=now)

    async def decide(self, question: Question, *, id: str | None = None) -> Decision:  # noqa: A002 - the decision's
        """Decide what may be asked, and have it recorded. Raises `Forbidden`."""
        await self._asker.demand(question)
        recorded = self._recorder.takes()
        model = await decision_records.state_of(self._connection) if recorded else ""
        decision = await decisions.decide(self._connection, question, at=self._now)
        if recorded:
            self._recorder.note(decision, question, id=id, by=self._by, model=model, at=self._now)
        return decision


@router.post("/evaluation", response_model_exclude_none=True)
async def evaluate(asked: Evaluation, here: Here, by: Authenticated, now: Now) -> Evaluated:
    """Decide whether somebody may do something. Deny by default."""
    question = asked.question()
    async with here.database.autocommit.connect() as connection:
        evaluation_id = decision_records.new_id()
        decision = await Deciding(here, connection, by, now).decide(question, id=evaluation_id)
    shown = answer(decision, question, id=evaluation_id, portal_url=here.settings.portal_url, now=now)
    return Evaluated.model_validate(shown)


@router.post("/evaluations", response_model_exclude_none=True)
async def evaluate_several(asked: EvaluationsAsked, here: Here, by: Authenticated, now: Now) -> Evaluations | Evaluated:
    """Decide several questions; where there is only one, answer as the other route does."""
    defaults = asked.defaults()
    if not asked.evaluations:
        return await evaluate(_evaluation(defaults), here, by, now)
    settles = {"deny_on_first_deny": False, "permit_on_first_permit": True}.get(asked.options.evaluations_semantic)
    found: list[ItemEvaluated] = []
    async with here.database.autocommit.connect() as connection:
        deciding = Deciding(here, connection, by, now)
        for item in asked.evaluations:
            found.append(await _item(deciding, defaults, item))
            if found[-1].decision is settles:
                break
    return Evaluations(evaluations=found)


async def _item(deciding: Deciding, defaults: Mapping[str, Any], item: Any) -> ItemEvaluated:
    try:
        if not isinstance(item, dict):
            raise BadRequest("A question is an object.")
        question = _evaluation({**defaults, **item}).question()
        decision = await deciding.decide(question)
    except Problem as problem:
        if problem.status >= problem.status.INTERNAL_SERVER_ERROR:
            raise
        error = ItemError(status=problem.status, message=problem.detail)
        return ItemEvaluated(decision=False, context=ItemContext(error=error))
    return ItemEvaluated(decision=decision.permit)


def _evaluation(said: Mapping[str, Any]) -> Evaluation:
    try:
        return Evaluation.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def answer(
    decision: Decision, question: Question, *, id: str, portal_url: str, now: datetime,  # noqa: A002 - the decision's
) -> dict[str, Any]:  # fmt: skip
    """Show a decision with its reason, and for what may be asked for, how: what `Evaluated` describes."""
    reason, path = decision.reason, decision.path
    context: dict[str, Any] = {
        "reason": reason, "detail": reason.sentence, "evaluation_id": id, "evaluated_at": now
    }  # fmt: skip
    if path is not None and decision.permit:
        context["role"] = path.roles[-1]
        if path.grant is not None:
            context["grant"] = path.grant
    if path is not None and path.condition is not None and path.condition.error is not None:
        context["error"] = path.condition.error
    if reason is DecisionReason.NOT_HELD or reason is DecisionReason.HELD_ELSEWHERE:
        context["access_request"] = _access_request(question, portal_url=portal_url, now=now)
    return {"decision": decision.permit, "context": context}


def _access_request(question: Question, *, portal_url: str, now: datetime) -> dict[str, Any]:
    about = {
        "subject": question.subject, "action": question.action, "type": question.resource_type,
        "resource": question.resource,
        **{n: text for n, text in question.resource_properties.items() if n in _PLACES and isinstance(text, str)},
    }  # fmt: skip
    # Hardly any of these has to be quoted, and to look at each takes longer than to decide.
    is_plain = _PLAIN("".join(about.values()))
    query = "&".join([f"{name}={text}" for name, text in about.items()]) if is_plain else urlencode(about)
    return {
        "expires_at": now + _REQUESTABLE,
        "form_url": f"{portal_url.rstrip('/')}/access/request?{query}",
        "display": _DISPLAY,
    }
