"""What the gauntlets of all products share: what a trick is, and how it goes to a source as a report would, unchecked.

Each trick is refused by the check, and harmless without it: see the products' own files for which layers stop it.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from enquiry_service import dialects
from enquiry_service.checked import Checked
from enquiry_service.export.messages import Outcome, Progress, Spec
from enquiry_service.export.parent import run_in_child
from enquiry_service.export.spool import Full, Spool
from enquiry_service.export.watch import Watch
from enquiry_service.sources import Interrupted, Limits, SourceError, adapter
from enquiry_service.statements import Allowance, UnsafeSql, check

ONLY_AT_THE_SOURCE = "^$"
"""The check lets it through: the plan and the time are what stop it."""
EMBEDDED = ("sqlite", "duckdb")
"""They run in our own process, which is what keeps to the time and the memory: there is no server to do it."""
WOULD_WRITE_TO = Path("/tmp/lodge")  # noqa: S108 - nothing is to stand there


class Trick(NamedTuple):
    """One hostile statement.

    `static` is a pattern found in the check's own sentence; `without` names the layers, parted by `|`, of which one
    stops it when the check is left out.
    """

    sql: str
    static: str
    without: str


def refused(trick: Trick, product: str, *, schema: str) -> None:
    """Assert that the check of `product` refuses `trick` and says why."""
    with pytest.raises(UnsafeSql) as error:
        check(trick.sql, parameters=[], allowance=Allowance(schemas=(schema,)), dialect=dialects.of(product))
    assert re.search(trick.static, error.value.detail), error.value.detail
    assert error.value.errors[0].pointer == "/sql"


def harmless(
    trick: Trick,
    target: Any,
    path: Path,
    *,
    fingerprint: Callable[[], Any],
    layers: Callable[[str], tuple[str, ...]],
) -> None:
    """Send `trick` unchecked, writing to `path`; assert that one of its layers stopped it and nothing changed.

    `layers` answers by which of them what is told (`ran`, `limits`, or a sentence) can have come about.
    """
    before = fingerprint()
    # Only what a limit is to stop gets a short one: the others must not end by it on a slow machine.
    limited = "limits" in trick.without
    stopped = _bypass(target, trick.sql, path, seconds=1 if limited else 60, limited=limited)
    assert fingerprint() == before, stopped
    assert not WOULD_WRITE_TO.exists()
    assert set(layers(stopped)) & set(trick.without.split("|")), stopped


def _bypass(target: Any, text: str, path: Path, *, seconds: float, limited: bool) -> str:
    unchecked = Checked(
        pieces=(text,), gaps=(), casts={}, tables=(), original=text, mark=dialects.of(target.adapter).mark
    )
    limits = Limits(rows=1_000, seconds=seconds, bytes=10_000_000)
    if limited and target.adapter in EMBEDDED:
        return _in_a_process(Spec(target=target, checked=unchecked, values={}, limits=limits, path=str(path)))
    try:
        with Spool(path, most=limits.bytes) as spool:
            watch = Watch(seconds + 1, lambda _: None)
            adapter(target.adapter).run(target, unchecked, {}, limits=limits, sink=spool, watch=watch)
    except Interrupted:
        return "limits"
    except (SourceError, Full) as error:
        return str(error)
    return "ran"


def _in_a_process(spec: Spec) -> str:
    async def hear(_: Progress) -> None: ...

    async def run() -> Outcome:
        return await run_in_child(spec, on_progress=hear, cancel=asyncio.Event())

    outcome = asyncio.run(run())
    if outcome.reason is None or outcome.status == "truncated":
        return "ran"
    return "limits" if "did not end" in outcome.reason else outcome.reason
