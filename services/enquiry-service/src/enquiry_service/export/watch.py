"""The ear and the clock of a run: SIGTERM or the deadline ends the query at the source; once a second it reports.

One thread waits for the signal, so that a query which blocks the main thread can still be ended.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

from enquiry_service.sources import Interrupted, Phase

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_REPORT_SECONDS = 1.0
_CANCEL_SECONDS = 0.25
"""Between two tries to cancel: one that comes between two statements ends neither."""


class Watch:
    """Watches one run, from entering the `with` to leaving it."""

    def __init__(self, seconds: float, report: Callable[[Phase], None]) -> None:
        self.at: Phase = "starting"
        self.stopped: str | None = None
        self.backend_gone: bool | None = None
        self._deadline = time.monotonic() + seconds
        self._report = report
        self._cancel: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        thread = threading.Thread(target=self._listen, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def phase(self, name: Phase) -> None:
        """Tell what the run is at; raises Interrupted where it is to stop."""
        self.at = name
        if self.stopped:
            raise Interrupted(self.stopped)

    def attach(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` when the run is to stop, again and again until `detach`."""
        with self._lock:
            self._cancel = cancel

    def detach(self) -> None:
        """The query is over: nothing is cancelled after this returns."""
        with self._lock:
            self._cancel = None

    def ended(self, *, gone: bool) -> None:
        """Keep what the source said of the query."""
        self.backend_gone = gone

    def _listen(self) -> None:
        reported = time.monotonic()
        while not self._over.is_set():
            now = time.monotonic()
            if now - reported >= _REPORT_SECONDS:
                reported = now
                self._report(self.at)
            if self.stopped:
                self._end()
                self._over.wait(_CANCEL_SECONDS)
            elif now >= self._deadline:
                self.stopped = "deadline"
            elif signal.sigtimedwait(_SIGNALS, min(0.1, self._deadline - now)):
                self.stopped = "cancelled"

    def _end(self) -> None:
        with self._lock, contextlib.suppress(Exception):
            # Whatever goes wrong, it is tried again, and the worker kills this process if that does not help.
            if self._cancel is not None:
                self._cancel()
