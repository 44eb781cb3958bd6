"""Whom PostgreSQL runs as: it refuses to run as root, so root lends it the account `nobody`."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodge_local.failures import Failed


@dataclass(frozen=True)
class Account:
    """A user of this machine, other than the one who runs us."""

    name: str
    uid: int
    gid: int

    def options(self) -> dict[str, Any]:
        """Answer the arguments of `subprocess.Popen` that run a program as this user, with no groups of ours."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def for_postgres() -> Account | None:
    """Answer `nobody` where we are root, and None where we are an ordinary user, who may do it as he is."""
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        raise Failed(
            "PostgreSQL does not run as root, and this machine has no user 'nobody' to run it as:"
            " start Lodge as an ordinary user, or set the three LODGE_…_DATABASE_URL to a PostgreSQL of your own."
        ) from None
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def options(account: Account | None) -> dict[str, Any]:
    """Answer `Popen` arguments for an account, or none of them for ourselves."""
    return account.options() if account else {}


def may_enter(account: Account | None, folder: Path) -> bool:
    """Say whether the account may pass through `folder`. Tried rather than computed, so that ACLs count too."""
    tried = subprocess.run(  # noqa: S603 - the shell's own test, the folder as an argument
        ["/bin/sh", "-c", 'test -x "$1/."', "sh", str(folder)],
        cwd="/", check=False, capture_output=True, **options(account),
    )  # fmt: skip
    return tried.returncode == 0


def give(account: Account | None, path: Path, mode: int) -> None:
    """Make `path` the account's own, with `mode`."""
    if account:
        os.chown(path, account.uid, account.gid)
    path.chmod(mode)
