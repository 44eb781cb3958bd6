"""What the worker and the process of a run say to each other: JSON, one line each."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from enquiry_service.checked import Checked
from enquiry_service.sources import Column, Limits, Phase
from enquiry_service.sources.targets import Target

NOT_AS_IT_IS = "The source does not take this report as both are today. Who writes reports can have it validated."


class Spec(BaseModel):
    """One run: written to the child's standard input and nowhere else, as it holds the source's secret.

    `path` is the file to make, absolute; it appears whole or not at all. `memory` is in bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Target
    checked: Checked
    values: dict[str, str | None]
    limits: Limits
    path: str
    memory: int = 2**30


class Progress(BaseModel):
    """Where a run is; about one a second."""

    phase: Phase
    rows: int
    bytes: int


class Outcome(BaseModel):
    """How a run ended.

    Only `done` and `truncated` leave a file, of which `rows`, `bytes` and `sha256` tell. `backend_gone` is null after
    a run that ended by itself, else whether the source was seen to have dropped the query.
    """

    status: Literal["done", "truncated", "failed", "cancelled"]
    reason: str | None = None
    rows: int = 0
    bytes: int = 0
    sha256: str | None = None
    columns: list[Column] = []
    backend_gone: bool | None = None


class Line(BaseModel):
    """One line of the child's standard output."""

    progress: Progress | None = None
    outcome: Outcome | None = None
