"""What every request meets first and last: its id and trace, one log line, the metrics, and errors as problems."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic_core import PydanticSerializationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import StaleDataError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lodge_kit import context, database, identity, logs, problems, texts
from lodge_kit.access_log import AccessLog, Facts
from lodge_kit.context import Cause
from lodge_kit.metrics import Metrics

log = logs.logger(__name__)

_MALFORMED, _TOO_LARGE = 400, 413
"""What FastAPI answers itself to a body that it cannot read."""
_TOO_LARGE_SAID = "The body is larger than this takes."
"""Starlette answers it in plain text where the length was declared, before a handler is asked."""
_UNSTORABLE = "This has a NUL, or half a surrogate pair: no text can hold either."
_QUIET = ("/healthz", "/readyz", "/metrics")


class Account:
    """Tells of each request that was answered: a line in the log, and the metrics."""

    def __init__(self, deployable: str, *, form: str) -> None:
        self.metrics = Metrics()
        self.lines = AccessLog(deployable, form=form, logger=__name__, also=self._count)

    def note(
        self, cause: Cause, *, route: str, method: str, path: str, status: int, caller: str | None, seconds: float
    ) -> None:
        """Take down one request."""
        if path in _QUIET:
            self.metrics.note(route, method, status, seconds)
        else:
            ms = round(seconds * 1000, 2)
            facts = {"method": method, "path": path, "route": route, "status": status, "ms": ms, "caller": caller}
            self.lines.record(cause, facts)

    def text(self) -> bytes:
        """Write down the metrics, in Prometheus' text form."""
        self.lines.flush()
        return self.metrics.text()

    def _count(self, facts: Facts) -> None:
        self.metrics.note(facts["route"], facts["method"], facts["status"], facts["ms"] / 1000)


class Edge:
    """The layer round the routes of a service (pure ASGI: nothing is buffered)."""

    def __init__(self, app: ASGIApp, account: Account) -> None:
        self.app = app
        self.account = account
        self._paths: dict[int, str | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        cause = context.cause_of(scope["headers"])
        status = 0
        instead: Response | None = None

        async def noted(message: Message) -> None:
            nonlocal status, instead
            if message["type"] == "http.response.start":
                status = int(message["status"])  # an HTTPStatus, which logs would show with its name
                if status == _TOO_LARGE and Headers(raw=message["headers"]).get("content-type", "").startswith("text"):
                    instead = problems.answer(problems.ContentTooLarge(_TOO_LARGE_SAID), instance=scope["path"])
                    message["headers"] = list(instead.raw_headers)
                MutableHeaders(scope=message)["X-Request-Id"] = cause.request_id
            elif instead is not None and message["type"] == "http.response.body":
                message["body"] = instead.body
            await send(message)

        started = time.perf_counter()
        with context.entered(cause), self.account.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, noted)
            except Exception as error:
                if status:
                    raise  # half an answer is out: the connection must break, so that nobody takes it for whole
                await _answer_to(error, scope["path"])(scope, receive, noted)
            finally:
                caller = scope.get("state", {}).get("caller")
                self.account.note(
                    cause, route=self._path(scope), method=scope["method"], path=scope["path"], status=status,
                    caller=caller.id if caller else None, seconds=time.perf_counter() - started,
                )  # fmt: skip

    def _path(self, scope: Scope) -> str:
        """Answer the path of the route as the document has it, `none` where no route was met."""
        if not self._paths and "app" in scope:
            # A route itself knows only its path within its router.
            contexts = iter_route_contexts(scope["app"].routes)
            self._paths = {id(one.original_route): one.path for one in contexts}
        route = scope.get("route")
        # An app within this one, as a standard's endpoints are, has no route of ours: it says where it stands.
        return self._paths.get(id(route)) or getattr(route, "path", None) or "none"


def _answer_to(error: Exception, path: str) -> Response:
    if isinstance(error, StaleDataError):
        stale = problems.PreconditionFailed("Somebody else changed this at the same moment. GET it again.")
        return problems.answer(stale, instance=path)
    problem = database.problem_of(error)
    if problem is None:
        log.error("request failed", path=path, exc_info=error)
        problem = problems.InternalError(
            "Something went wrong on our side and nothing was changed. Give the request_id to those who run Lodge."
        )
    elif problem.status >= problems.Unavailable.status:
        log.warning("database unavailable", path=path, reason=type(error).__name__)
    return problems.answer(problem, instance=path)


def handle_errors(app: FastAPI) -> None:
    """Have every error that FastAPI knows answered as a problem."""

    @app.exception_handler(problems.Problem)
    async def on_problem(request: Request, problem: problems.Problem) -> Response:
        return problems.answer(problem, instance=request.url.path)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        problem = _unreadable(request) if isinstance(error.body, bytes) else problem_of(error)
        return problems.answer(await _of_a_stranger(request) or problem, instance=request.url.path)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(psycopg.Error)
    @app.exception_handler(UnicodeEncodeError)
    @app.exception_handler(PydanticSerializationError)
    async def on_unstorable(request: Request, error: Exception) -> Response:
        # Half a surrogate pair: no error of the database but the driver's own, or of an answer that would repeat it.
        unwritable = isinstance(error, UnicodeEncodeError | PydanticSerializationError)
        refused = unwritable or isinstance(database.problem_of(error), problems.Invalid)
        problem = await _unstorable(request) if refused else None
        path = request.url.path
        return problems.answer(problem, instance=path) if problem else _answer_to(error, path)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        kinds = {
            _MALFORMED: problems.MalformedJson,
            404: problems.NotFound,
            405: problems.MethodNotAllowed,
            _TOO_LARGE: problems.ContentTooLarge,
        }
        kind = kinds.get(error.status_code, problems.BadRequest)
        sentences = {
            _MALFORMED: "The body is not JSON: it is not UTF-8, or nested too deeply.",
            404: f"There is no {request.url.path} here. /openapi.json lists what there is.",
            405: f"{request.url.path} does not take {request.method}.",
            _TOO_LARGE: _TOO_LARGE_SAID,
        }
        problem = kind(sentences.get(error.status_code, str(error.detail)))
        problem.headers |= dict(error.headers or {})  # Allow, of a 405
        if error.status_code in (_MALFORMED, _TOO_LARGE):
            problem = await _of_a_stranger(request) or problem
        return problems.answer(problem, instance=request.url.path)


