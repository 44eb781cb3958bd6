"""What the repository itself must hold to."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OF_PEOPLE = {
    "description",
    "display_name",
    "email",
    "given_name",
    "family_name",
    "label",
    "note",
    "reason",
    "user_name",
}
"""What facts of the audit are called that say something of a person, or that somebody was free to write."""


@pytest.fixture(scope="module")
def lock() -> str:
    return (ROOT / "requirements.lock").read_text()


def test_the_lock_holds_no_address(lock: str) -> None:
    assert not re.search(r"https?:|//|--(extra-)?index-url|--find-links", lock)


def test_everything_in_the_lock_is_pinned_and_hashed(lock: str) -> None:
    requirements = re.split(r"\n(?=[A-Za-z0-9])", lock.strip())
    assert len(requirements) > 100
    for requirement in requirements:
        assert re.match(r"[A-Za-z0-9._-]+==\S+", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]


def test_no_member_is_in_the_lock(lock: str) -> None:
    assert not re.search(r"^lodge", lock, re.MULTILINE)


def test_no_other_lock_file_is_kept() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone of the repository")
    names = {Path(name).name for name in listed.stdout.splitlines()}
    assert names.isdisjoint({"uv.lock", "poetry.lock", "package-lock.json", "yarn.lock"})


def test_transactions_are_committed_in_one_place_only() -> None:
    places = {
        path.relative_to(ROOT).as_posix()
        for folder in ("shared/src", "services", "gateway/src")
        for path in (ROOT / folder).rglob("*.py")
        if "/tests/" not in path.as_posix() and re.search(r"\bsession\.commit\(", path.read_text())
    }
    assert places == {"shared/src/lodge_kit/database.py"}


def test_rules_and_verbs_ask_no_clock_of_their_own() -> None:
    nouns = [path for path in (ROOT / "services").glob("*/src/*/*.py") if path.name != "__main__.py"]
    asking = [path.name for path in nouns if re.search(r"datetime\.now\(|date\.today\(|utcnow\(", path.read_text())]
    assert asking == []


def test_what_the_audit_says_of_people_lies_where_it_can_be_erased() -> None:
    calls = [call for folder in ("shared/src", "services") for call in _recorded(ROOT / folder)]
    assert len(calls) > 40
    for place, told in calls:
        personal = {one.value for one in ast.walk(told.get("personal", ast.Set([]))) if isinstance(one, ast.Constant)}
        assert told.keys() & OF_PEOPLE <= personal, f"{place} tells something of a person: name it in personal="
        assert "**" not in told or "personal" in told, (
            f"{place} tells who knows what: say in personal= what is of people"
        )


def _recorded(folder: Path) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Yield where `audit.record` is called, and what each call tells."""
    for path in folder.rglob("*.py"):
        if "/tests/" in path.as_posix():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("audit.record", "recording.record"):
                yield path.relative_to(ROOT).as_posix(), {one.arg or "**": one.value for one in node.keywords}
