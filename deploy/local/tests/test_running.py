"""`python -m lodge_local run` as a person meets it, with stand-ins for the services."""

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from lodge_local import ports, postgres
from lodge_local.databases import create_database
from lodge_local.home import Home
from lodge_local.suite import ACCESS, GATEWAY, SERVICES, Suite

WaitFor = Callable[[Callable[[], object]], None]
STAND_INS = Path(__file__).parent / "stand_ins"


class Runner:
    """Starts `lodge_local run` with stand-ins for the deployables, and ends whatever a test left."""

    def __init__(self, folder: Path, port: int) -> None:
        packages = folder / "packages"
        for name in ("gateway", "access_service", "enquiry_service", "release_service"):
            (packages / name).mkdir(parents=True)
            (packages / name / "__init__.py").touch()
            (packages / name / "__main__.py").write_text(f"import stand_in\nstand_in.main({name!r})\n")
        self.home = folder / "home"
        self.port = port
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": f"{packages}:{STAND_INS}",
            "LODGE_HOME": str(self.home),
            "LODGE_PORT": str(port),
            "LODGE_DEMO": "0",
        }
        self.started: list[subprocess.Popen[str]] = []
        self.output = folder / "output"

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start it; `is_ready` says when it is."""
        with self.output.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lodge_local", "run"],
                env=self.environment | environment, stdout=output, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def refused(self, **environment: str) -> str:
        """Answer what a start that must fail says."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "lodge_local", "run"],
            env=self.environment | environment, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip()

    def is_ready(self) -> bool:
        """Say whether it has told so; fail where it has ended."""
        assert self.started[-1].poll() is None, self.output.read_text()
        return "Lodge is ready" in self.output.read_text()


@pytest.fixture
def runner(open_folder: Path, base_port: int) -> Iterator[Runner]:
    made = Runner(open_folder, base_port)
    yield made
    for process in made.started:
        process.terminate()
        process.wait(30)
    if made.home.exists():
        home = Home(made.home)
        postgres.Cluster(home, port=0).clear()
        home.close()


def times_migrated(runner: Runner, service: str) -> int:
    url = (runner.home / "secrets" / f"{service}-service" / f"lodge_{service}_database_url").read_text().strip()
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM migrated").fetchone()
        assert row is not None
        return int(row[0])


def left_of(runner: Runner) -> list[str]:
    """Answer the processes of a run that are still there."""
    mine = [str(runner.home), *(f"LODGE_HOME={runner.home}",)]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if any(os.fsencode(word) in known for word in mine) and int(process.name) != os.getpid():
            found.append(process.name)
    return found


def test_it_starts_everything_tells_where_and_stops_everything(runner: Runner, wait_for: WaitFor) -> None:
    process = runner.start()
    wait_for(runner.is_ready)
    told = runner.output.read_text()
    assert f"http://127.0.0.1:{runner.port}" in told
    assert "lodge_key_of_a_stand_in" in told
    assert told.count("  curl -H") == 3
    for name in ("access-service serve", "access-service work", "release-service work", "gateway"):
        assert f"{name:<21} | " in told
    logged = (runner.home / "lodge.log").read_text()
    assert "gateway               | 2026-01-01T00:00:00Z [info     ] request /access/v1/me" in logged
    assert "gateway serve begins" in logged
    assert "[info" not in told, "a line a request would scroll away what it tells"
    assert f"{runner.home}/lodge.log" in told
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert left_of(runner) == []
    assert (runner.home / "postgres.log").read_text().count("database system is shut down") == 1


def test_a_second_start_keeps_the_data_and_the_secrets(runner: Runner, wait_for: WaitFor) -> None:
    secrets: list[dict[str, str]] = []
    for _ in range(2):
        process = runner.start()
        wait_for(runner.is_ready)
        files = [file for file in (runner.home / "secrets").rglob("*") if file.is_file()]
        assert {file.stat().st_mode & 0o777 for file in files if "service_key" not in file.name} == {0o600}
        secrets.append({str(file): file.read_text() for file in files})
        times = times_migrated(runner, "access")
        process.terminate()
        assert process.wait(20) == 0
    assert secrets[0] == secrets[1]
    assert times == 2


def test_after_a_kill_nothing_is_left_and_the_next_start_recovers(runner: Runner, wait_for: WaitFor) -> None:
    process = runner.start()
    wait_for(runner.is_ready)
    process.kill()
    process.wait()
    wait_for(lambda: left_of(runner) == [])
    runner.start()
    wait_for(runner.is_ready)
    assert times_migrated(runner, "enquiry") == 2


def test_a_second_start_on_the_same_home_is_refused(runner: Runner, wait_for: WaitFor) -> None:
    process = runner.start()
    wait_for(runner.is_ready)
    assert runner.refused() == (
        f"lodge: Lodge already runs from {runner.home} (process {process.pid}): stop it first, or set LODGE_HOME and"
        " LODGE_PORT for a second one."
    )


