"""The log of a run, `lodge.log` of its home: what every process says, each line with the process's name before it.

The terminal is told what a person should see; a line a request would scroll it away.
"""

import logging
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path

_LARGEST = 20_000_000
_OLDER = 3
_ROUTINE = re.compile(r'\d{4}-\S+ \[(?:debug|info) *\] |\{.*"level": ?"(?:debug|info)"')
"""How a line of `lodge_kit.logs` begins that is no warning: as text, or as JSON."""


def is_routine(line: str) -> bool:
    """Say whether a line is for the log alone. What is no log line, a traceback or a last word, never is."""
    return _ROUTINE.match(line) is not None


class Log(RotatingFileHandler):
    """Takes lines; the file is put aside when it is full, and the oldest of those goes."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=_LARGEST, backupCount=_OLDER, encoding="utf-8", errors="replace", delay=True)

    def write(self, line: str) -> None:
        """Write a line at once."""
        self.emit(logging.makeLogRecord({"msg": line}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Go on without the log: a full disk stops the database soon enough, with a sentence of its own."""
