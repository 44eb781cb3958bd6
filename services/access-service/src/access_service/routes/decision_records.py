"""/access/v1/decision-records: decisions as they were made, with their paths."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Row, select
from sqlmodel import col

from access_service import rights
from access_service.judging import DecisionReason
from access_service.tables import DecisionRecord, System
from lodge_kit.directory import Reference, reference
from lodge_kit.identity import Caller, requires
from lodge_kit.listing import Ask, Listing

router = APIRouter(tags=["decisions"])

# A record belongs to no org unit.
Reader = Annotated[Caller, requires(rights.GRANTS_READ, everywhere=True)]


class DecisionPath(BaseModel):
    """How the permission is held, or what came nearest to it."""

    grant: str | None = None
    group: str | None = None
    roles: list[str] = []
    permission: str | None = None
    condition: dict[str, Any] | None = None


class DecisionRecordOut(BaseModel):
    """A decision as it was made."""

    id: str
    at: datetime
    asked_by: str
    client_id: str | None
    subject: str
    action: str
    resource_type: str
    resource_id: str
    system: Reference | None
    decision: bool
    reason: DecisionReason
    path: DecisionPath
    model: str
    request_id: str


RECORDS = Listing(DecisionRecordOut, key=col(DecisionRecord.id), orders={"at": col(DecisionRecord.at)}, default="-at")


def _shown(row: Row[DecisionRecord, str | None]) -> DecisionRecordOut:
    record, name = row[0], row[1]
    return DecisionRecordOut.model_validate(record.model_dump() | {"system": reference(record.system_id, name)})


@router.get("/decision-records", responses=RECORDS.responses)
async def list_decision_records(
    request: Request, by: Reader, ask: Annotated[Ask, RECORDS.ask], *,
    subject: Annotated[str | None, Query(max_length=200, description="A Lodge id, or `me`.")] = None,
    decision: bool | None = None,
    system: Annotated[str | None, Query(max_length=200, description="A system's id.")] = None,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="From this instant on.")] = None,
    to: Annotated[AwareDatetime | None, Query(description="Before this instant.")] = None,
) -> Response:  # fmt: skip
    """List the decisions that were recorded, the newest first. Which share of them is a setting."""
    found = select(DecisionRecord, col(System.name)).outerjoin(System, col(System.id) == col(DecisionRecord.system_id))
    if subject:
        found = found.where(col(DecisionRecord.subject) == by.named(subject))
    if decision is not None:
        found = found.where(col(DecisionRecord.decision).is_(decision))
    if system:
        found = found.where(col(DecisionRecord.system_id) == system)
    if from_:
        found = found.where(col(DecisionRecord.at) >= from_)
    if to:
        found = found.where(col(DecisionRecord.at) < to)
    return await RECORDS.answer(request, ask, found, _shown, filename="decision-records")
