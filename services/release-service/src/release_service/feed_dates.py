"""When an entry was published: an aware instant in UTC, or None where the supplier says nothing that can be read."""

from calendar import timegm
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import struct_time
from typing import Any

_FIELDS = ("published", "updated", "created")
_YEARS = range(1970, 2200)
# Zones that feedparser takes for UTC. BST is Britain's: these feeds are written for its universities.
_HOURS_EAST = {"BST": 1, "IST": 1, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3}


def published(entry: dict[str, Any]) -> datetime | None:
    """Answer the first of an entry's dates that can be read. One without a zone is taken for UTC."""
    for field in _FIELDS:
        said, parsed = dict.get(entry, field), dict.get(entry, f"{field}_parsed")
        instant = _instant(said if isinstance(said, str) else "", parsed if isinstance(parsed, struct_time) else None)
        if instant is not None:
            return instant
    return None


def _instant(said: str, parsed: struct_time | None) -> datetime | None:
    try:
        if parsed is not None:
            zone = said.rpartition(" ")[2].upper()
            instant = datetime.fromtimestamp(timegm(parsed), UTC) - timedelta(hours=_HOURS_EAST.get(zone, 0))
        else:
            instant = _read(said.strip()[:100])
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None
    return instant if instant.year in _YEARS else None


def _read(said: str) -> datetime:
    try:
        instant = datetime.fromisoformat(said)
    except ValueError:
        instant = parsedate_to_datetime(said)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
