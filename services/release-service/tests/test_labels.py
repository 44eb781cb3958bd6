"""From titles and tags to versions, by a product's own naming."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service import patterns
from release_service.labels import Naming, Unwanted, version_text
from release_service.versions import Scheme, UnreadableVersion


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Campus Records 9.7.1 released", "9.7.1"),
        ("Campus Records 9.7.1.", "9.7.1"),
        ("„9.7.1“: what is new", "9.7.1"),
        ("v2.0.0-rc.1", "2.0.0-rc.1"),
        ("release-9.7.1", "9.7.1"),
        ("Campus Finance R12.2.9 (14.4.2026)", "12.2.9"),
        ("14.04.2026: version 12", "12"),
        ("Campus Library 9.7 SP2 available", "9.7 SP2"),
        ("1.0.0+build5", "1.0.0+build5"),
        ("1.0.2.0.R3 is out", "1.0.2.0.R3"),
        ("CVE-2026-12345 fixed in 9.7.1", "9.7.1"),
        ("Release 42", "42"),
        ("Support for 9.x ends", None),
        ("Support for 9.75.x ends", None),
        ("HESA update 2025/26", None),
        ("Maintenance on Tuesday, 14.04.2026", None),
        ("A user group meeting", None),
        ("", None),
    ],
)
def test_a_title_gives_its_version(title: str, expected: str | None) -> None:
    assert version_text(title) == expected


def test_a_headline_without_a_number_gives_the_tag_that_it_links_to() -> None:
    assert version_text("A spring of changes", "https://code.example/x/releases/tag/v1.2.3") == "v1.2.3"
    assert version_text("A spring of changes", "https://news.example/2026/03/14") is None


def test_a_products_own_pattern_decides_alone() -> None:
    pattern = r"Finance (?P<version>\d+) \(Records"
    assert version_text("Campus Finance 12 (Records 9.7.1)", pattern=pattern) == "12"
    assert version_text("Campus Records 9.7.1", pattern=pattern) is None


@given(st.text(max_size=2_000))
def test_any_title_is_looked_through(title: str) -> None:
    version_text(title)


def test_a_prefix_and_a_leading_v_go() -> None:
    naming = Naming(prefix="release-")
    assert naming.version("release-9.7.1") == naming.version("9.7.1") == naming.version("release-v9.7.1")


def test_patterns_look_at_the_title_too() -> None:
    naming = Naming(include="(?i)records", exclude="LTS")
    assert str(naming.version("9.7.1", label="Campus Records 9.7.1")) == "9.7.1"
    with pytest.raises(Unwanted, match="include pattern"):
        naming.version("3.2", label="Campus Finance 3.2")
    with pytest.raises(Unwanted, match="exclude pattern"):
        naming.version("9.7.1", label="Campus Records 9.7.1 LTS")


def test_a_prerelease_is_unwanted_unless_the_product_says_otherwise() -> None:
    with pytest.raises(Unwanted, match="pre-release"):
        Naming().version("9.8-rc1")
    assert Naming(prereleases=True).version("9.8-rc1").is_prerelease


def test_blanks_within_a_version_separate() -> None:
    assert Naming().version("9.7 SP2") == Naming().version("9.7-sp2")
    assert str(Naming(scheme=Scheme.NATURAL).version("Spring 2026 R2")) == "Spring 2026 R2"


def test_a_tag_without_a_number_is_no_version() -> None:
    with pytest.raises(UnreadableVersion, match="no number"):
        Naming().version("latest")


@pytest.mark.parametrize("pattern", ["(", r"(?=a)", r"(a)\1", "a{1001}", "x" * 501])
def test_an_unusable_pattern_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(patterns.UnusablePattern, match="pattern"):
        patterns.check(pattern)


def test_a_pattern_that_would_hang_a_backtracking_engine_is_quick() -> None:
    before = time.monotonic()
    assert not patterns.found(r"(a+)+$", "a" * 499 + "b")
    assert time.monotonic() - before < 1
