"""Pages of what a search finds: those that are permitted, out of those that may be, in the order of a key."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

MOST_WEIGHED = 5_000
"""How many are looked at for one page: it may hold less than was asked for, and still not be the last."""
_AT_ONCE = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What was found, and the key after which the next page begins; None on the last one."""

    found: list[T]
    after: str | None


async def gather(
    fetch: Callable[[str, int], Awaitable[Sequence[T]]],
    permitted: Callable[[T], bool],
    key: Callable[[T], str],
    *,
    after: str,
    limit: int,
) -> Page[T]:
    """Gather a page. `fetch` answers so many, in the order of `key`, whose keys come after a key."""
    found: list[T] = []
    last, weighed = after, 0
    while weighed < MOST_WEIGHED:
        wanted = _AT_ONCE if weighed else limit + 1
        batch = await fetch(last, wanted)
        for one in batch:
            if permitted(one):
                if len(found) == limit:
                    return Page(found, last)
                found.append(one)
            last = key(one)
        weighed += len(batch)
        if len(batch) < wanted:
            return Page(found, None)
    return Page(found, last)
