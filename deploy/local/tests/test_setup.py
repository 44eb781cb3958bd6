"""`deploy/local/setup` on machines that lack something, made of a folder of tools and stand-ins for Python and uv."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "setup"
TOOLS = ("awk", "cat", "cksum", "dirname", "grep", "head", "mkdir", "rm", "sh")
MEMBERS = ("shared", "gateway", "services/access-service", "services/enquiry-service", "services/release-service")
UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
if [ "$1" = venv ]; then mkdir -p .venv/bin && cp "$PYTHON_STAND_IN" .venv/bin/python; fi
"""


class Machine:
    """A clone on a machine with just these tools."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "a clone"
        self.tools = folder / "bin"
        self.calls = folder / "calls"
        self.tools.mkdir()
        for tool in (*TOOLS, "cp"):
            (self.tools / tool).symlink_to(str(shutil.which(tool)))
        for member in (*MEMBERS, "deploy/local"):
            (self.clone / member).mkdir(parents=True)
            (self.clone / member / "pyproject.toml").touch()
        (self.clone / "requirements.lock").write_text("uv==1.0 \\\n    --hash=sha256:00\n    # via x\nother==2\n")
        shutil.copy(SETUP, self.clone / "deploy" / "local")

    def has(self, tool: str, program: str) -> None:
        (self.tools / tool).write_text(program)
        (self.tools / tool).chmod(0o755)

    def has_python(self, version: str, *, without: str = "nothing") -> None:
        """Give it a Python that says this version, and fails when it is asked for `without`."""
        new_enough = int(version.split(".")[1]) >= 11
        self.has(
            "python3",
            f"""#!/bin/sh
echo "python3 $*" >>"$CALLS"
case "$*" in
  -V) echo "Python {version}" ;;
  *version_info*) exit {0 if new_enough else 1} ;;
  {without}) exit 1 ;;
  *'-m venv'*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *install*) cp "$UV_STAND_IN" .venv/bin/uv ;;
esac
""",
        )

    def set_up(self) -> subprocess.CompletedProcess[str]:
        uv = self.tools.parent / "uv"
        uv.write_text(UV)
        uv.chmod(0o755)
        self.calls.write_text("")
        environment = {
            "PATH": str(self.tools), "HOME": str(self.tools.parent), "CALLS": str(self.calls),
            "UV_STAND_IN": str(uv), "PYTHON_STAND_IN": str(self.tools / "python3"),
        }  # fmt: skip
        return subprocess.run(
            [self.clone / "deploy" / "local" / "setup"],
            cwd="/", env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def called(self) -> str:
        return self.calls.read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_with_uv_the_environment_is_the_lock_and_then_the_members(machine: Machine) -> None:
    machine.has_python("3.12.1")
    machine.has("uv", UV)
    done = machine.set_up()
    assert (done.returncode, done.stderr) == (0, "")
    sync, install = [line for line in machine.called().splitlines() if line.startswith("uv pip")]
    assert sync.startswith("uv pip sync -q")
    assert "--require-hashes --compile-bytecode requirements.lock" in sync
    assert "--no-deps --no-build-isolation -e ./shared -e ./gateway" in install


def test_a_second_time_does_nothing_until_the_lock_changes(machine: Machine) -> None:
    machine.has_python("3.11.2")
    machine.has("uv", UV)
    machine.set_up()
    again = machine.set_up()
    assert (again.returncode, again.stdout, "uv" in machine.called()) == (0, "", False)
    (machine.clone / "requirements.lock").write_text("other==3\n")
    assert "uv pip sync" in (machine.set_up(), machine.called())[1]
    assert "uv venv" not in machine.called()


def test_a_clone_that_was_moved_makes_its_environment_anew(machine: Machine) -> None:
    machine.has_python("3.11.2")
    machine.has("uv", UV)
    machine.set_up()
    machine.clone = machine.clone.rename(machine.clone.with_name("elsewhere"))
    assert machine.set_up().returncode == 0
    assert "uv venv" in machine.called()


def test_without_uv_pip_brings_the_locked_one(machine: Machine) -> None:
    machine.has_python("3.11.2")
    done = machine.set_up()
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        "-m pip install -q --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.lock" in machine.called()
    )
    assert (machine.clone / ".venv" / "uv.lock").read_text() == "uv==1.0 \\\n    --hash=sha256:00\n"
    assert "uv pip sync" in machine.called()


def test_without_ensurepip_the_machines_pip_fills_an_environment_without_pip(machine: Machine) -> None:
    machine.has_python("3.11.2", without="*ensurepip*")
    done = machine.set_up()
    assert (done.returncode, done.stderr) == (0, "")
    assert "-m venv --without-pip .venv" in machine.called()


@pytest.mark.parametrize("version", ["3.9.2", "3.10.14"])
def test_an_old_python_is_refused_with_its_version(machine: Machine, version: str) -> None:
    machine.has_python(version)
    done = machine.set_up()
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"lodge: Python 3.11 or later is needed and was not found (python3 is Python {version})"
    )


def test_without_uv_venv_and_pip_one_sentence_says_what_to_install(machine: Machine) -> None:
    machine.has_python("3.11.2", without="*ensurepip* | *pip*")
    done = machine.set_up()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "install uv, or python3-venv" in done.stderr
    assert not (machine.clone / ".venv").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_clone_that_cannot_be_written_is_refused(machine: Machine) -> None:
    machine.has_python("3.11.2")
    machine.clone.chmod(0o555)
    done = machine.set_up()
    machine.clone.chmod(0o755)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
