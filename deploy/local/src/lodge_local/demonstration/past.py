"""What was: who worked elsewhere before, was active until leaving, or was on record with a role that ended since."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from access_service.tables import Appointment, Grant, PastGrant, PastStanding
from lodge_local.demonstration.campus import Campus, Member
from lodge_local.demonstration.chance import Chance, at

_LONG_HERE = timedelta(days=400)
_SHARE_MOVED = 0.05


def appointments(campus: Campus) -> Iterator[Appointment]:
    """Answer the places of those who moved from one unit to another; what others' are is told by the person alone."""
    chance = Chance("moves")
    heads = {campus.head(unit.name).id for unit in campus.units}
    for member in campus.members:
        here = campus.day - member.joined_on
        if member.left_on is None and here > _LONG_HERE and member.id not in heads and chance.happens(_SHARE_MOVED):
            moved = campus.day - timedelta(days=chance.number(30, min(here.days - 200, 700)))
            before = chance.one([unit for unit in campus.units if unit.id != member.unit.id])
            first = _appointment(chance, member, before.id, campus)
            first.ends_on = moved - timedelta(days=1)
            second = _appointment(chance, member, member.unit.id, campus)
            second.starts_on, second.manager = moved, member.manager
            yield from (first, second)


def _appointment(chance: Chance, member: Member, unit: str, campus: Campus) -> Appointment:
    made = max(member.made, at(campus.began))
    return Appointment(
        id=chance.id("apt", made), person_id=member.id, org_unit=unit, kind="staff", primary=True,
        starts_on=member.joined_on, created_at=made, updated_at=made,
    )  # fmt: skip


def standings(campus: Campus) -> Iterator[PastStanding]:
    """Answer that those who left were active until then."""
    for member in campus.members:
        if member.left_on is not None and member.made < at(member.left_on):
            yield PastStanding(subject=member.id, since=member.made, until=at(member.left_on), state="active")


def records(grants: Iterable[Grant]) -> Iterator[PastGrant]:
    """Answer that grants which were ended were on record without an end until then."""
    for grant in grants:
        if grant.ended_at is not None and grant.created_at < grant.ended_at:
            yield PastGrant(
                grant_id=grant.id, recorded_at=grant.created_at, superseded_at=grant.ended_at,
                valid_from=grant.valid_from,
            )  # fmt: skip
