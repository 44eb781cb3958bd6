"""The command of the first start: safe to call again, and after one that broke off."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from access_service.settings import Settings
from lodge_kit.testing.databases import Databases


@pytest.fixture
def url(settings: Settings) -> str:
    return settings.database_url.get_secret_value()


def bootstrap(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    files = ["--key-file", str(folder / "admin-key"), "--service-key", f"enquiry={folder / 'enquiry-key'}"]
    environment = os.environ | {"LODGE_ACCESS_DATABASE_URL": url, "LODGE_SEALING_KEYS": KEY, "LODGE_AUDIT_KEY": "a"}
    asked = [sys.executable, "-m", "access_service", "bootstrap", *files]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, check=False, timeout=60)


KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def keys(url: str) -> int:
    with psycopg.connect(url) as database:
        found: tuple[int] | None = database.execute("SELECT count(*) FROM api_key").fetchone()
    return found[0] if found else 0


def test_the_first_start_writes_the_keys_once_and_prints_none(url: str, tmp_path: Path) -> None:
    first = bootstrap(url, tmp_path)
    assert (first.returncode, first.stdout) == (0, "The first administrator was made.\n"), first.stderr
    written = [(tmp_path / name).read_text() for name in ("admin-key", "enquiry-key")]
    assert all(key.startswith("lodge_") for key in written)
    assert stat.S_IMODE((tmp_path / "admin-key").stat().st_mode) == 0o600
    assert not any(key.strip() in first.stdout + first.stderr for key in written)
    second = bootstrap(url, tmp_path)
    assert (second.returncode, second.stdout) == (0, "There is an administrator already.\n")
    assert [(tmp_path / name).read_text() for name in ("admin-key", "enquiry-key")] == written
    assert keys(url) == 2


@pytest.mark.parametrize("left", ["lodge_0_dead\n", "", "\0nonsense"])
def test_a_services_key_that_does_not_work_is_made_anew(url: str, tmp_path: Path, left: str) -> None:
    (tmp_path / "enquiry-key").write_text(left)
    assert bootstrap(url, tmp_path).returncode == 0
    assert keys(url) == 2


def test_a_key_that_cannot_be_written_is_not_made(url: str, tmp_path: Path) -> None:
    (tmp_path / "admin-key").mkdir()
    ended = bootstrap(url, tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("The key could not be written")
    assert ended.stderr.count("\n") == 1
    assert keys(url) == 0


def test_a_database_that_is_away_is_one_sentence(databases: Databases, tmp_path: Path) -> None:
    ended = bootstrap(databases.url("no_such_database"), tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "no_such_database" in ended.stderr
