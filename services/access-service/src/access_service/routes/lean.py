"""AuthZEN's evaluations from the index, without a framework in between: a fifth of the time of the routes.

Only what is as usual is answered here: JSON that is right, a caller who may ask about everybody, an index that may be
trusted now. All else goes on to the routes (`decisions`) as it came, which have every message and ask the database.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access_service import decision_records, process, rights
from access_service.index import Index
from access_service.index.subjects import moment
from access_service.judging import Question
from access_service.routes import decisions
from access_service.routes.decisions import MOST_EVALUATIONS
from lodge_kit.identity import Caller
from lodge_kit.problems import Problem
from lodge_kit.world import World

LARGEST = 2_000_000
"""Bytes of a body that is read here: what the routes take too."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_ASKING = ("/internal/", "/access/v1/search/")
"""Where a POST only asks: it changes nothing that a decision depends on."""
_JSON = (b"application/json", b"application/json; charset=utf-8")
_NUL = b"\\u0000"
"""How JSON writes what no text of PostgreSQL can hold: it can come in no other way."""
_DECIDED = (b'{"decision":false}', b'{"decision":true}')
_SETTLES = {"execute_all": None, "deny_on_first_deny": False, "permit_on_first_permit": True}


class _Subject(msgspec.Struct, gc=False):
    type: str
    id: str
    properties: dict[str, Any] = {}


class _Action(msgspec.Struct, gc=False):
    name: str
    properties: dict[str, Any] = {}


class _Evaluation(msgspec.Struct, gc=False):
    subject: _Subject
    action: _Action
    resource: _Subject
    context: dict[str, Any] = {}


class _Item(msgspec.Struct, gc=False):
    subject: _Subject | msgspec.UnsetType = msgspec.UNSET
    action: _Action | msgspec.UnsetType = msgspec.UNSET
    resource: _Subject | msgspec.UnsetType = msgspec.UNSET
    context: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class _Options(msgspec.Struct, frozen=True, gc=False):
    evaluations_semantic: str = "execute_all"


class _Evaluations(_Item):
    evaluations: list[_Item] = []
    options: _Options = _Options()


_ONE, _SEVERAL = msgspec.json.Decoder(_Evaluation), msgspec.json.Decoder(_Evaluations)


class Unusual(Exception):  # noqa: N818 - it is none: the routes will say what it is
    """Not for here."""


class Asked:
    """One request that is answered here."""

    __slots__ = ("at", "by", "here", "index")

    def __init__(self, here: World, index: Index, by: Caller, at: datetime) -> None:
        self.here, self.index, self.by, self.at = here, index, by, at

    def evaluation(self, body: bytes) -> bytes:
        """Answer one question."""
        question = _question(_ONE.decode(body))
        decision = self.index.decide(question, at=self.at)
        evaluation_id = decision_records.new_id()
        self._note(question, evaluation_id)
        shown = decisions.answer(
            decision, question, id=evaluation_id, portal_url=self.here.settings.portal_url, now=self.at
        )
        return shown.model_dump_json(exclude_none=True).encode()

    def evaluations(self, body: bytes) -> bytes:
        """Answer several, until one settles it."""
        asked = _SEVERAL.decode(body)
        settles = _SETTLES.get(asked.options.evaluations_semantic, Unusual)
        if settles is Unusual or not 0 < len(asked.evaluations) <= MOST_EVALUATIONS:
            raise Unusual
        found = []
        takes, at = process.of(self.here).recorder.takes, moment(self.at)
        for item in asked.evaluations:
            one = _completed(item, asked)
            subject, resource = one.subject, one.resource
            permit = self.index.permits(
                subject.type, subject.id, one.action.name, resource.type, resource.id, resource.properties, at=at
            )
            if permit is None:
                permit = self.index.decide(_question(one), at=self.at).permit
            if takes():
                self._record(_question(one), None)
            found.append(_DECIDED[permit])
            if permit is settles:
                break
        return b'{"evaluations":[' + b",".join(found) + b"]}"

    def _note(self, question: Question, evaluation_id: str) -> None:
        if process.of(self.here).recorder.takes():
            self._record(question, evaluation_id)

    def _record(self, question: Question, evaluation_id: str | None) -> None:
        decision = self.index.decide(question, at=self.at)
        recorder = process.of(self.here).recorder
        recorder.note(decision, question, id=evaluation_id, by=self.by, model=self.index.state, at=self.at)


