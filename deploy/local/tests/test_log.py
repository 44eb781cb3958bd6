"""The log of a run."""

from contextlib import suppress
from pathlib import Path

import pytest

from lodge_local import log


def test_lines_are_there_at_once_and_a_full_file_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_LARGEST", 50)
    taking = log.Log(tmp_path / "lodge.log")
    for number in range(20):
        taking.write(f"gateway | é line {number}")
        assert (tmp_path / "lodge.log").read_text().endswith(f"line {number}\n")
    taking.close()
    assert {file.name for file in tmp_path.iterdir()} == {"lodge.log", "lodge.log.1", "lodge.log.2", "lodge.log.3"}


def test_a_log_that_cannot_be_written_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    taking = log.Log(Path("/dev/full"))
    taking.write("a line")
    taking.write("another")
    with suppress(OSError):
        taking.close()
    assert capfd.readouterr() == ("", "")