def test_a_port_in_use_is_named_with_its_setting(runner: Runner) -> None:
    with socket.create_server((ports.HOST, runner.port + 2)):
        said = runner.refused()
    assert said.startswith(
        f"lodge: Port {runner.port + 2}, wanted for enquiry-service, is in use: stop what has it, or set"
    )
    assert "LODGE_PORT" in said


@pytest.mark.parametrize("port", ["http", "0", "65530", "-1"])
def test_a_port_that_is_none_is_refused(runner: Runner, port: str) -> None:
    assert runner.refused(LODGE_PORT=port).startswith(f"lodge: LODGE_PORT={port} is no port: give a number from 1 to")


def test_a_folder_that_cannot_be_written_is_named(runner: Runner) -> None:
    said = runner.refused(LODGE_HOME="/dev/null/home")
    assert said.startswith("lodge: /dev/null/home cannot be written (not a directory): set LODGE_HOME to a folder")


def test_a_migration_that_fails_is_named_and_stops_all(runner: Runner) -> None:
    said = runner.refused(STAND_IN_FAILS="release_service migrate")
    assert said == "lodge: release-service migrate ended with status 1: the stand-in was told to fail"
    assert left_of(runner) == []


def test_settings_that_are_wrong_stop_all_at_once(runner: Runner) -> None:
    said = runner.refused(STAND_IN_IS_SET_WRONG="gateway serve")
    assert said == "lodge: gateway cannot start: Settings: the stand-in was told so"
    assert left_of(runner) == []


def test_a_secret_that_is_none_is_named(runner: Runner) -> None:
    (runner.home / "secrets" / "release-service" / "lodge_audit_key").mkdir(parents=True)
    said = runner.refused()
    assert said.startswith(f"lodge: {runner.home}/secrets/release-service/lodge_audit_key cannot be read or made (is a")


def test_an_administrators_key_that_is_gone_keeps_nobody_from_starting(runner: Runner, wait_for: WaitFor) -> None:
    runner.start(STAND_IN_HAS_ADMINISTRATOR="1")
    wait_for(runner.is_ready)
    told = runner.output.read_text()
    assert f"{runner.home}/admin-key has none that opens this Lodge" in told
    assert "curl" not in told


def test_two_database_urls_of_three_are_refused(runner: Runner) -> None:
    said = runner.refused(LODGE_ACCESS_DATABASE_URL="postgresql:///a", LODGE_RELEASE_DATABASE_URL="postgresql:///r")
    assert said == "lodge: LODGE_ENQUIRY_DATABASE_URL missing: set the database URLs of all three services, or of none."


def test_with_databases_of_ones_own_no_postgresql_is_started(runner: Runner, home: Home, wait_for: WaitFor) -> None:
    with postgres.running(home, port=ports.free(), throwaway=True) as cluster:
        urls = {each.database_setting: create_database(cluster.url, each.database, password="x") for each in SERVICES}
        process = runner.start(**urls)
        wait_for(runner.is_ready)
        assert not (runner.home / "postgres").exists()
        assert times_migrated(runner, "release") == 1
        process.terminate()
        assert process.wait(20) == 0


def test_a_deployable_is_told_nothing_of_the_others(home: Home) -> None:
    set_by_a_person = {
        "LODGE_RELEASE_DATABASE_URL": "postgresql://secret",
        "LODGE_ACCESS_DATABASE_URL": "postgresql://own",
        "LODGE_ACCESS_POOL": "7",
        "LODGE_TIME_ZONE": "Europe/Paris",
        "PATH": "/bin",
    }
    suite = Suite(home, 9000, set_by_a_person)
    told = suite.migrate(ACCESS).environment
    assert told is not None
    assert "postgresql://secret" not in told.values()
    assert "postgresql://own" not in told.values(), "it is in a file, which other users cannot read"
    assert told["LODGE_ACCESS_POOL"] == "7"
    assert told["LODGE_TIME_ZONE"] == "Europe/Paris"
    assert told["LODGE_ACCESS_PORT"] == "9001"
    assert told["LODGE_GATEWAY_URL"] == "http://127.0.0.1:9000"
    assert told["LODGE_SECRETS_DIR"] == str(home.folder / "secrets" / "access-service")
    gateways = suite.gateway().environment
    assert gateways is not None
    assert "LODGE_ACCESS_POOL" not in gateways
    assert gateways["LODGE_SECRETS_DIR"] == str(home.folder / "secrets" / GATEWAY.name)


def test_it_ends_with_the_make_that_started_it(runner: Runner, open_folder: Path, wait_for: WaitFor) -> None:
    (open_folder / "Makefile").write_text(f"run:\n\t@{shlex.quote(sys.executable)} -P -m lodge_local run\n")
    with runner.output.open("w") as output:
        make = subprocess.Popen(["make", "-C", open_folder, "run"], env=runner.environment, stdout=output)
    wait_for(lambda: "Lodge is ready" in runner.output.read_text())
    make.kill()
    make.wait()
    wait_for(lambda: left_of(runner) == [])
