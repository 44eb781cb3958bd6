"""Structured logs: one JSON object a line on standard output, with the request id and never a secret."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from lodge_kit import context

_SECRET_NAMES = ("secret", "password", "token", "authorization", "cookie", "key_text", "database_url")


def _with_cause(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    cause = context.current()
    if cause.request_id != "none":
        event.setdefault("request_id", cause.request_id)
        event.setdefault("trace_id", cause.traceparent[3:35])
    return event


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name in event:
        if any(part in name.lower() for part in _SECRET_NAMES):
            event[name] = "[hidden]"
    return event


def set_up(deployable: str, *, form: str = "json") -> None:
    """Send everything, the libraries' logs too, to standard output in one form."""
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_cause,
        _without_secrets,
        structlog.processors.format_exc_info,
    ]
    final: Any = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(noisy).handlers.clear()
        logging.getLogger(noisy).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # our own line has the request id and the caller
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(deployable=deployable)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Answer the logger of a module."""
    return structlog.stdlib.get_logger(name)
