"""How much time there is, and what stops it: one profile a law, and the institution's own targets. Data, with sources.

Every profile counts from the day after receipt. What a pause does is the law's: a restart counts anew from the day on
which what was asked for came; a suspension leaves out the days from the asking to that day, both included.
"""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from enquiry_service.clock.calendars import NATIONS, Nation

Cause = Literal["clarification", "fee", "identity"]
"""What is waited for: what the requester means, a fee, or the proof of who the requester is."""
Effect = Literal["restart", "suspend"]
Unit = Literal["working-days", "months"]
ProfileName = Literal["foia", "foisa", "eir", "eir-scotland", "sar", "internal"]

_UK: tuple[Nation, ...] = tuple(NATIONS)
_SCOTLAND: tuple[Nation, ...] = ("scotland",)


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules of one clock."""

    name: ProfileName
    title: str
    law: str
    """Where its rules are written, for people."""
    unit: Unit
    length: int
    effects: Mapping[Cause, Effect]
    nations: tuple[Nation, ...] | None = None
    """Whose bank holidays are no working days; None: those of the institution's own nation."""
    closures: bool = False
    """Whether the institution's closures are no working days either."""
    extension: int = 0
    """By how much it may be extended, once, in its unit; 0: not at all."""
    review: int | None = None
    """Working days for an internal review; None where there is none."""
    review_law: str = ""

    def target(self, start: date, *, extended: int) -> int:
        """Answer how many days are to be counted after `start`."""
        if self.unit == "working-days":
            return self.length + extended
        return (months_after(start, self.length + extended) - start).days

    def of_review(self) -> "Profile":
        """Answer the clock of an internal review: working days, and nothing that extends it."""
        assert self.review is not None  # noqa: S101 - the caller asked
        return replace(
            self, title=f"{self.title}, internal review", law=self.review_law, unit="working-days",
            length=self.review, extension=0, review=None,
        )  # fmt: skip


def months_after(day: date, months: int) -> date:
    """Answer the corresponding date so many months later; where there is none, that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


FOIA = Profile(
    name="foia",
    title="Freedom of Information Act 2000",
    law="FOIA 2000: section 10(1) (20 working days after receipt), 10(6) (no weekend, Christmas Day, Good Friday, nor a"
    " bank holiday in any part of the UK), 10(6)(b) with 1(3) (clarification), 10(2) (fees notice), 10(3) with 17(2)"
    " (public interest; the Code of Practice under section 45 asks for no more than 20 further working days).",
    unit="working-days", length=20, nations=_UK, effects={"clarification": "restart", "fee": "suspend"},
    extension=20, review=20,
    review_law="Code of Practice under section 45 of FOIA 2000, part 5: 20 working days from receipt.",
)  # fmt: skip
FOISA = Profile(
    name="foisa",
    title="Freedom of Information (Scotland) Act 2002",
    law="FOISA 2002: section 10(1) (20 working days after receipt, or after that of the further information that"
    " section 1(3) asks for), section 73 (no weekend, Christmas Day, nor a bank holiday in Scotland), sections 9 and 10"
    " (fees notice). It has no extension.",
    unit="working-days", length=20, nations=_SCOTLAND, effects={"clarification": "restart", "fee": "suspend"},
    review=20, review_law="FOISA 2002, section 21(1): 20 working days after receipt of the requirement.",
)  # fmt: skip
EIR = Profile(
    name="eir",
    title="Environmental Information Regulations 2004",
    law="EIR 2004: regulation 5(2) (20 working days after receipt), 2(1) (working days as in section 10(6) of FOIA),"
    " 9(4) (further particulars), 8(6) (advance payment), 7(1) (40 working days where it is complex and voluminous).",
    unit="working-days", length=20, nations=_UK, effects={"clarification": "restart", "fee": "suspend"},
    extension=20, review=40,
    review_law="EIR 2004, regulation 11(4): 40 working days after receipt of the representations.",
)  # fmt: skip
EIR_SCOTLAND = Profile(
    name="eir-scotland",
    title="Environmental Information (Scotland) Regulations 2004",
    law="EI(S)R 2004: regulation 5(2) (20 working days after receipt), 2(1) (bank holidays in Scotland), 9 (further"
    " particulars), 8 (fees), 7 (40 working days where it is complex and voluminous).",
    unit="working-days", length=20, nations=_SCOTLAND, effects={"clarification": "restart", "fee": "suspend"},
    extension=20, review=20,
    review_law="EI(S)R 2004, regulation 16(4): 20 working days after receipt of the representations.",
)  # fmt: skip
SAR = Profile(
    name="sar",
    title="Subject access, UK GDPR",
    law="UK GDPR: Article 12(3) with 12A (one month from the latest of the request, the proof of identity and the fee;"
    " two months more where it is complex; the days from asking what is meant to the reply do not count). The day of"
    " receipt is the one that the month is counted from; no such date is the month's last day; a weekend or bank"
    " holiday moves it to the next working day (ICO, Right of access, how long do we have to comply).",
    unit="months", length=1, effects={"clarification": "suspend", "identity": "restart", "fee": "restart"},
    extension=2,
)  # fmt: skip
_INTERNAL = Profile(
    name="internal",
    title="The institution's own target",
    law="A target of this institution, in working days; its closures do not count.",
    unit="working-days", length=10,
    effects={"clarification": "suspend", "fee": "suspend", "identity": "suspend"}, closures=True, extension=60,
)  # fmt: skip

OF_LAW: Mapping[ProfileName, Profile] = {one.name: one for one in (FOIA, FOISA, EIR, EIR_SCOTLAND, SAR)}


def internal(days: int) -> Profile:
    """Answer the profile of a target of so many working days."""
    return replace(_INTERNAL, length=days)
