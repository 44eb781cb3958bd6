"""What the service asks of a data source, whichever product it is.

A source of another product is a target in `targets`, a dialect in `dialects`, and one module with the three functions
of `Adapter`, entered here. All are synchronous: `check` and `columns` are short and are called in a thread, `run` has a
child process to itself. A driver that answers rows gives them to `lines.Lines`, which writes them as every source's are
written. Nothing in an adapter may put a secret into an error or a log.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Literal, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field

from enquiry_service.checked import Checked

Buffer = bytes | bytearray | memoryview

Phase = Literal["starting", "connecting", "checking", "running", "spooling"]
"""What a run is at."""


class SourceError(Exception):
    """The source could not do what was asked; the sentence may be shown to whoever asked."""


class Unreachable(SourceError):  # noqa: N818 - what happened, in a word
    """No connection: nobody listens, the password is wrong, the database is not there."""


class Refused(SourceError):  # noqa: N818 - what happened, in a word
    """The source reads the statement and will not run it, or we will not let it: the sentence says why."""


class Quoted(Refused):
    """The source refuses in its own words, which may name what the SQL names: for those who may see that."""


class Interrupted(SourceError):  # noqa: N818 - what happened, in a word
    """The query was ended at the source because it was cancelled or its time was over."""


class Limits(BaseModel):
    """How much one run may take. `plan_cost` and `plan_rows` are the planner's own units, read before running."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(1_000_000, ge=1)
    seconds: float = Field(300, gt=0)
    bytes: int = Field(10 * 2**30, ge=1)
    plan_cost: float = Field(1e9, gt=0)
    plan_rows: float = Field(1e10, gt=0)


class Finding(BaseModel):
    """One thing that is wrong with a source.

    A finding that blocks means that the role could write, or that we could not find out; one that does not is advice.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    detail: str
    blocking: bool = True


class Column(BaseModel):
    """One column of a result; `origin` is the `schema.table.column` that it shows unchanged, null if computed."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    origin: str | None


class Ending(BaseModel):
    """How a run ended at the source."""

    truncated: bool
    columns: list[Column]


class Sink(Protocol):
    """Takes the result as it comes: the heading once, then blocks of whole rows."""

    def heading(self, line: Buffer) -> None:
        """Write the first line."""

    def write_rows(self, block: Buffer, count: int) -> None:
        """Write `count` rows; the block is the caller's again when this returns."""


class Watch(Protocol):
    """Says whether the run is to stop, and stops a query that is under way."""

    def phase(self, name: Phase) -> None:
        """Tell what the run is at; raises Interrupted where it is to stop."""

    def attach(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` when the run is to stop, again and again until `detach`."""

    def detach(self) -> None:
        """The query is over."""

    def ended(self, *, gone: bool) -> None:
        """Record whether, after a run that did not end by itself, the source was seen to have dropped the query."""


class Adapter(Protocol):
    """One product's way of being read; its targets are of its own class."""

    def check(self, target: Any) -> list[Finding]:
        """Answer what is wrong with the role: empty (or advice only) when it is proven that it cannot write."""

    def columns(self, target: Any, checked: Checked) -> list[Column]:
        """Let the source describe the statement without running it; raises SourceError."""

    def run(
        self,
        target: Any,
        checked: Checked,
        values: Mapping[str, str | None],
        *,
        limits: Limits,
        sink: Sink,
        watch: Watch,
    ) -> Ending:
        """Run the statement and give its rows as lines of CSV to `sink`; raises SourceError."""


_ADAPTERS = {
    "postgresql": "enquiry_service.sources.postgresql.adapter",
    "mysql": "enquiry_service.sources.mysql.adapter",
    "sqlite": "enquiry_service.sources.sqlite",
}


def adapter(name: str) -> Adapter:
    """Answer the adapter of that name; imported when first asked for, as drivers are heavy."""
    return cast("Adapter", import_module(_ADAPTERS[name]))
