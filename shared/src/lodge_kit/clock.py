"""Where time comes from: one function, handed to `create_app`, so that a test can be any day it likes."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Answers the present instant, aware, in UTC."""


def system_clock() -> datetime:
    """Answer the machine's own time."""
    return datetime.now(UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Answer the first instant after `day` in `zone`: what `as_of=2026-03-01` means, the whole day included."""
    return datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