async def _of_a_stranger(request: Request) -> problems.Problem | None:
    """Answer 401 where a route was met by somebody who may not ask it anything; None for whom the gateway vouches.

    FastAPI reads the body before it asks for the caller: what is wrong with it is nothing to tell a stranger.
    """
    if request.scope.get("route") is None:
        return None
    try:
        await identity.caller(request)
    except problems.Problem as problem:
        return problem
    return None


def _unreadable(request: Request) -> problems.Problem:
    taken = "application/merge-patch+json, application/json" if request.method == "PATCH" else "application/json"
    sentence = f"The body is of a type that this does not read: send Content-Type: {taken.split(',', maxsplit=1)[0]}."
    return problems.UnsupportedMediaType(sentence, headers={"Accept": taken})


async def _unstorable(request: Request) -> problems.Problem | None:
    """Point at what no text of the database can hold: a NUL, half a surrogate pair. None where there is no such text.

    Asked only when the database has refused something: rules of a field's own come first, with better words.
    """
    if any("\0" in str(value) for value in request.path_params.values()):
        return problems.NotFound(f"There is no {request.url.path} here.")
    pointers = ["query" + _written([name]) for name, value in request.query_params.multi_items() if "\0" in value]
    route = request.scope.get("route")
    if isinstance(route, APIRoute) and route.body_field is not None and _is_json(request):
        pointers += map(_written, texts.unstorable(await request.json()))
    listed = [problems.InvalidValue(pointer=one, code="unstorable", detail=_UNSTORABLE) for one in sorted(pointers)]
    return _invalid(listed) if listed else None


def problem_of(error: RequestValidationError) -> problems.Problem:
    """Say what is wrong with a request: malformed, or values that each have their pointer."""
    found = error.errors()
    malformed = next((one for one in found if one["type"] == "json_invalid"), None)
    if malformed:
        reason = malformed.get("ctx", {}).get("error", "it cannot be read")
        return problems.MalformedJson(f"The body is not JSON: {reason} at character {malformed['loc'][-1]}.")
    if any(one["type"] == "missing" and one["loc"] == ("body",) for one in found):
        return problems.Invalid.at("", "The body is missing: send a JSON object.", "missing")
    return _invalid([_wrong(one, error.body) for one in found])


def _wrong(error: Mapping[str, Any], body: Any) -> problems.InvalidValue:
    code = error["type"].replace("_", "-")
    return problems.InvalidValue(pointer=_pointer(error, body), code=code, detail=error["msg"])


def _invalid(listed: Sequence[problems.InvalidValue]) -> problems.Invalid:
    where = ", ".join(one.pointer or "the body itself" for one in listed[:5])
    return problems.Invalid(f"Some values are wrong: {where}. Each is explained under errors.", errors=listed)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _pointer(error: Mapping[str, Any], body: Any) -> str:
    """Write where a value stands: RFC 6901 within the body, `query/limit` for a parameter."""
    place, *loc = error["loc"]
    parts = _within(body, loc, missing=error["type"] == "missing") if place == "body" else loc
    return ("" if place == "body" else place) + _written(parts)


def _written(place: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def _within(found: Any, loc: Sequence[int | str], *, missing: bool) -> list[int | str]:
    """Leave out what pydantic puts between: the name of the branch of a union that it has tried."""
    parts: list[int | str] = []
    for number, part in enumerate(loc, start=1):
        if part in (found if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else ()):
            found = found[part]
        elif not (missing and number == len(loc)):
            continue
        parts.append(part)
    return parts


async def known_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not have, and a second value for what has one.

    A filter that is ignored discloses what it hid.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    repeatable: dict[str, bool] | None = getattr(route, "lodge_parameters", None)
    if repeatable is None:
        repeatable = {
            field.alias: field_annotation_is_sequence(field.field_info.annotation)
            for field in get_flat_params(route.dependant)
            if field.field_info.in_.value == "query"  # type: ignore[attr-defined]  # Param has it
        }
        route.lodge_parameters = repeatable  # type: ignore[attr-defined]  # kept with the route: computed once
    unknown = sorted(set(request.query_params) - repeatable.keys())
    if unknown:
        known = f"It has {', '.join(sorted(repeatable))}." if repeatable else "It has none."
        raise problems.UnknownParameter(f"This has no query parameter {', '.join(unknown)}. {known}")
    twice = sorted(n for n, many in repeatable.items() if not many and len(request.query_params.getlist(n)) > 1)
    if twice:
        raise problems.RepeatedParameter(f"{', '.join(twice)} has one value here: leave out all but one.")
