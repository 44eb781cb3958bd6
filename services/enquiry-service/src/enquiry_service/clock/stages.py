"""An enquiry's log read as its clock: the request, and after it an internal review, each with its pauses.

A step that was retracted is as if it had never been; who wrote it and who took it back stays in the log.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from enquiry_service.clock.calendars import Calendar
from enquiry_service.clock.counting import Pause, Reckoning, reckon
from enquiry_service.clock.profiles import Cause, Profile

RECEIVED, CHANGED = "received", "changed"
PAUSED, RESUMED, EXTENDED, RETRACTED = "clock-paused", "clock-resumed", "clock-extended", "clock-retracted"
REVIEW = "review-started"
ANSWERED, CLOSED, REOPENED, MERGED = "answered", "closed", "reopened", "merged"
READ = (
    RECEIVED, CHANGED, PAUSED, RESUMED, EXTENDED, RETRACTED, REVIEW, ANSWERED, CLOSED, REOPENED, MERGED,
)  # fmt: skip
"""The types of steps that say something to the clock."""
RETRACTABLE = (PAUSED, RESUMED, EXTENDED)

StageName = Literal["request", "review"]
State = Literal["running", "paused", "ended"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an enquiry's log; `on` is the day it speaks of, where the institution is."""

    id: str
    type: str
    on: date
    actor: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Wait:
    """A pause as the log tells it: who asked and who noted that it came."""

    cause: Cause
    asked: Step
    came: Step | None = None

    @property
    def pause(self) -> Pause:
        """Answer the days."""
        return Pause(self.cause, self.asked.on, self.came.on if self.came else None)


@dataclass(slots=True)
class Stage:
    """One clock of an enquiry."""

    name: StageName
    started: date
    waits: list[Wait] = field(default_factory=list)
    extensions: list[Step] = field(default_factory=list)
    ended: Step | None = None
    steps: list[Step] = field(default_factory=list)
    """What was done to this clock and may be taken back, in order."""

    @property
    def is_waiting(self) -> bool:
        """Say whether something is waited for."""
        return bool(self.waits) and self.waits[-1].came is None

    @property
    def extended(self) -> int:
        """By how much it was extended."""
        return sum(int(one.facts["more"]) for one in self.extensions)

    @property
    def state(self) -> State:
        """Say how the clock stands."""
        return "ended" if self.ended else "paused" if self.is_waiting else "running"

    @property
    def latest(self) -> date:
        """Answer the last day that its log speaks of: nothing is entered before it."""
        return max([self.started, *(one.on for one in self.steps)])

    def reckoned(self, profile: Profile, calendar: Calendar, *, until: date) -> Reckoning:
        """Count its days. One that has ended is counted by the days off that were known at its end."""
        mine = profile.of_review() if self.name == "review" and profile.review is not None else profile
        pauses = [one.pause for one in self.waits]
        kept = self.ended.facts.get("clock") if self.ended else None
        if kept is not None:
            calendar = Calendar.kept({date.fromisoformat(day): name for day, name in kept["days_off"].items()})
            until = min(until, self.ended.on) if self.ended else until
        return reckon(mine, self.started, pauses, extended=self.extended, calendar=calendar, until=until)


def read(log: Iterable[Step]) -> list[Stage]:
    """Read a log, oldest first; the last stage is the one that runs. Steps of other types are passed over."""
    steps = list(log)
    gone = {one.facts["step"] for one in steps if one.type == RETRACTED}
    stages: list[Stage] = []
    for step in steps:
        if step.id not in gone:
            _apply(stages, step)
    return stages


def _apply(stages: list[Stage], step: Step) -> None:
    if step.type == RECEIVED:
        stages.append(Stage("request", step.on))
    elif step.type == REVIEW:
        stages.append(Stage("review", step.on))
    elif not stages:
        return
    elif step.type == CHANGED and "received_on" in step.facts:
        stages[0].started = date.fromisoformat(step.facts["received_on"])
    else:
        _turn(stages[-1], step)


def _turn(stage: Stage, step: Step) -> None:
    if step.type == PAUSED:
        stage.waits.append(Wait(step.facts["cause"], step))
    elif step.type == RESUMED and stage.is_waiting:
        stage.waits[-1].came = step
    elif step.type == EXTENDED:
        stage.extensions.append(step)
    elif step.type in (ANSWERED, CLOSED, MERGED):
        stage.ended = stage.ended or step
    elif step.type == REOPENED:
        stage.ended = None
    if step.type in RETRACTABLE:
        stage.steps.append(step)
