"""LODGE_HOME: the one folder that a run keeps. Laid out here, locked while a run uses it.

lock                      held by the run that uses the home; its process id
admin-key                 the first administrator's API key
secrets/<deployable>/     what LODGE_SECRETS_DIR of that deployable is; a file a setting
secrets/postgres/         passwords of the private PostgreSQL
postgres                  the path of the folder that the private PostgreSQL lives in
postgres.lock, postgres.log
database/                 that folder, unless PostgreSQL's user may not come here
artifacts/                results of reports
lodge.log                 what the suite's processes said; older: lodge.log.1 and on
demonstration             whether the demonstration data was loaded, and from which day: see `offer`
secrets/sources/          passwords of data sources, a file each
gateway.toml              what the gateway is told of the demonstration's issuer
issuer.log                what that issuer said
"""

import fcntl
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from lodge_local.failures import Failed

_FOR_PASSING = 0o711
"""PostgreSQL's user passes through to its own folder and sees nothing else."""


class Home:
    """A home that can be written to. `claim` keeps any other run out of it until the process ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.is_new = not (self.folder / "secrets").exists()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.is_new:
                self.folder.chmod(_FOR_PASSING)
            self.private("secrets")
            self._lock: IO[str] = (self.folder / "lock").open("a+")
        except OSError as error:
            raise Failed(
                f"{self.folder} cannot be written ({(error.strerror or str(error)).lower()}):"
                " set LODGE_HOME to a folder that you may write in."
            ) from None

    @property
    def admin_key(self) -> Path:
        """The file of the first administrator's API key."""
        return self.folder / "admin-key"

    @property
    def log(self) -> Path:
        """The file that has every line of the suite's processes."""
        return self.folder / "lodge.log"

    def claim(self) -> None:
        """Keep other runs out. The system lets go when this process ends, however it ends."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            raise Failed(
                f"Lodge already runs from {self.folder} (process {holder}): stop it first, or set LODGE_HOME and"
                " LODGE_PORT for a second one."
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()

    def close(self) -> None:
        """Let the home go."""
        self._lock.close()

    def private(self, *parts: str) -> Path:
        """Answer a folder of the home that only its owner may look into; made where it is missing."""
        folder = self.folder
        for part in parts:
            folder /= part
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        return folder

    def secrets(self, deployable: str) -> Path:
        """Answer the folder of one deployable's secrets: its LODGE_SECRETS_DIR."""
        return self.private("secrets", deployable)

    def kept(self, deployable: str, name: str, make: Callable[[], str]) -> str:
        """Answer a secret, made and written where there is none yet."""
        file = self.secrets(deployable) / name
        try:
            if not file.exists():
                write_secret(file, make())
            return file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = (getattr(error, "strerror", None) or "no text").lower()
            raise Failed(f"{file} cannot be read or made ({reason}): put a good one in its place.") from None


def write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner reads; whoever looks finds the old one or the new one, whole."""
    coming = file.with_name(f".{file.name}.{os.getpid()}")
    coming.unlink(missing_ok=True)
    with os.fdopen(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text + "\n")
        out.flush()
        os.fsync(out.fileno())
    coming.replace(file)


def password() -> str:
    """Make a password that needs no quoting in a URL."""
    return secrets.token_urlsafe(24)
