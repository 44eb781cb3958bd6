"""Who is given which role over two years: begun, ended, for a time, to come. Pure: a campus in, values out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from access_service.tables import Grant
from lodge_local.demonstration.campus import Campus, Member
from lodge_local.demonstration.chance import Chance, at

Roles = Mapping[str, tuple[str, str]]
"""A role's name: its id, and who gives it."""

_TEACHING = (("Record viewer", 0.65), ("Module leader", 0.34), ("Claimant", 0.20), ("List author", 0.15),
             ("Timetable viewer", 0.10))  # fmt: skip
"""What those who teach are given, each for the department, and in which share of the cases."""
_ANYWHERE = (("Claimant", 0.45), ("Timetable viewer", 0.12), ("Record viewer", 0.12))
_BY_TEAM = {
    "Student Records": ("Records officer", "Records administrator"),
    "Admissions": ("Admissions officer", "Record viewer"),
    "Examinations": ("Examinations officer", "Examinations scheduler"),
    "Statutory Returns": ("Returns analyst", "Returns signatory"),
    "Registry": ("Record viewer", "Records officer"),
    "Finance": ("Financial accountant", "Supplier maintainer"),
    "Accounts Payable": ("Payables clerk", "Payments officer"),
    "Payroll": ("Financial accountant",),
    "Research Finance": ("Research accountant",),
    "Library": ("Acquisitions librarian", "Cataloguer"),
    "Collections": ("Cataloguer", "Acquisitions librarian"),
    "Reader Services": ("Desk assistant", "Desk supervisor"),
    "Timetabling": ("Department scheduler", "Timetable manager"),
    "Estates": ("Timetable viewer",),
    "Software Support": ("Record viewer", "Claimant"),
}
"""What a team is given: the first role by nearly all, each further one by fewer."""
_REASONS = (
    "Joined the department.", "Needed for the role.", "Asked for by the head of department.", "Cover for a colleague.",
    "Took over from a colleague.", "Named in the annual review.", "Module leader this year.",
)  # fmt: skip
_COVER = ("Cover for parental leave.", "Project until the end of term.", "Clearing and confirmation.", "Audit visit.")
_ENDS = ("Moved to another team.", "No longer needed.", "Annual review: not confirmed.", "Replaced by another role.")


@dataclass(frozen=True, slots=True)
class Giving:
    """A role given to somebody from an instant to another; `ended` says when and why its end was put on record."""

    subject: str
    role: str
    org_unit: str | None
    begins: datetime
    ends: datetime | None
    reason: str
    by: str
    origin: str = "request"
    recorded: datetime | None = None
    ended: tuple[datetime, str] | None = None

    def row(self, chance: Chance) -> Grant:
        """Answer the row."""
        made = self.recorded or self.begins
        ended_at, why = self.ended or (None, None)
        return Grant(
            id=chance.id("grt", made), subject=self.subject, role_id=self.role, org_unit=self.org_unit,
            valid_from=self.begins, valid_to=self.ends, origin=self.origin, reason=self.reason, granted_by=self.by,
            ended_by=self.by if self.ended else None, ended_at=ended_at, end_reason=why,
            version=2 if self.ended else 1, created_at=made, updated_at=ended_at or made,
        )  # fmt: skip


def given(campus: Campus, roles: Roles) -> Iterator[Giving]:
    """Answer every role given to a person; the same role to one person never twice at a time."""
    chance = Chance("giving")
    for member in campus.members:
        for name, unit in _wanted(chance, member, is_head=campus.head(member.unit.name) is member):
            role, owner = roles[name]
            if owner != member.id:  # nobody gives a role to oneself
                yield from _history(chance, campus, member, unit, role, owner)


def _wanted(chance: Chance, member: Member, *, is_head: bool) -> Iterator[tuple[str, str | None]]:
    """Answer the names of the roles that somebody comes to have, and the unit that each is for."""
    if is_head:
        yield "Budget holder", member.unit.id
    if member.unit.kind in ("faculty", "department"):
        yield from ((name, member.unit.id) for name, share in _TEACHING if chance.happens(share))
        return
    own = _BY_TEAM.get(member.unit.name, ())
    yield from ((name, None) for place, name in enumerate(own) if chance.happens(0.9 / (1 + 2 * place)))
    yield from ((name, None) for name, share in _ANYWHERE if name not in own and chance.happens(share))


def _history(
    chance: Chance, campus: Campus, member: Member, unit: str | None, role: str, owner: str
) -> Iterator[Giving]:
    """Answer a role's course with one person: held since, once and again, for a time only, or from a day to come."""
    begins, at_first = _beginning(chance, campus, member)
    origin = "import" if at_first else chance.one(("request", "request", "birthright", "emergency"), (6, 4, 3, 0.3))
    reason = "Held when Lodge was brought in." if at_first else chance.one(_REASONS)
    if member.left_on is not None:
        left = at(member.left_on)
        if begins < left:
            yield Giving(
                member.id, role, unit, begins, left, reason, owner, origin, ended=(left, "Left the university.")
            )  # fmt: skip
        return
    course = chance.number(1, 100)
    if course <= 3:  # noqa: PLR2004 - hundredths
        coming = at(campus.day + timedelta(days=chance.number(3, 60)))
        recorded = chance.working(campus.day - timedelta(days=chance.number(3, 20)))
        yield Giving(member.id, role, unit, coming, None, chance.one(_REASONS), owner, recorded=recorded)
    elif course <= 10:  # noqa: PLR2004 - hundredths
        ends = begins + timedelta(days=chance.number(30, 500))
        yield Giving(member.id, role, unit, begins, ends, chance.one(_COVER), owner, origin)
    elif course <= 24:  # noqa: PLR2004 - hundredths
        ends = begins + (campus.now - begins) * (chance.number(15, 90) / 100)
        ended = (ends, chance.one(_ENDS))
        yield Giving(member.id, role, unit, begins, ends, reason, owner, origin, ended=ended)
        again = ends + (campus.now - ends) * 0.5
        if chance.happens(0.3):
            yield Giving(member.id, role, unit, again, None, "Given again after the review.", owner)
    else:
        yield Giving(member.id, role, unit, begins, None, reason, owner, origin)


def _beginning(chance: Chance, campus: Campus, member: Member) -> tuple[datetime, bool]:
    """Answer when the role was given, and whether that was when Lodge was brought in."""
    if member.joined_on <= campus.began and chance.happens(0.6):
        return at(campus.began) + timedelta(hours=9, minutes=chance.number(0, 59)), True
    first = max(member.joined_on, campus.began)
    within = max((campus.day - first).days - 4, 1)
    given_at = chance.working(first + timedelta(days=min(int(chance.wait(150).days), within)))
    return min(given_at, campus.now - timedelta(hours=6)), False
