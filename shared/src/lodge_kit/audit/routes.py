"""/<service>/v1/audit-events: what was done here, for those who may read it; and whether it is what it was."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from lodge_kit.audit import chain, recording, verifying
from lodge_kit.audit.verifying import AuditFinding
from lodge_kit.database import Session
from lodge_kit.identity import EVERYWHERE, Authenticated, Caller, Permission
from lodge_kit.listing import Ask, Listing, several
from lodge_kit.patience import patiently
from lodge_kit.problems import Invalid
from lodge_kit.tables import AuditEvent, AuditPersonal
from lodge_kit.world import Here, Now

_SEAL = r"^([0-9a-f]{64})?$"
_LAST = 2**53 - 1


def reading(service: str) -> Permission:
    """Name the right to read what was done in `service`."""
    return Permission(f"{service}.audit.read", f"Read and verify the audit of {service}-service.", ("auditor",))


async def _auditor(request: Request, found: Authenticated) -> Caller:
    found.demand(reading(request.app.state.service.name), EVERYWHERE)
    return found


Auditor = Annotated[Caller, Depends(_auditor)]
"""A caller who holds `<service>.audit.read` of the service that is asked, for the whole institution."""


class AuditSubject(BaseModel):
    """What a deed was done to."""

    type: str
    id: str


class PersonalFact(BaseModel):
    """A fact that says something of a person.

    The row was sealed with `digest`: HMAC-SHA256 in hexadecimal of the fact as JSON, keyed with `salt`.
    """

    field: str
    about: str
    digest: str
    salt: str | None = Field(
        description="In hexadecimal; null once the fact was erased: then it is null in `facts` too."
    )


class AuditEventOut(BaseModel):
    """A deed on record."""

    id: str
    seq: int | None = Field(description="Its place in the chain; null for the seconds until it is sealed.")
    at: datetime
    actor: str
    client_id: str | None = Field(description="The key or client by which it was done.")
    action: str
    subject: AuditSubject
    facts: dict[str, Any]
    personal: list[PersonalFact]
    request_id: str
    seal: str | None = Field(description="With `seq` a head that can be kept, and verified against later.")


class AuditHead(BaseModel):
    """The end of the chain. Keep it where nobody who runs Lodge can change it."""

    seq: int
    seal: str = Field(description="In hexadecimal; empty before the first row.")
    at: datetime | None = Field(description="When the last deed was done.")


class KeptAuditHead(BaseModel):
    """A head as it was answered once, or `seq` and `seal` of any row."""

    model_config = ConfigDict(extra="forbid")

    seq: int = Field(ge=0, le=_LAST)
    seal: str = Field(pattern=_SEAL)
    at: datetime | None = Field(None, description="Not looked at.")

    @field_validator("seal")
    @classmethod
    def _of_a_row(cls, seal: str, info: ValidationInfo) -> str:
        if bool(seal) != bool(info.data.get("seq", seal)):
            raise ValueError("every place has a seal of 64 digits, and 0, before the first, has none")
        return seal


class AuditVerification(BaseModel):
    """Whether the chain is what it was."""

    verified: bool
    checked: int = Field(description="How many rows were found to be as they were sealed, from the first on.")
    head: AuditHead
    first_broken_seq: int | None
    finding: AuditFinding | None
    detail: str = Field(description="What was found, in a sentence.")


AUDIT_EVENTS = Listing(AuditEventOut, key=col(AuditEvent.id), orders={"at": col(AuditEvent.at)}, default="-at")
_PAIR = func.json_build_array(col(AuditPersonal.value), func.encode(col(AuditPersonal.salt), "hex"))
_CLEAR = select(func.json_object_agg(col(AuditPersonal.field), _PAIR)).where(
    col(AuditPersonal.audit_id) == col(AuditEvent.id)
)
_DEEDS = select(*AuditEvent.__table__.columns, _CLEAR.scalar_subquery().label("clear"))  # type: ignore[attr-defined]  # the mapped class has it
_FILTERS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "actor": col(AuditEvent.actor).__eq__,
    "action": col(AuditEvent.action).in_,
    "subject_type": col(AuditEvent.subject_type).__eq__,
    "subject_id": col(AuditEvent.subject_id).__eq__,
    "request_id": col(AuditEvent.request_id).__eq__,
    "from": col(AuditEvent.at).__ge__,
    "to": col(AuditEvent.at).__lt__,
}

# A plan for any value would walk the rows by time: slow where a filter's value is rare, and that is what is looked for.
_PLAN_FOR_THESE_VALUES = text("SET LOCAL plan_cache_mode = force_custom_plan")

router = APIRouter(tags=["audit"])


def _shown(row: Any) -> AuditEventOut:
    facts, clear = recording.read(row.facts), row.clear or {}
    personal = []
    for field, sealed in recording.digests(row.facts).items():
        value, salt = clear.get(field, ("null", None))
        facts[field] = recording.parsed(value)
        personal.append(PersonalFact(field=field, about=sealed.about, digest=sealed.digest, salt=salt))
    return AuditEventOut(
        id=row.id, seq=row.seq, at=row.at, actor=row.actor, client_id=row.client_id, action=row.action,
        subject=AuditSubject(type=row.subject_type, id=row.subject_id), facts=facts, personal=personal,
        request_id=row.request_id, seal=row.seal.hex() if row.seal else None,
    )  # fmt: skip


@router.get("/audit-events", responses=AUDIT_EVENTS.responses)
async def list_audit_events(
    request: Request, ask: Annotated[Ask, AUDIT_EVENTS.ask], session: Session, by: Auditor, now: Now,
    actor: Annotated[str | None, Query(description="The id of a person, account or worker, or `me`.")] = None,
    action: Annotated[list[str] | None, BeforeValidator(several), Query(examples=[["grant.ended"]])] = None,
    subject_type: str | None = None,
    subject_id: str | None = None,
    request_id: str | None = None,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="From this instant on.")] = None,
    to: Annotated[AwareDatetime | None, Query(description="Before this instant.")] = None,
) -> Response:  # fmt: skip
    """List who did what; the newest first. As CSV or NDJSON it is exported whole. That you read it is put on record."""
    if from_ and to and to <= from_:
        raise Invalid.at("query/to", "The end must be after the beginning.", "order")
    given = {
        "actor": None if actor is None else by.named(actor), "action": action, "subject_type": subject_type,
        "subject_id": subject_id, "request_id": request_id, "from": from_, "to": to,
    }  # fmt: skip
    asked = {name: value for name, value in given.items() if value is not None}
    deed = "audit.read" if ask.form == "json" else "audit.exported"
    _note(session, request, deed, by=by, now=now, form=ask.form, **asked)
    found = _DEEDS.where(*(_FILTERS[name](value) for name, value in asked.items()))
    with session.no_autoflush:  # or the first that one reads is that one reads
        await session.execute(_PLAN_FOR_THESE_VALUES)
        return await AUDIT_EVENTS.answer(request, ask, found, _shown, filename="audit-events")


@router.get("/audit-events/head")
async def get_audit_head(session: Session, _by: Auditor) -> AuditHead:
    """Read the end of the chain, to keep it elsewhere."""
    return AuditHead.model_validate(await chain.head(session), from_attributes=True)


@router.post("/audit-events/verify", response_model=AuditVerification)
async def verify_audit(
    request: Request, by: Auditor, world: Here, now: Now,
    earlier: Annotated[KeptAuditHead | None, Body(description="A head that you kept, or nothing.")] = None,
) -> Response:  # fmt: skip
    """Verify every row, in order, and that the chain goes on from a head that you kept. It changes nothing.

    Rows that were changed, put in or taken out show by themselves. That the end was cut off, or that somebody with
    the key made the chain anew, shows for certain only by an earlier head. A million rows take half a minute or
    more: blank lines come before the answer meanwhile, so that nobody on the way takes the silence for the end.
    """
    kept = chain.Head(earlier.seq, earlier.seal) if earlier else chain.Head()

    async def verified() -> bytes:
        key = world.settings.audit_key.get_secret_value().encode()
        found = await verifying.verify(world.database, key, earlier=kept)
        outcome = {"finding": found.finding, "first_broken_seq": found.seq, "checked": found.checked}
        async with world.database.transaction() as session:
            _note(session, request, "audit.verified", by=by, now=now, earlier=kept.seq, **outcome)
        head = AuditHead.model_validate(found.head, from_attributes=True)
        answer = AuditVerification(verified=found.finding is None, head=head, detail=found.said, **outcome)
        return answer.model_dump_json().encode()

    return await patiently(verified())


def _note(session: AsyncSession, request: Request, deed: str, *, by: Caller, now: datetime, **facts: Any) -> None:
    service = request.app.state.service.name
    recording.record(session, deed, kind="audit", of=service, by=by, now=now, personal=[], **facts)
