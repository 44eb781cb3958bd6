"""Child processes that end when we do, however we end: `kill -9` too.

Linux sends a child the signal that it asked for when the thread that made it dies, so children are made from the
main thread. macOS has no such thing: there, after `kill -9` of the parent, the children stay and must be ended by
hand; every orderly end works.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from lodge_local import accounts

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def bound(account: accounts.Account | None = None, *, at_our_death: signal.Signals = signal.SIGKILL) -> dict[str, Any]:
    """Answer the `Popen` arguments of a child in a session of its own that gets `at_our_death` when we die."""
    return {
        "preexec_fn": _ends_with(os.getpid(), at_our_death),
        "start_new_session": True,
        **accounts.options(account),
    }


def end_with_make() -> None:
    """Stop when a `make` that started us dies, so that killing what a person started leaves nothing behind."""
    if _libc is not None and _program_of(os.getppid()) in {"make", "gmake"}:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _ends_with(parent: int, number: signal.Signals) -> Callable[[], None]:
    def in_the_child() -> None:
        # Runs after the change of user, which would clear the request.
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(number))
            if os.getppid() != parent:  # it died before we asked
                os._exit(1)

    return in_the_child


def _program_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm") as name:  # noqa: PTH123 - a kernel file
            return name.read().strip()
    except OSError:
        return ""
