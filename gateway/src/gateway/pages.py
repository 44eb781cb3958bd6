"""What the gateway answers by itself: the index, the documents, health and its public keys. Plain FastAPI."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from lodge_kit import problems
from lodge_kit.problems import ProblemDocument, Unavailable

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]

STATIC = "/docs/files"
_DESCRIPTION = """Who may do what in the institution's software, what people ask of the data, what suppliers deliver.

Send `Authorization: Bearer` with an API key or an access token of your institution. Errors are
`application/problem+json` (RFC 9457); each answer carries `X-Request-Id`."""


class Index(BaseModel):
    """Where things are."""

    name: str
    links: dict[str, str]


class Health(BaseModel):
    """That the process lives."""

    status: str


class PublishedKeys(BaseModel):
    """A JSON Web Key set (RFC 7517)."""

    keys: list[dict[str, Any]]


def pages(
    *,
    version: str,
    lifespan: Lifespan,
    document: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
    missing: Callable[[], str | None],
    keys: Callable[[], dict[str, Any]],
) -> FastAPI:
    """Make the app. `document` joins the services' documents to its own; `missing` says what readiness lacks."""
    app: FastAPI = FastAPIOffline(
        title="Lodge",
        version=version,
        description=_DESCRIPTION,
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/openapi.json",
        swagger_ui_oauth2_redirect_url="/docs/oauth2-redirect",
        # The badge would ask validator.swagger.io about our document.
        swagger_ui_parameters={"validatorUrl": "none", "docExpansion": "none", "filter": True},
        static_url=STATIC,
        lifespan=lifespan,
        telemetry={"tracing": False},
    )
    # FastAPI's own route knows only its own document; ours stands in its place.
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", "") != "/openapi.json"]
    app.add_exception_handler(HTTPException, _as_problem)
    app.add_exception_handler(problems.Problem, _answered)
    _routes(app, document=document, missing=missing, keys=keys)
    return app


def _routes(
    app: FastAPI,
    *,
    document: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
    missing: Callable[[], str | None],
    keys: Callable[[], dict[str, Any]],
) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(await document(app.openapi()), headers={"Cache-Control": "no-cache"})

    @app.get("/", operation_id="gateway_read_index", tags=["gateway"])
    async def index() -> Index:
        """Read where things are."""
        links = {"docs": "/docs", "openapi": "/openapi.json", "ready": "/readyz", "keys": "/.well-known/jwks.json"}
        services = {"access": "/access/v1", "scim": "/scim/v2", "enquiry": "/enquiry/v1", "release": "/release/v1"}
        return Index(name="Lodge", links=links | services)

    @app.get("/healthz", operation_id="gateway_read_health", tags=["gateway"])
    async def healthz() -> Health:
        """Read whether the gateway's process lives."""
        return Health(status="ok")

    @app.get(
        "/readyz",
        operation_id="gateway_read_readiness",
        tags=["gateway"],
        responses={503: {"model": ProblemDocument, "description": "Not ready; says what is missing."}},
    )
    async def readyz() -> Health:
        """Read whether the gateway can serve: its keys are loaded, and access-service has answered."""
        if (lacking := missing()) is not None:
            raise Unavailable(lacking, retry_after=1)
        return Health(status="ready")

    @app.get("/.well-known/jwks.json", response_model=PublishedKeys, operation_id="gateway_read_keys", tags=["gateway"])
    async def jwks() -> JSONResponse:
        """Read the public keys that verify the gateway's own tokens (RFC 7517)."""
        return JSONResponse(keys(), headers={"Cache-Control": "public, max-age=60"})


async def _as_problem(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        found: problems.Problem = problems.MethodNotAllowed("This path does not take that method.")
        found.headers |= dict(getattr(error, "headers", None) or {})
    elif status == HTTPStatus.NOT_FOUND:
        found = problems.NotFound("There is nothing at this path. See /docs for what there is.")
    else:
        found = problems.InternalError("Something went wrong on our side.")
    return problems.answer(found, instance=request.url.path)


async def _answered(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, problems.Problem):
        raise error
    return problems.answer(error, instance=request.url.path)
