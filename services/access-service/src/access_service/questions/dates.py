"""Instants as people say them, where the institution is."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days in a time zone; the hour is said of the days on which it matters."""

    zone: ZoneInfo
    spoken_of: datetime
    """On the day of this instant, hours tell before from after."""

    def day(self, at: datetime) -> str:
        """Answer `3 March 2026`, on the day that is spoken of `3 March 2026 at 14:05`."""
        local = self._local(at)
        return (
            f"{_date(local)} at {local:%H:%M}" if local.date() == self._local(self.spoken_of).date() else _date(local)
        )

    def moment(self, at: datetime) -> str:
        """Answer `on 3 March 2026 at 14:05`, of what a date means `at the end of 3 March 2026`."""
        end = self._local(at + timedelta(microseconds=1)) if at < _LAST else at
        return f"at the end of {_date(self._local(at))}" if end.time() == time.min else f"on {self.day(at)}"

    def until(self, at: datetime) -> str:
        """Answer `until 3 March 2026`, of a midnight `until the end of 2 March 2026`."""
        if self._local(at).time() == time.min:
            return f"until the end of {_date(self._local(at - timedelta(microseconds=1)))}"
        return f"until {self.day(at)}"

    def _local(self, at: datetime) -> datetime:
        try:
            return at.astimezone(self.zone)
        except OverflowError:  # the last day that there is, further east
            return at


def _date(local: datetime) -> str:
    return f"{local.day} {local:%B} {local.year}"
