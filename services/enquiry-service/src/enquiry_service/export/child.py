"""The process of one run: confines itself, runs the query, spools the result, and tells how it went."""

import ctypes
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from enquiry_service.export.messages import NOT_AS_IT_IS, Line, Outcome, Progress, Spec
from enquiry_service.export.spool import Full, Spool
from enquiry_service.export.watch import Watch
from enquiry_service.sources import Phase, Quoted, SourceError, adapter

_PR_SET_PDEATHSIG = 1
_SLACK = 2**20


def main() -> int:
    """Read a Spec from standard input, run it, write lines of progress and at last the outcome."""
    parent = int(sys.argv[1])
    _die_with(parent)
    spec = Spec.model_validate_json(sys.stdin.buffer.read())
    _confine(spec)
    _say(Line(outcome=perform(spec)))
    return 0


def perform(spec: Spec) -> Outcome:
    """Run it; whatever happens becomes an outcome."""
    try:
        with Spool(Path(spec.path), most=spec.limits.bytes) as spool:
            return _spooled(spec, spool)
    except Full as full:
        return Outcome(status="failed", reason=str(full))
    except OSError as error:
        return Outcome(status="failed", reason=f"The result cannot be stored: {error.strerror}.")


def _spooled(spec: Spec, spool: Spool) -> Outcome:
    def report(phase: Phase) -> None:
        at: Phase = "spooling" if phase == "running" and spool.rows else phase
        _say(Line(progress=Progress(phase=at, rows=spool.rows, bytes=spool.bytes)))

    watch = Watch(spec.limits.seconds, report)
    with watch.watching():
        try:
            ending = adapter(spec.target.adapter).run(
                spec.target, spec.checked, spec.values, limits=spec.limits, sink=spool, watch=watch
            )
            watch.phase("spooling")
            spool.keep()
        except SourceError as error:
            return _stopped(spec, watch, error)
        except MemoryError:
            return _failed(watch, f"A row of the result does not fit into the {spec.memory} bytes that a run may use.")
        except Full as full:
            return _failed(watch, str(full))
        except OSError as error:
            return _failed(watch, f"The result cannot be stored: {error.strerror}.")
    return Outcome(
        status="truncated" if ending.truncated else "done",
        reason=f"The result was cut at {spec.limits.rows} rows." if ending.truncated else None,
        rows=spool.rows,
        bytes=spool.bytes,
        sha256=spool.sha256,
        columns=ending.columns,
    )


def _stopped(spec: Spec, watch: Watch, error: SourceError) -> Outcome:
    if watch.stopped == "cancelled":
        return Outcome(status="cancelled", reason="The run was cancelled.", backend_gone=watch.backend_gone)
    if watch.stopped == "deadline":
        return _failed(watch, f"The run did not end within its {spec.limits.seconds:g} s and was ended at the source.")
    if isinstance(error, Quoted):  # a run is seen by those who may not see its SQL
        return _failed(watch, NOT_AS_IT_IS)
    return _failed(watch, str(error))


def _failed(watch: Watch, reason: str) -> Outcome:
    return Outcome(status="failed", reason=reason, backend_gone=watch.backend_gone)


def _confine(spec: Spec) -> None:
    """Leave no core (it would hold the secret), and take no more than a run may."""
    seconds = int(spec.limits.seconds) + 60
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_AS, spec.memory),
        (resource.RLIMIT_FSIZE, spec.limits.bytes + _SLACK),
        (resource.RLIMIT_CPU, seconds),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))
    os.umask(0o077)


def _die_with(parent: int) -> None:
    """Be told by SIGTERM when the worker dies, however it dies (Linux; elsewhere the worker's clean-up has to do)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit("The worker that started this run is gone.")


_lock = threading.Lock()


def _say(line: Line) -> None:
    text = line.model_dump_json() + "\n"
    with _lock:
        try:
            os.write(1, text.encode())
        except BrokenPipeError:
            # Nobody listens any more: the signal that the worker died is on its way.
            return
