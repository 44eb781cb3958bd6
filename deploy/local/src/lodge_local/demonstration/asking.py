"""Enquiries from the day they were received to their end, with what was said and each step on record. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from enquiry_service.tables import Enquiry, EnquiryEvent, Message
from lodge_local.demonstration import timing, topics, words
from lodge_local.demonstration.campus import Campus, Member
from lodge_local.demonstration.chance import Chance, is_worked
from lodge_local.demonstration.log_ins import REQUESTER, SUPPORT_OFFICER
from lodge_local.demonstration.systems import SYSTEMS

ENQUIRIES = 1_500
_BUSY = {1: 1.3, 5: 1.2, 6: 1.3, 8: 0.7, 9: 1.8, 10: 1.7, 12: 0.6}
"""Months with more, or less, to ask than others."""
_OF_THE_REQUESTER = 0.012
_OF_THE_OFFICER = 0.3
_PRIORITIES = (("low", 12), ("normal", 68), ("high", 15), ("urgent", 5))
_OUTCOMES = (("answered", 84), ("withdrawn", 7), ("duplicate", 5), ("refused", 2), ("not-held", 2))
_FRESH, _UNTOUCHED = timedelta(days=7), 0.4
"""What was filed in these days, and the share of it that nobody has looked at."""
_LATELY, _UNHEARD = timedelta(days=40), 0.35
"""Since when requesters may not have said yet what they were asked, and the share of those who have not."""
_SLOW, _SLOWER = 0.08, 12
"""The share that takes far longer, and how many times."""
_DAYS = {"data": 4, "report": 8, "fault": 3, "access": 1.5, "foi": 14, "sar": 20, "return": 6}
"""How long each kind takes on average."""


@dataclass
class Asked:
    """One enquiry with its log and its messages, told step by step: `updated_at` and `version` follow."""

    enquiry: Enquiry
    chance: Chance
    end: datetime
    """The present: no step is later."""
    events: list[EnquiryEvent] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def happened(self, what: str, actor: str, when: datetime, **facts: Any) -> None:
        """Put a step on record."""
        self.events.append(
            EnquiryEvent(
                id=self.chance.id("eev", when), enquiry_id=self.enquiry.id, type=what, actor=actor, occurred_at=when,
                facts=facts,
            )
        )  # fmt: skip
        self.enquiry.updated_at = when
        self.enquiry.version = len(self.events)

    def said(self, author: str, when: datetime, body: str, visibility: str = "public") -> None:
        """Say something."""
        message = Message(
            id=self.chance.id("msg", when), enquiry_id=self.enquiry.id, visibility=visibility, author=author, body=body,
            created_at=when,
        )  # fmt: skip
        self.messages.append(message)
        self.happened(f"message-{visibility}", author, when, message=message.id)

    def answer_with(self, run: str) -> None:
        """Name a run in the answer."""
        for event in self.events:
            if event.type == "answered":
                event.facts = event.facts | {"runs": [run]}


def asked(campus: Campus) -> Iterator[Asked]:
    """Answer every enquiry, oldest first."""
    chance = Chance("enquiries")
    days = [campus.began + timedelta(days=number) for number in range((campus.day - campus.began).days)]
    days = [day for day in days if is_worked(day)]
    shares = [_BUSY.get(day.month, 1.0) for day in days]
    drawn = [chance.working(chance.one(days, shares)) for _ in range(ENQUIRIES)]
    log_in = campus.log_in(SUPPORT_OFFICER)
    team = [one for one in campus.of("Software Support") if one.left_on is None and one is not log_in]
    officers = _Officers(log_in, team[:6])
    for when in sorted(drawn):
        one = _filed(chance, campus, when)
        _follow(chance, one, officers)
        timing.give_date(one.enquiry, one.events, campus.day)
        yield one


@dataclass(frozen=True)
class _Officers:
    """Who answers: the one whom one can log in as more than others."""

    log_in: Member
    team: list[Member]

    def draw(self, chance: Chance) -> str:
        return self.log_in.id if chance.happens(_OF_THE_OFFICER) else chance.one(self.team).id


def _filed(chance: Chance, campus: Campus, when: datetime) -> Asked:
    requester = _requester(chance, campus, when.date())
    kind = chance.one(list(topics.WEIGHTS), list(topics.WEIGHTS.values()))
    received = when.date()
    if kind in ("foi", "sar"):  # by letter, entered some days later
        received -= timedelta(days=chance.number(0, 3))
    enquiry = Enquiry(
        id=chance.id("enq", when), kind=kind, title=_title(chance, kind, requester, when.date()),
        description=chance.one(topics.DESCRIPTIONS), purpose=chance.one(topics.PURPOSES), requester=requester.id,
        org_unit=requester.unit.id, priority=_drawn(chance, _PRIORITIES), received_on=received, created_at=when,
        updated_at=when,
    )  # fmt: skip
    one = Asked(enquiry, chance, campus.now)
    one.happened("received", requester.id, when, received_on=received.isoformat())
    return one


def _requester(chance: Chance, campus: Campus, day: date) -> Member:
    if chance.happens(_OF_THE_REQUESTER):
        return campus.log_in(REQUESTER)
    while True:
        member = chance.one(campus.members)
        if member.is_here(day) and member.made.date() <= day:
            return member


def _title(chance: Chance, kind: str, requester: Member, day: date) -> str:
    unit = requester.unit.name
    if requester.unit.kind not in ("faculty", "department"):
        unit = chance.one([name for _, names in words.FACULTIES.values() for name in names])
    month = (day - timedelta(days=chance.number(20, 200))).strftime("%B")
    return chance.one(topics.TITLES[kind]).format(unit=unit, system=chance.one(SYSTEMS).name, month=month)


def _drawn(chance: Chance, weighted: tuple[tuple[str, int], ...]) -> str:
    return chance.one([name for name, _ in weighted], [weight for _, weight in weighted])


def _follow(chance: Chance, one: Asked, officers: _Officers) -> None:
    """Tell what came after the filing, as far as the present: each step ends it where the time is over."""
    enquiry, officer = one.enquiry, officers.draw(chance)
    taken = _later(chance, enquiry.created_at, 0.6)
    waits = one.end - enquiry.created_at < _FRESH and chance.happens(_UNTOUCHED)
    if taken >= one.end or waits:
        return
    enquiry.assignee, enquiry.status = officer, "open"
    one.happened("assigned", officer, taken, assignee=officer)
    when = _talk(chance, one, officer, taken)
    outcome = _drawn(chance, _OUTCOMES)
    when = _later(chance, when, _DAYS[enquiry.kind] * (_SLOWER if chance.happens(_SLOW) else 1))
    if when >= one.end:
        return
    if outcome == "answered":
        _answer(chance, one, officer, when)
        if chance.happens(0.06) and not _reopened(chance, one, officer, when):
            return
    _close(chance, one, officer, outcome)


def _talk(chance: Chance, one: Asked, officer: str, when: datetime) -> datetime:
    """Ask back in some cases, wait for what the requester says, note things for the team; answers the time after it."""
    if chance.happens(0.35):
        asked_at = when + timedelta(minutes=chance.number(5, 90))
        if asked_at < one.end:
            one.said(officer, asked_at, chance.one(topics.INTERNAL), "internal")
            when = asked_at
    if chance.happens(0.4):
        asked_at = when + timedelta(minutes=chance.number(5, 180))
        if asked_at >= one.end:
            return when
        question = chance.one(topics.QUESTIONS)
        one.said(officer, asked_at, question)
        one.enquiry.status = "waiting"
        asked_on = asked_at.date().isoformat()
        one.happened("clock-paused", officer, asked_at, cause="clarification", on=asked_on, reason=question)
        unheard = one.end - asked_at < _LATELY and chance.happens(_UNHEARD)
        replied = one.end if unheard else _later(chance, asked_at, 2)
        if replied >= one.end:
            return one.end
        one.said(one.enquiry.requester, replied, chance.one(topics.REPLIES))
        one.enquiry.status = "open"
        replied_on = replied.date().isoformat()
        one.happened("clock-resumed", officer, replied, cause="clarification", on=replied_on, reason="")
        return replied
    return when


def _answer(chance: Chance, one: Asked, officer: str, when: datetime) -> None:
    one.said(officer, when, chance.one(topics.ANSWERS[one.enquiry.kind]))
    one.enquiry.status, one.enquiry.answered_at = "answered", when
    one.happened("answered", officer, when, runs=[])


def _reopened(chance: Chance, one: Asked, officer: str, answered: datetime) -> bool:
    """Open it again and answer it again; False where it is still open."""
    again = _later(chance, answered, 2)
    if again >= one.end:
        return False
    one.enquiry.status, one.enquiry.answered_at = "open", None
    one.happened("reopened", one.enquiry.requester, again, reason=chance.one(topics.REOPENINGS))
    answered = _later(chance, again, 2)
    if answered >= one.end:
        return False
    _answer(chance, one, officer, answered)
    return True


def _close(chance: Chance, one: Asked, officer: str, outcome: str) -> None:
    when = _later(chance, one.enquiry.updated_at, 9 if outcome == "answered" else 0.5)
    if when >= one.end:
        return
    actor = one.enquiry.requester if outcome == "withdrawn" else officer
    reason = chance.one(topics.CLOSINGS[outcome])
    one.enquiry.status, one.enquiry.outcome, one.enquiry.reason = "closed", outcome, reason
    one.happened("closed", actor, when, outcome=outcome, reason=reason)


def _later(chance: Chance, when: datetime, days: float) -> datetime:
    """Answer an instant of working hours after `when`, so many days on average."""
    later = when + chance.wait(days) + timedelta(minutes=3)
    worked = chance.working(later.date())
    return worked if worked > when else later
