"""The file that a run makes: written beside its final name, hashed on the way, renamed when it is whole and on disk."""

import fcntl
import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from enquiry_service.sources import Buffer


class Full(Exception):  # noqa: N818 - it is what happened, not a mistake
    """The result is larger than the run may make, or than the storage holds; the sentence says which."""


class Spool:
    """A file in the making. Leaving the `with` without `keep` removes it."""

    def __init__(self, path: Path, *, most: int) -> None:
        self.rows = 0
        self.bytes = 0
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._most = most
        self._hash = hashlib.sha256()
        self._kept = False

    def __enter__(self) -> Self:
        self._file = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # One writer: a part whose writer was killed is taken over, one that is being written is not.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise Full(f"{self._path.name} is being written by another process.") from None
        os.ftruncate(self._file, 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._kept:
            self._part.unlink(missing_ok=True)
        os.close(self._file)

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal."""
        return self._hash.hexdigest()

    def heading(self, line: Buffer) -> None:
        """Write the first line."""
        self._write(line)

    def write_rows(self, block: Buffer, count: int) -> None:
        """Write and count some rows."""
        self._write(block)
        self.rows += count

    def keep(self) -> None:
        """Put the file on disk under its name."""
        os.fsync(self._file)
        self._part.rename(self._path)
        self._kept = True
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, block: Buffer) -> None:
        if self.bytes + len(block) > self._most:
            raise Full(f"The result is larger than {self._most} bytes, the most that one run may make.")
        written = 0
        with memoryview(block) as view:
            while written < len(view):
                written += os.write(self._file, view[written:])
        self._hash.update(block)
        self.bytes += len(block)
