"""Where time comes from: one function, handed to `create_app`, so that a test can be any day it likes."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Clock = Callable[[], datetime]
"""Answers the present instant, aware, in UTC."""


def system_clock() -> datetime:
    """Answer the machine's own time."""
    return datetime.now(UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Answer the last instant of `day` in `zone`, to the microsecond that PostgreSQL keeps."""
    if day >= date.max - timedelta(days=1):  # "for ever": the day after it is no date
        return datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    return datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC) - timedelta(microseconds=1)


def _instant_or_day(value: object) -> object:
    # Told apart here: pydantic takes a date for the midnight at which it begins, and a bare midnight for a date.
    if not isinstance(value, str):
        return value
    if _DAY.fullmatch(value):
        return date.fromisoformat(value)
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError("an instant names its offset from UTC, as in 2026-03-01T09:00:00Z")
    return instant


AsOf = Annotated[AwareDatetime | date, BeforeValidator(_instant_or_day)]
"""What `as_of` takes: an instant, or a date that means that day's end in the institution's time zone."""


def instant_of(as_of: datetime | date, zone: ZoneInfo) -> datetime:
    """Answer the instant that `as_of` means."""
    return as_of if isinstance(as_of, datetime) else end_of_day(as_of, zone)
