"""AuthZEN's Search APIs (Authorization API 1.0, section 8)."""

import base64
import hashlib
import json
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, StrictInt, StrictStr

from access_service.asking import Asker
from access_service.routes.authzen import (
    Action,
    AuthZenRoute,
    Properties,
    Resource,
    ResourceType,
    Subject,
    SubjectType,
    question,
)
from access_service.searching.actions import actions
from access_service.searching.pages import Page
from access_service.searching.resources import resources
from access_service.searching.subjects import subjects
from lodge_kit.identity import Authenticated
from lodge_kit.problems import BadRequest
from lodge_kit.world import Here, Now

router = APIRouter(prefix="/search", tags=["decisions"], route_class=AuthZenRoute)

DEFAULT_LIMIT = 200
MOST = 1_000


class PageAsked(BaseModel):
    """Which page is wanted."""

    token: StrictStr = Field(default="", description="The `next_token` of the page before.")
    limit: StrictInt = Field(default=DEFAULT_LIMIT, ge=0, description=f"At most {MOST}.")
    properties: Properties = {}


class PageGiven(BaseModel):
    """Where the next page begins; an empty `next_token` says that there is none."""

    next_token: str
    count: int


class SubjectFound(BaseModel):
    """Somebody who may: the id is the one by which an evaluation finds that one again."""

    type: str
    id: str


class ResourceFound(BaseModel):
    """A resource on which it is permitted, by the system's own id."""

    type: str
    id: str


class ActionFound(BaseModel):
    """An action that is permitted."""

    name: str


class SubjectsFound(BaseModel):
    """Who may; `page` where it was asked for, or where there are more."""

    page: PageGiven | None = None
    results: list[SubjectFound]


class ResourcesFound(BaseModel):
    """On which it is permitted."""

    page: PageGiven | None = None
    results: list[ResourceFound]


class ActionsFound(BaseModel):
    """What is permitted."""

    page: PageGiven | None = None
    results: list[ActionFound]


class Search(BaseModel):
    """What every search has."""

    context: Properties = {}
    page: PageAsked = PageAsked()

    def begin(self) -> tuple[str, int]:
        """Answer after which key the page begins, and how many fit on it. Raises `BadRequest` for a token not ours."""
        limit = min(self.page.limit, MOST)
        if "token" not in self.page.model_fields_set:
            return "", limit
        after, limit_before, made_for = _read_token(self.page.token)
        # The page that follows may leave the limit out; what it says must be as it was (section 8.2.1).
        if made_for != self._fingerprint() or ("limit" in self.page.model_fields_set and limit != limit_before):
            raise BadRequest("This page.token was made for another question. Begin again without one.")
        return after, limit_before

    def paged(self, limit: int, page: Page[Any]) -> PageGiven | None:
        """Answer what is said of the page; nothing, where all is on it and nobody asked for pages."""
        if page.after is None and "page" not in self.model_fields_set:
            return None
        token = "" if page.after is None else _write_token(page.after, limit, self._fingerprint())
        return PageGiven(next_token=token, count=len(page.found))

    def _fingerprint(self) -> str:
        asked = self.model_dump(exclude={"page"}) | {"page": self.page.properties}
        text = json.dumps([type(self).__name__, asked], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class SubjectSearch(Search):
    """Who may do the action with the resource?"""

    subject: SubjectType
    action: Action
    resource: Resource


class ResourceSearch(Search):
    """On which resources may the subject do the action?"""

    subject: Subject
    action: Action
    resource: ResourceType


class ActionSearch(Search):
    """What may the subject do with the resource?"""

    subject: Subject
    resource: Resource


@router.post("/subject", response_model_exclude_none=True)
async def search_subjects(asked: SubjectSearch, here: Here, by: Authenticated, now: Now) -> SubjectsFound:
    """Say who may do something with a resource."""
    meant = question(asked.subject, asked.action, asked.resource, asked.context)
    after, limit = asked.begin()
    async with here.database.autocommit.connect() as connection:
        await Asker(by, connection, at=now).demand(meant, about_all=True)
        page = await subjects(connection, meant, at=now, after=after, limit=limit)
    results = [SubjectFound(type=meant.subject_type, id=one) for one in page.found]
    return SubjectsFound(page=asked.paged(limit, page), results=results)


@router.post("/resource", response_model_exclude_none=True)
async def search_resources(asked: ResourceSearch, here: Here, by: Authenticated, now: Now) -> ResourcesFound:
    """Say on which registered resources somebody may do something."""
    meant = question(asked.subject, asked.action, asked.resource, asked.context)
    after, limit = asked.begin()
    async with here.database.autocommit.connect() as connection:
        await Asker(by, connection, at=now).demand(meant)
        page = await resources(connection, meant, at=now, after=after, limit=limit)
    results = [ResourceFound(type=meant.resource_type, id=one) for one in page.found]
    return ResourcesFound(page=asked.paged(limit, page), results=results)


@router.post("/action", response_model_exclude_none=True)
async def search_actions(asked: ActionSearch, here: Here, by: Authenticated, now: Now) -> ActionsFound:
    """Say what somebody may do with a resource."""
    meant = question(asked.subject, None, asked.resource, asked.context)
    after, limit = asked.begin()
    async with here.database.autocommit.connect() as connection:
        await Asker(by, connection, at=now).demand(meant, every_action=True)
        names = [name for name in await actions(connection, meant, at=now) if name > after]
    shown = names[:limit]
    page = Page(shown, (shown[-1] if shown else after) if len(names) > limit else None)
    return ActionsFound(page=asked.paged(limit, page), results=[ActionFound(name=name) for name in shown])


def _write_token(after: str, limit: int, made_for: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([after, limit, made_for]).encode()).decode()


def _read_token(token: str) -> tuple[str, int, str]:
    try:
        after, limit, made_for = json.loads(base64.urlsafe_b64decode(token))
        after.encode()
    except (ValueError, TypeError, AttributeError) as error:
        raise _not_ours() from error
    if "\0" in after or type(limit) is not int or not 0 <= limit <= MOST:
        raise _not_ours()
    return after, limit, made_for


def _not_ours() -> BadRequest:
    return BadRequest("This page.token was not made here. Begin again without one.")
