"""Real release histories: the newest by our ordering is what the vendor calls its latest.

The data is no part of this project. `LODGE_CONFORMANCE` names its folder; by default it lies beside the project.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from release_service.labels import Naming, Unwanted
from release_service.versions import Scheme, UnreadableVersion, newest, parse

_BESIDE = Path(__file__).parents[2].parent / "shared" / "conformance"
FOLDER = Path(os.environ.get("LODGE_CONFORMANCE") or _BESIDE) / "releases"
LEAST_SHARE = 0.995


def conformance(name: str) -> Any:
    file = FOLDER / name
    if not file.is_file():
        pytest.skip(f"{name} is not in {FOLDER}: set LODGE_CONFORMANCE to the folder of the public test data")
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_newest_is_the_vendors_latest() -> None:
    cases = conformance("ordering_sample.json")["cases"]
    shuffled = random.Random(2)  # noqa: S311 - a fixed shuffle
    wrong = []
    for case in cases:
        texts = shuffled.sample(case["versions"], len(case["versions"]))
        found = newest(parse(Scheme.MAVEN, text) for text in texts)
        if str(found) != case["latest"]:
            wrong.append(f"{case['product']} {case['cycle']}: {found}, not {case['latest']}")
    share = 1 - len(wrong) / len(cases)
    print(f"The newest is the vendor's latest in {share:.2%} of {len(cases)} cycles.")  # noqa: T201 - the figure is asked for
    assert share >= LEAST_SHARE, "\n".join(wrong)


def test_every_latest_of_real_products_is_read() -> None:
    products = conformance("eol_extract.json")["products"]
    latest = [cycle["latest"] for product in products.values() for cycle in product["cycles"] if cycle.get("latest")]
    unread = []
    for text in latest:
        try:
            Naming(prereleases=True).version(text)
        except (Unwanted, UnreadableVersion) as why:
            unread.append(str(why))
    assert len(unread) <= (1 - LEAST_SHARE) * len(latest), "\n".join(unread)
