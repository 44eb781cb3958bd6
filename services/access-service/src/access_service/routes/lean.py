"""AuthZEN's evaluations from the index, without a framework in between: a tenth of the time of the routes.

Only what is as usual is answered here: JSON that is right, a caller who may ask about everybody, an index that may be
trusted now. All else goes on to the routes (`decisions`) as it came, which have every message and ask the database.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access_service import decision_records, process, rights
from access_service.index import Index
from access_service.index.subjects import moment
from access_service.judging import Question
from access_service.process import Process
from access_service.routes import decisions
from access_service.routes.decisions import MOST_EVALUATIONS
from lodge_kit import context
from lodge_kit.application import PromptAnswer, RawHeaders
from lodge_kit.clock import Clock
from lodge_kit.context import Cause
from lodge_kit.edge import Account
from lodge_kit.identity import Caller, Verifier
from lodge_kit.problems import Problem

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
_WRITTEN = msgspec.json.Encoder()


class Unusual(Exception):  # noqa: N818 - it is none: the routes will say what it is
    """Not for here."""


class Asked(msgspec.Struct, gc=False):
    """One request that is answered here."""

    own: Process
    portal: str
    index: Index
    by: Caller
    cause: Cause
    at: datetime
    moment: int
    """The same as the index has it."""

    def evaluation(self, body: bytes) -> bytes:
        """Answer one question."""
        asked = _ONE.decode(body)
        question = _question(asked.subject, asked.action, asked.resource, asked.context)
        decision = self.index.decide(question, at=self.moment)
        evaluation_id = decision_records.new_id()
        if self.own.recorder.takes():
            self._record(question, evaluation_id)
        return _WRITTEN.encode(
            decisions.answer(decision, question, id=evaluation_id, portal_url=self.portal, now=self.at)
        )

    def evaluations(self, body: bytes) -> bytes:
        """Answer several, until one settles it."""
        asked = _SEVERAL.decode(body)
        settles = _SETTLES.get(asked.options.evaluations_semantic, Unusual)
        if settles is Unusual or not 0 < len(asked.evaluations) <= MOST_EVALUATIONS:
            raise Unusual
        found = []
        takes, permits, at = self.own.recorder.takes, self.index.permits, self.moment
        for question in _questions(asked):
            permit = permits(question, at=at)
            if takes():
                self._record(question, None)
            found.append(_DECIDED[permit])
            if permit is settles:
                break
        return b'{"evaluations":[' + b",".join(found) + b"]}"

    def _record(self, question: Question, evaluation_id: str | None) -> None:
        decision = self.index.decide(question, at=self.moment)
        with context.entered(self.cause):
            self.own.recorder.note(decision, question, id=evaluation_id, by=self.by, model=self.index.state, at=self.at)


_ANSWERED: dict[str, Callable[[Asked, bytes], bytes]] = {
    "/access/v1/evaluation": Asked.evaluation,
    "/access/v1/evaluations": Asked.evaluations,
}


class Lean:
    """The layer before the routes: it accounts for what it answers."""

    def __init__(self, app: FastAPI, routes: ASGIApp) -> None:
        self._routes = routes
        self._account: Account = app.state.account
        self._clock: Clock = app.state.clock
        self._verifier: Verifier = app.state.verifier
        self._own = process.of(app.state.world)
        self._portal: str = app.state.world.settings.portal_url
        self.prompt: dict[bytes, PromptAnswer] = {
            path.encode(): partial(self._answer, path, answered) for path, answered in _ANSWERED.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an evaluation, or have it answered."""
        if scope["type"] != "http" or scope["method"] in _SAFE:
            await self._routes(scope, receive, send)
            return
        path = scope["path"]
        answering = self.prompt.get(scope["raw_path"]) if scope["method"] == "POST" else None
        if answering is None:
            only_asks = path.startswith(_ASKING)
            await self._routes(scope, receive, send if only_asks else self._unsettling(send))
            return
        read: list[Message] = []
        body = None if scope["query_string"] else await _body(receive, read)
        answer = None
        if body is not None and await self._is_known(scope["headers"]):
            answer = answering(scope["headers"], body)
        if answer is None:
            await self._routes(scope, _again(read, receive), send)
            return
        request_id, body = answer
        headers = [
            (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(
        self, path: str, answered: Callable[[Asked, bytes], bytes], headers: RawHeaders, body: bytes
    ) -> tuple[str, bytes] | None:
        """Answer what is as usual, and account for it; None where it is for the routes."""
        began = time.perf_counter()
        try:
            asked = self._asked(headers)
            if asked is None or len(body) > LARGEST or _NUL in body:
                return None
            answer = answered(asked, body)
        except (Unusual, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        self._account.note(
            asked.cause, route=path, method="POST", path=path, status=200, caller=asked.by.id,
            seconds=time.perf_counter() - began,
        )  # fmt: skip
        return asked.cause.request_id, answer

    def _asked(self, headers: RawHeaders) -> Asked | None:
        """Answer who asks, of which index; None where it is not for here."""
        at = self._clock()
        index = self._own.keeper.current(at) if self._own.keeper else None
        if index is None:
            return None
        authorization = kind = request_id = traceparent = None
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                kind = value
            elif name == b"x-request-id":
                request_id = value.decode("latin-1")
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")
        by = self._verifier.known(authorization) if authorization is not None else None
        if by is None or kind not in _JSON or by.scope(rights.EVALUATE) != "*":
            return None
        return Asked(self._own, self._portal, index, by, context.cause(request_id, traceparent), at, moment(at))

    async def _is_known(self, headers: RawHeaders) -> bool:
        """Say whether the caller's token verifies; from then on it is known."""
        authorization = dict(headers).get(b"authorization")
        if authorization is None:
            return False
        try:
            await self._verifier.caller(authorization.decode("latin-1"))
        except Problem:
            return False
        return True

    def _unsettling(self, send: Send) -> Send:
        """Trust the index no more, from the answer to a change on, until it has heard of that change."""
        keeper = self._own.keeper
        if keeper is None:
            return send

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                keeper.unsettle()  # the transaction is committed: who reads this answer may ask at once
            await send(message)

        return sent


async def _body(receive: Receive, read: list[Message]) -> bytes | None:
    """Read a body, its messages into `read`; None where it is too large for here, or breaks off."""
    size, more = 0, True
    while more:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            return None
        size += len(message.get("body", b""))
        if size > LARGEST:
            return None
        more = message.get("more_body", False)
    return b"".join(message.get("body", b"") for message in read)


def _again(read: list[Message], receive: Receive) -> Receive:
    """Have what was read here read once more."""
    left = iter(read)

    async def received() -> Message:
        message = next(left, None)
        return message if message is not None else await receive()

    return received


def _questions(asked: _Evaluations) -> Iterable[Question]:
    """Yield the questions, each with the defaults for what it does not say itself."""
    unset = msgspec.UNSET
    for item in asked.evaluations:
        subject = asked.subject if item.subject is unset else item.subject
        action = asked.action if item.action is unset else item.action
        resource = asked.resource if item.resource is unset else item.resource
        said = asked.context if item.context is unset else item.context
        if subject is unset or action is unset or resource is unset:
            raise Unusual
        yield _question(subject, action, resource, {} if said is unset else said)


def _question(subject: _Subject, action: _Action, resource: _Subject, said: dict[str, Any]) -> Question:
    return Question(
        subject.id, action.name, resource.type, resource.id, subject.type, subject.properties, action.properties,
        resource.properties, said,
    )  # fmt: skip
