"""The facts that release-service publishes."""

from datetime import date, datetime
from typing import ClassVar

from pydantic import Field

from lodge_kit.events import Fact


class ReleaseAnnounced(Fact):
    """A release was announced: it is to come."""

    type: ClassVar[str] = "release.announced"
    subject: ClassVar[str] = "release"
    product: str
    supplier: str
    version: str
    kind: str
    announced_on: date | None


class ReleasePublished(Fact):
    """A release is available: seen at a watched source, or recorded by a person."""

    type: ClassVar[str] = "release.published"
    subject: ClassVar[str] = "release"
    product: str
    supplier: str
    version: str = Field(description="As the supplier writes it.")
    kind: str
    is_prerelease: bool
    available_on: date | None
    link: str | None
    source: str | None = Field(description="The watched source that told of it; null when a person did.")
    first_reading: bool = Field(
        description="True for what a source told when it was read for the first time, or again after the product's"
        " naming had changed: history, of which the newest 100 are published. Ignore it if you act on news only."
    )


class ReleaseChanged(Fact):
    """Something that is known of a release changed."""

    type: ClassVar[str] = "release.changed"
    subject: ClassVar[str] = "release"
    product: str
    version: str
    changed: list[str]


class ReleaseWithdrawn(Fact):
    """A release was withdrawn: it is not to be installed."""

    type: ClassVar[str] = "release.withdrawn"
    subject: ClassVar[str] = "release"
    product: str
    version: str


class SourceFailing(Fact):
    """A watched source has failed for a day."""

    type: ClassVar[str] = "source.failing"
    subject: ClassVar[str] = "source"
    product: str
    failing_since: datetime
    reason: str


class SourceRecovered(Fact):
    """A watched source that had failed for a day was read again."""

    type: ClassVar[str] = "source.recovered"
    subject: ClassVar[str] = "source"
    product: str
    failing_since: datetime


class SightingSuspect(Fact):
    """Something seen at a watched source waits for a person to accept or dismiss it."""

    type: ClassVar[str] = "sighting.suspect"
    subject: ClassVar[str] = "sighting"
    product: str
    source: str
    version: str | None
    reason: str


class SightingAccepted(Fact):
    """A person accepted a suspect sighting as a release."""

    type: ClassVar[str] = "sighting.accepted"
    subject: ClassVar[str] = "sighting"
    product: str
    source: str
    release: str


class SightingDismissed(Fact):
    """A person dismissed a suspect sighting."""

    type: ClassVar[str] = "sighting.dismissed"
    subject: ClassVar[str] = "sighting"
    product: str
    source: str


ALL = (
    ReleaseAnnounced, ReleasePublished, ReleaseChanged, ReleaseWithdrawn, SourceFailing, SourceRecovered,
    SightingSuspect, SightingAccepted, SightingDismissed,
)  # fmt: skip
