"""What `as_of` and `known_at` ask: a reading of an instant, taken then, is the same for ever with both set to it."""

from datetime import date, datetime
from typing import Annotated

from fastapi import Depends, Query

from access_service.history import When
from lodge_kit.clock import AsOf, instant_of
from lodge_kit.world import Here, Now, World


def when_of(as_of: datetime | date | None, known_at: datetime | date | None, *, here: World, now: datetime) -> When:
    """Answer the instants that are meant: a date is that day's end, nothing is now; nothing is known of the future."""
    zone = here.settings.time_zone
    known = min(instant_of(known_at, zone), now) if known_at else now
    return When(instant_of(as_of, zone) if as_of else now, known)


async def _asked(
    here: Here, now: Now,
    as_of: Annotated[
        AsOf | None, Query(description="The instant that is asked about, or a date: that day's end. Now if left out.")
    ] = None,
    known_at: Annotated[
        AsOf | None, Query(description="The instant by whose records it is answered, or a date. Now if left out.")
    ] = None,
) -> When:  # fmt: skip
    return when_of(as_of, known_at, here=here, now=now)


Asked = Annotated[When, Depends(_asked)]
"""The instants that a reading is of, from its parameters."""
