"""What a feed says, once read: values that cross from the process that reads to the worker that decides."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

LARGEST_BODY = 20_000_000


class NotAFeed(Exception):  # noqa: N818 - a noun, as all our errors are
    """A body that is no feed; `str()` is the sentence that the source shows."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry. `guid` is unique within its feed, and made from link and title where the supplier gives none."""

    guid: str
    title: str
    link: str | None
    version_text: str | None
    published: datetime | None
    summary: str

    @property
    def fingerprint(self) -> str:
        """What changes when the supplier edits the entry: SHA-256, in hex, of all it says."""
        parts = (self.title, self.link, self.version_text, self.published and self.published.isoformat(), self.summary)
        return digest(*(part or "" for part in parts))


@dataclass(frozen=True, slots=True)
class Feed:
    """What was read, newest first as suppliers write it. `defect` is a sentence about what was wrong and got over."""

    title: str
    entries: tuple[FeedEntry, ...]
    defect: str | None


def digest(*parts: str) -> str:
    """Answer the SHA-256, in hex, of texts that are told apart."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
