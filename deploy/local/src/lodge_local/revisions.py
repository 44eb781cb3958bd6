"""Whether a database is where a service's code wants it: a query, where `migrate` takes a second to start.

The revisions are read as text, since to import them is to import Alembic. Where there is any doubt the answer is no,
and `migrate` says or does what is needed.
"""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

KIT = "lodge_kit"


def is_current(package: str, url: str) -> bool:
    """Say whether the database at `url` has every migration of a service, access_service, and no other."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            found = {revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")}
    except psycopg.Error:
        return False
    return found == heads(package)


def heads(package: str) -> set[str]:
    """Answer the revisions that nothing follows: the service's last one, and the kit's."""
    files = [file for owner in (KIT, package) for file in _files(owner)]
    written, followed = set(), set()
    for file in files:
        says = _assigned(file)
        written.add(says["revision"])
        before = says["down_revision"]
        followed |= set(before) if isinstance(before, tuple) else {before}
    return written - followed


def _files(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(f"{package}.migrations")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from Path(folder, "versions").glob("*.py")


def _assigned(file: Path) -> dict[str, Any]:
    """Read what the revision says of itself."""
    return {
        name.id: ast.literal_eval(node.value)
        for node in ast.parse(file.read_bytes()).body
        if isinstance(node, ast.Assign)
        for name in node.targets
        if isinstance(name, ast.Name) and name.id in ("revision", "down_revision")
    }
