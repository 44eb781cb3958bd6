"""AuthZEN's Authorization API 1.0 over HTTP: what is asked, strictly typed, and 400 for what cannot be understood.

Unknown fields are ignored, as the standard wants (section 10.1.1); what it calls optional may be missing, not null.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, StrictStr

from access_service.judging import Question
from lodge_kit.edge import problem_of
from lodge_kit.identity import caller
from lodge_kit.problems import BadRequest, Invalid, UnsupportedMediaType

Properties = dict[str, Any]

UNSAID = ""
"""Stands in a question for what a search looks for."""


class AuthZenRoute(APIRoute):
    """Answers 400 where other routes answer 415 or 422 (section 10.1.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except (RequestValidationError, Invalid, UnsupportedMediaType) as error:
                await caller(request)  # the body was read first: what is wrong with it is nothing to tell a stranger
                problem = problem_of(error) if isinstance(error, RequestValidationError) else error
                raise BadRequest(problem.detail, errors=problem.errors) from error

        return handler


class SubjectType(BaseModel):
    """Those who are looked for: `user` is people, `service_account` is programs. An `id` is ignored."""

    type: StrictStr = Field(examples=["user"])
    properties: Properties = {}


class Subject(SubjectType):
    """Who; `id` is the institution's own (external) id, a user name, or a Lodge id."""

    id: StrictStr = Field(examples=["ada.lovelace"])


class Action(BaseModel):
    """What is to be done: a permission's action."""

    name: StrictStr = Field(examples=["amend"])
    properties: Properties = {}


class ResourceType(BaseModel):
    """What is looked for: resources that systems registered. An `id` is ignored.

    `properties.system` (key or id) narrows to one system.
    """

    type: StrictStr = Field(examples=["student_record"])
    properties: Properties = {}


class Resource(ResourceType):
    """With what; `id` is the system's own.

    `properties.system` (key or id) narrows to one system, `.org_unit` and `.environment` say where it is.
    """

    id: StrictStr = Field(examples=["4711"])


class Evaluation(BaseModel):
    """May the subject do the action with the resource?"""

    subject: Subject
    action: Action
    resource: Resource
    context: Properties = {}

    def question(self) -> Question:
        """Answer the question as it is decided. Raises `BadRequest` for a text that nothing can hold."""
        return question(self.subject, self.action, self.resource, self.context)


def question(
    subject: SubjectType, action: Action | None, resource: ResourceType, context: Properties,
) -> Question:  # fmt: skip
    """Make the question; what a search looks for is left unsaid."""
    asked = Question(
        subject=subject.id if isinstance(subject, Subject) else UNSAID,
        action=action.name if action else UNSAID,
        resource_type=resource.type,
        resource=resource.id if isinstance(resource, Resource) else UNSAID,
        subject_type=subject.type,
        subject_properties=subject.properties,
        action_properties=action.properties if action else {},
        resource_properties=resource.properties,
        context=context,
    )
    said = [resource.properties.get(name) for name in ("system", "org_unit", "environment")]
    _demand_storable([asked.subject, asked.action, asked.resource_type, asked.resource, asked.subject_type, *said])
    return asked


def _demand_storable(texts: Iterable[Any]) -> None:
    for text in texts:
        if isinstance(text, str) and ("\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)):
            raise BadRequest("An id, a type or a name has a NUL, or half a surrogate pair: nothing is called that.")
