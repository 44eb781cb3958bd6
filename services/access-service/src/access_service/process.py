"""What a process of access-service keeps as long as it runs, besides what every service has."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from access_service.decision_records import Recorder
from access_service.index import Keeper
from lodge_kit.world import World


@dataclass(frozen=True, slots=True)
class Process:
    """Opened and closed with the world."""

    recorder: Recorder
    keeper: Keeper | None = None
    """Of the index of decisions; a worker, which decides nothing, has none."""

    async def __aenter__(self) -> Self:
        await self.recorder.open()
        if self.keeper:
            await self.keeper.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.keeper:
            await self.keeper.close()
        await self.recorder.close()


def of(world: World) -> Process:
    """Answer what this process keeps."""
    assert isinstance(world.own, Process)  # noqa: S101 - this service's own world
    return world.own