_ANSWERED: dict[str, Callable[[Asked, bytes], bytes]] = {
    "/access/v1/evaluation": Asked.evaluation,
    "/access/v1/evaluations": Asked.evaluations,
}
_ROUTES = {f"/access/v1{route.path}": route for route in decisions.router.routes if hasattr(route, "path")}


class Lean:
    """The layer before the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an evaluation, or have it answered."""
        if scope["type"] != "http" or scope["method"] in _SAFE:
            await self.app(scope, receive, send)
            return
        answered = _ANSWERED.get(scope["path"]) if scope["method"] == "POST" else None
        if answered is None:
            only_asks = scope["path"].startswith(_ASKING)
            await self.app(scope, receive, send if only_asks else _unsettling(scope, send))
            return
        read: list[Message] = []
        try:
            asked = await _asked(scope)
            body = answered(asked, await _body(receive, read))
        except (Unusual, Problem, msgspec.MsgspecError, UnicodeDecodeError):
            await self.app(scope, _again(read, receive), send)
            return
        scope["route"] = _ROUTES[scope["path"]]
        scope.setdefault("state", {})["caller"] = asked.by
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _asked(scope: Scope) -> Asked:
    """Answer who asks, of which index; Unusual where it is not for here."""
    state = scope["app"].state
    here: World = state.world
    keeper = process.of(here).keeper
    at = state.clock()
    index = keeper.current(at) if keeper else None
    if index is None or scope["query_string"]:
        raise Unusual
    authorization = kind = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"content-type":
            kind = value
    if kind not in _JSON or authorization is None:
        raise Unusual
    by: Caller = await state.verifier.caller(authorization.decode("latin-1"))
    if by.scope(rights.EVALUATE) != "*":
        raise Unusual
    return Asked(here, index, by, at)


async def _body(receive: Receive, read: list[Message]) -> bytes:
    size = 0
    while True:
        message = await receive()
        read.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or size > LARGEST:
            raise Unusual
        if not message.get("more_body"):
            break
    body = read[0]["body"] if len(read) == 1 else b"".join(message["body"] for message in read)
    if _NUL in body:
        raise Unusual
    return bytes(body)


def _again(read: list[Message], receive: Receive) -> Receive:
    """Have what was read here read once more."""
    left = iter(read)

    async def received() -> Message:
        message = next(left, None)
        return message if message is not None else await receive()

    return received


def _unsettling(scope: Scope, send: Send) -> Send:
    """Trust the index no more, from the answer to a change on, until it has heard of that change."""
    keeper = process.of(scope["app"].state.world).keeper
    if keeper is None:
        return send

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            keeper.unsettle()  # the transaction is committed: who reads this answer may ask at once
        await send(message)

    return sent


def _completed(item: _Item, defaults: _Item) -> _Evaluation:
    subject = defaults.subject if item.subject is msgspec.UNSET else item.subject
    action = defaults.action if item.action is msgspec.UNSET else item.action
    resource = defaults.resource if item.resource is msgspec.UNSET else item.resource
    context = defaults.context if item.context is msgspec.UNSET else item.context
    if subject is msgspec.UNSET or action is msgspec.UNSET or resource is msgspec.UNSET:
        raise Unusual
    return _Evaluation(subject, action, resource, {} if context is msgspec.UNSET else context)


def _question(asked: _Evaluation) -> Question:
    return Question(
        subject=asked.subject.id, action=asked.action.name, resource_type=asked.resource.type,
        resource=asked.resource.id, subject_type=asked.subject.type, subject_properties=asked.subject.properties,
        action_properties=asked.action.properties, resource_properties=asked.resource.properties,
        context=asked.context,
    )  # fmt: skip
