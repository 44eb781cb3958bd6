"""POST /access/v1/evaluation: AuthZEN's Access Evaluation API (Authorization API 1.0, section 6)."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictStr

from access_service import decisions, rights
from access_service.decisions import Question
from lodge_kit.identity import Caller, requires
from lodge_kit.world import Here, Now

router = APIRouter(tags=["decisions"])

Asker = Annotated[Caller, requires(rights.EVALUATE)]


class Subject(BaseModel):
    """Who; `id` is a Lodge id, an external id or a user name."""

    type: StrictStr = Field(examples=["user"])
    id: StrictStr
    properties: dict[str, Any] = {}


class Action(BaseModel):
    """What is to be done."""

    name: StrictStr = Field(examples=["amend"])
    properties: dict[str, Any] = {}


class Resource(BaseModel):
    """With what; `properties.system` narrows to one system, `properties.org_unit` says where it belongs."""

    type: StrictStr = Field(examples=["student_record"])
    id: StrictStr
    properties: dict[str, Any] = {}


class Evaluation(BaseModel):
    """May the subject do the action with the resource? Unknown fields are ignored, as the standard wants."""

    subject: Subject
    action: Action
    resource: Resource
    context: dict[str, Any] = {}


class Evaluated(BaseModel):
    """The decision."""

    decision: bool
    context: dict[str, Any] = {}


@router.post("/evaluation")
async def evaluate(asked: Evaluation, here: Here, _by: Asker, now: Now) -> Evaluated:
    """Decide whether somebody may do something. Deny by default."""
    question = Question(
        subject=asked.subject.id,
        action=asked.action.name,
        resource_type=asked.resource.type,
        resource=asked.resource.id,
        subject_type=asked.subject.type,
        subject_properties=asked.subject.properties,
        action_properties=asked.action.properties,
        resource_properties=asked.resource.properties,
        context=asked.context,
    )
    async with here.database.autocommit.connect() as connection:
        decision = await decisions.decide(connection, question, at=now)
    path = decision.path
    facts = {"reason": decision.reason, "role": path and path.roles[-1], "grant": path and path.grant}
    return Evaluated(decision=decision.permit, context={k: v for k, v in facts.items() if v is not None})
