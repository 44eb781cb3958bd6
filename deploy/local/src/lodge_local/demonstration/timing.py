"""The dates of enquiries, by the very rules of enquiry-service: what their logs come to on the day of loading. Pure."""

from datetime import date
from typing import Any

from enquiry_service import kinds, starters
from enquiry_service.clock import stages
from enquiry_service.clock.calendars import Calendar, Nation
from enquiry_service.tables import Enquiry, EnquiryEvent

_NATION: Nation = "england"


def give_date(enquiry: Enquiry, log: list[EnquiryEvent], until: date) -> None:
    """Write down by when an enquiry is, or was, due; the step that ended its clock keeps how that came about.

    What is overdue is taken as told: nobody is to hear of two years at once when the worker starts.
    """
    profile = kinds.profile(starters.OF_KEY[enquiry.kind], enquiry.priority)
    calendar = Calendar.made(profile.nations or (_NATION,), (), closures=profile.closures)
    stage = stages.read([_step(one) for one in log if one.type in stages.READ])[-1]
    found = stage.reckoned(profile, calendar, until=until)
    enquiry.due_on, enquiry.clock_state = found.due_on, stage.state
    if found.due_on and found.due_on < until:
        enquiry.told_due_soon = enquiry.told_overdue = found.due_on
    if stage.ended:
        ended = next(one for one in log if one.id == stage.ended.id)
        days_off = {one.on.isoformat(): name for one in found.days if (name := calendar.holiday(one.on))}
        ended.facts = ended.facts | {"clock": _kept(profile.name, profile.length, found.due_on, days_off)}


def _step(row: EnquiryEvent) -> stages.Step:
    on = row.facts.get("on") or row.facts.get("received_on")
    day = date.fromisoformat(on) if on else row.occurred_at.date()
    return stages.Step(row.id, row.type, day, row.actor, row.facts)


def _kept(profile: str, length: int, due_on: date | None, days_off: dict[str, str]) -> dict[str, Any]:
    due = due_on.isoformat() if due_on else None
    return {"profile": profile, "length": length, "due_on": due, "days_off": days_off}
