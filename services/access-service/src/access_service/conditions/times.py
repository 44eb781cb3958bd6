"""CEL's timestamps and durations."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from access_service.conditions.values import CelError, no_overload

_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(h|m(?!s)|s|ms|us|ns)", re.ASCII)
_DURATION = re.compile(rf"[+-]?(?:{_PART.pattern})+", re.ASCII)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def timestamp(value: Any) -> datetime:
    """Read an instant with its offset from UTC (RFC 3339; the seconds may be left out)."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper())
        except ValueError:
            pass
    raise CelError("no such timestamp") if isinstance(value, str) else no_overload("timestamp", value)


def duration(value: Any) -> timedelta:
    """Read a duration as CEL writes it: `1h30m`, `15s`, `-1.5h`."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and _DURATION.fullmatch(value):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))
        try:
            return timedelta(seconds=-seconds if value.startswith("-") else seconds)
        except OverflowError:
            pass
    raise CelError("no such duration") if isinstance(value, str) else no_overload("duration", value)


def part(name: str) -> Callable[..., Any]:
    """Make `getHours` and its like: of a timestamp, in UTC or a named zone; some of a duration, in whole units."""
    of_time, of_duration = _PARTS[name]

    def got(value: Any, *zone: Any) -> int:
        if isinstance(value, datetime):
            try:
                return of_time(value.astimezone(_zone(*zone)))
            except OverflowError:
                raise CelError("a time is out of range") from None
        if isinstance(value, timedelta) and of_duration is not None and not zone:
            return of_duration(value)
        raise no_overload(name, value, *zone)

    return got


def _zone(named: Any = "UTC") -> tzinfo:
    if not isinstance(named, str):
        raise no_overload("a time zone", named)
    offset = _OFFSET.fullmatch(named)
    if offset:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-ahead if offset[1] == "-" else ahead) if ahead < timedelta(days=1) else _no_zone()
    try:
        return ZoneInfo(named)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _no_zone()


def _no_zone() -> tzinfo:
    raise CelError("no such time zone")


def _whole(length: timedelta, unit: timedelta) -> int:
    whole = abs(length) // unit
    return whole if length >= timedelta(0) else -whole


def _milliseconds(length: timedelta) -> int:
    """Answer those beyond the whole seconds: CEL's definition has it so for this one alone."""
    beyond = abs(length).microseconds // 1000
    return beyond if length >= timedelta(0) else -beyond


_Part = tuple[Callable[[datetime], int], Callable[[timedelta], int] | None]
_PARTS: dict[str, _Part] = {
    "getFullYear": (lambda at: at.year, None),
    "getMonth": (lambda at: at.month - 1, None),
    "getDate": (lambda at: at.day, None),
    "getDayOfMonth": (lambda at: at.day - 1, None),
    "getDayOfWeek": (lambda at: at.isoweekday() % 7, None),
    "getDayOfYear": (lambda at: at.timetuple().tm_yday - 1, None),
    "getHours": (lambda at: at.hour, lambda long: _whole(long, timedelta(hours=1))),
    "getMinutes": (lambda at: at.minute, lambda long: _whole(long, timedelta(minutes=1))),
    "getSeconds": (lambda at: at.second, lambda long: _whole(long, timedelta(seconds=1))),
    "getMilliseconds": (lambda at: at.microsecond // 1000, _milliseconds),
}
PARTS = tuple(_PARTS)
