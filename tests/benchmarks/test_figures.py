"""What `make bench` writes; how fast anything is, no test asks."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NAMES = {"gateway-cpu", "decisions-http", "export-csv", "deliveries", "ready", "memory"}


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which is imported from the repository's root as `make bench` does it."""
    monkeypatch.syspath_prepend(ROOT)
    return import_module("tests.benchmarks.figures")


def test_the_names_that_figures_are_compared_by_stay() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "no-such-name"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    there = done.stderr.partition("There are: ")[2].strip(".\n").split(", ")
    assert set(there) >= NAMES, done.stderr


def test_a_figure_is_written_beside_its_peer_and_replaces_the_one_of_before(figures: Any, tmp_path: Path) -> None:
    keep, figure = figures.keep, figures.Figure
    file = tmp_path / "new" / "bench.json"
    keep([figure("a", 3.0, "s", "another", 1.0), figure("b", 1.0, "s", "another", 1.0)], file)
    keep([figure("a", 2.00004, "s", "another", 4.0)], file)
    assert json.loads(file.read_text()) == [
        {"name": "b", "value": 1.0, "unit": "s", "peer": "another", "peer_value": 1.0, "ratio": 1.0},
        {"name": "a", "value": 2.0, "unit": "s", "peer": "another", "peer_value": 4.0, "ratio": 0.5},
    ]


def test_the_table_shows_each_figure_in_a_line(figures: Any) -> None:
    lines = figures.table([figures.Figure("a", 12_345.6, "rows a second", "another", 2.5)]).splitlines()
    assert len(lines) == 2
    assert lines[1].split() == ["a", "12,346", "2.5", "4938.24", "rows", "a", "second", "another"]


@pytest.mark.anyio
async def test_rounds_are_taken_in_turn_and_the_medians_answered(figures: Any) -> None:
    taken: list[str] = []
    ours, theirs = iter([1.0, 9.0, 2.0]), iter([5.0, 4.0, 6.0])

    async def measure_ours() -> float:
        taken.append("ours")
        return next(ours)

    async def measure_peer() -> float:
        taken.append("peer")
        return next(theirs)

    medians = await figures.in_turn(measure_ours, measure_peer, rounds=3, within=60, tell=lambda _: None)
    assert medians == (2.0, 5.0)
    assert taken == ["ours", "peer"] * 3
    taken.clear()
    ours, theirs = iter([1.0]), iter([1.0])
    await figures.in_turn(measure_ours, measure_peer, rounds=3, within=0, tell=lambda _: None)
    assert taken == ["ours", "peer"], "one round there always is"
