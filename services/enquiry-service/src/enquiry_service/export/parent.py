"""The worker's side of a run: starts the process, hears its progress, ends it, and cleans up after it."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from enquiry_service.export.messages import Line, Outcome, Progress, Spec

logger = logging.getLogger(__name__)

_CANCEL_GRACE = 8.0
"""Seconds that a run has to end its query at the source and to confirm it."""
_DEADLINE_GRACE = 20.0
"""Seconds beyond the run's own deadline before it is taken for stuck."""
_LONGEST_LINE = 4 * 2**20
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR")


async def run_in_child(
    spec: Spec, *, on_progress: Callable[[Progress], Awaitable[None]], cancel: asyncio.Event
) -> Outcome:
    """Run `spec` in a process of its own and answer how it ended; a failure is an outcome, not an error.

    Setting `cancel` ends the query at the source. Cancelling this coroutine does so too. The process ends when the
    worker does, however it ends.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "enquiry_service.export",
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=_environment(),
        limit=_LONGEST_LINE,
    )
    complaint = asyncio.ensure_future(_complaint(process))
    hearing = asyncio.ensure_future(_hear(process, spec, on_progress))
    try:
        return await _ended(process, spec, hearing, cancel)
    finally:
        await asyncio.shield(_clean(process, spec, hearing, complaint))


async def _ended(
    process: asyncio.subprocess.Process, spec: Spec, hearing: asyncio.Future[Outcome | None], cancel: asyncio.Event
) -> Outcome:
    wanted = asyncio.ensure_future(cancel.wait())
    try:
        most = spec.limits.seconds + _DEADLINE_GRACE
        either: set[asyncio.Future[Any]] = {hearing, wanted}
        await asyncio.wait(either, timeout=most, return_when=asyncio.FIRST_COMPLETED)
        if not hearing.done():
            _signal(process, signal.SIGTERM)
            await asyncio.wait({hearing}, timeout=_CANCEL_GRACE)
    finally:
        wanted.cancel()
    outcome = hearing.result() if hearing.done() else None
    if outcome is not None:
        return outcome
    if cancel.is_set():
        reason = "The run was cancelled; the source did not confirm that its query is gone."
        return Outcome(status="cancelled", reason=reason, backend_gone=False)
    return Outcome(status="failed", reason="The process of the run was ended before the result was whole.")


async def _hear(
    process: asyncio.subprocess.Process, spec: Spec, on_progress: Callable[[Progress], Awaitable[None]]
) -> Outcome | None:
    assert process.stdin is not None  # noqa: S101 - asked for as a pipe above
    assert process.stdout is not None  # noqa: S101 - as above
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(spec.model_dump_json().encode())
        await process.stdin.drain()
    process.stdin.close()
    async for text in process.stdout:
        line = Line.model_validate_json(text)
        if line.outcome is not None:
            return line.outcome
        if line.progress is not None:
            await on_progress(line.progress)
    return None


async def _complaint(process: asyncio.subprocess.Process) -> bytes:
    """Read what the process says in its distress, and keep the end of it."""
    assert process.stderr is not None  # noqa: S101 - asked for as a pipe
    kept = b""
    while block := await process.stderr.read(4_096):
        kept = (kept + block)[-4_096:]
    return kept


async def _clean(
    process: asyncio.subprocess.Process,
    spec: Spec,
    hearing: asyncio.Future[Outcome | None],
    complaint: asyncio.Future[bytes],
) -> None:
    if not hearing.done():
        _signal(process, signal.SIGTERM)
        await asyncio.wait({hearing}, timeout=_CANCEL_GRACE)
    try:
        await asyncio.wait_for(process.wait(), timeout=1 if hearing.done() else 0.1)
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await process.wait()
    hearing.cancel()
    text = (await complaint).decode(errors="replace")
    if process.returncode:
        logger.error("The process of a run ended with %s: %s", process.returncode, text)
        # It could not tidy up itself.
        part = Path(spec.path + ".part")
        await asyncio.to_thread(part.unlink, missing_ok=True)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _environment() -> dict[str, str]:
    """Answer what the process needs, and none of our secrets or of libpq's own settings."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return kept | {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
