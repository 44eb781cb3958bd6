"""Facts: what changed, in the past tense, written in the transaction of the change; nothing lost, nothing invented.

The envelope is Standard Webhooks' `{type, timestamp, data}`; `data` is `{v, subject, actor, cause, …facts}` with
ids rather than personal data. The text is made once and never again: it is what is signed, sent and listed.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy.ext.asyncio import AsyncSession

from lodge_kit import context, database, ids
from lodge_kit.identity import Caller
from lodge_kit.tables import Event

CHANNEL = "lodge_events"
LARGEST = 20_000
"""Bytes: what Standard Webhooks recommends as the most for a payload."""


class Fact(BaseModel):
    """A thing that happened. Subclasses name it in the past tense and add what a receiver needs to know.

    The class's docstring is the sentence that the catalogue of events shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ClassVar[str]
    subject: ClassVar[str]
    """What kind of thing it happened to: grant, enquiry, release."""
    v: ClassVar[int] = 1


class Subject(BaseModel):
    """The thing it happened to; `version` lets a receiver put events in order."""

    type: str
    id: str
    version: int


class Cause(BaseModel):
    """The call that started it: searchable in every log of ours."""

    request_id: str
    traceparent: str


async def publish(
    session: AsyncSession, fact: Fact, *, of: str, version: int, actor: Caller | str, now: datetime
) -> Event:
    """Write the fact down beside the change; the worker sends it once the transaction is committed.

    `of` is the subject's id, `version` its version after the change, `actor` who did it.
    """
    cause = context.current()
    data = {
        "v": fact.v,
        "subject": {"type": fact.subject, "id": of, "version": version},
        "actor": {"id": actor if isinstance(actor, str) else actor.id},
        "cause": {"request_id": cause.request_id, "traceparent": cause.traceparent},
        **fact.model_dump(mode="json"),
    }
    envelope = {"type": fact.type, "timestamp": written(now), "data": data}
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    if len(body.encode()) > LARGEST:
        raise ValueError(f"{fact.type} of {of} is larger than {LARGEST} bytes: give ids, not contents")
    event = Event(
        id=ids.new("evt"),
        type=fact.type,
        subject_type=fact.subject,
        subject_id=of,
        occurred_at=now,
        request_id=cause.request_id,
        traceparent=cause.traceparent,
        body=body,
    )
    session.add(event)
    await session.flush()
    database.wake(session, CHANNEL)
    return event


def written(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, as every body of ours has it."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(fact: type[Fact]) -> type[BaseModel]:
    """Make the model of what a receiver gets for this fact: for the OpenAPI document."""
    facts: dict[str, Any] = {name: (field.annotation, field) for name, field in fact.model_fields.items()}
    actor = create_model("EventActor", id=(str, ...))
    # Literal is made at run time: the checker cannot follow, the document needs it.
    version: Any = Literal[fact.v]
    name: Any = Literal[fact.type]
    data = create_model(
        f"{fact.__name__}Data",
        v=(version, ...),
        subject=(Subject, ...),
        actor=(actor, ...),
        cause=(Cause, ...),
        **facts,
    )
    return create_model(
        fact.__name__, __doc__=fact.__doc__, type=(name, ...), timestamp=(datetime, ...), data=(data, ...)
    )


def describe(app: FastAPI, facts: Iterable[type[Fact]], *, service: str) -> None:
    """Put every fact into the document's `webhooks` (OpenAPI 3.1)."""
    for fact in facts:
        model = envelope(fact)

        def receive(body: Any) -> None:
            """Stand for the receiver: never called."""

        receive.__annotations__["body"] = model
        app.webhooks.post(
            fact.type,
            summary=(fact.__doc__ or fact.type).splitlines()[0],
            operation_id=f"{service}_receive_{fact.type.replace('.', '_')}",
            status_code=204,
            tags=["events"],
        )(receive)


def unknown_patterns(patterns: Sequence[str], facts: Iterable[type[Fact]]) -> list[str]:
    """Answer the patterns that no fact can ever match: `*`, `grant.*` and `grant.ended` are the three forms."""
    types = {fact.type for fact in facts}
    return [p for p in patterns if p != "*" and not any(matches(p, known) for known in types)]


def matches(pattern: str, event_type: str) -> bool:
    """Say whether an endpoint that asks for `pattern` gets events of this type."""
    if pattern in ("*", event_type):
        return True
    return pattern.endswith(".*") and event_type.startswith(pattern[:-1])


class EventType(BaseModel):
    """One kind of event that a service publishes."""

    type: str = Field(examples=["release.published"])
    description: str
    subject: str
    v: int
