"""A clock in one sentence or two, for whoever is asked why."""

from datetime import date

from enquiry_service.clock.counting import Day, Reckoning
from enquiry_service.clock.profiles import Profile

_SPELT = 4
"""How many holidays are named."""


def written(day: date) -> str:
    """Write a date as in Tuesday 31 March 2026, whatever the locale."""
    return f"{_DAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def summary(profile: Profile, reckoning: Reckoning, *, extended: int) -> str:
    """Say by when it is due and how that comes about."""
    length = profile.length + extended
    unit = {"working-days": "working day", "months": "month"}[profile.unit] + ("s" if length > 1 else "")
    count = f"{length} {unit} after {written(reckoning.start)}"
    if extended:
        count += f", extended by {extended}"
    if reckoning.due_on is None:
        return f"No date yet: something is waited for. {count} would be counted from then on or anew. ({profile.title})"
    return f"Due on {written(reckoning.due_on)}: {count}. {_left_out(reckoning)}({profile.title})"


def _left_out(reckoning: Reckoning) -> str:
    """Name what did not count since the day that counting began from."""
    inner = [one for one in reckoning.days if one.on > reckoning.start and not one.is_counted]
    weekends = [one for one in inner if one.reason.startswith(("Saturday", "Sunday"))]
    waiting = [one for one in inner if one.reason.startswith("Waiting")]
    others = [one for one in inner if one not in weekends and one not in waiting and one.on != reckoning.due_on]
    parts = []
    if weekends:
        parts.append(_days(len(weekends), "weekends"))
    parts += [_holiday(one) for one in others[:_SPELT]]
    if len(others) > _SPELT:
        parts.append(f"{len(others) - _SPELT} more")
    if waiting:
        parts.append(_days(len(waiting), "waiting"))
    return f"Not counted: {', '.join(parts)}. " if parts else ""


def _days(count: int, of: str) -> str:
    return f"{count} day{'s' if count > 1 else ''} of {of}"


def _holiday(one: Day) -> str:
    return f"{one.reason.removesuffix('.')} on {one.on.day} {_MONTHS[one.on.month - 1]}"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
