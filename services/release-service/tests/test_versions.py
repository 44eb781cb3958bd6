"""The order of versions: each scheme's published order, its laws, and its agreement with other implementations."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
import semver as python_semver
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.version import Version as Pep440
from univers.debian import compare_versions
from univers.rpm import vercmp
from univers.versions import MavenVersion

from release_service.versions import Scheme, SchemesDiffer, UnreadableVersion, Version, newest, parse

# Ascending. From: POM reference, semver.org §11, PEP 440, Debian Policy §5.6.12 and deb-version(7), rpm-version(7).
PUBLISHED = {
    Scheme.MAVEN: [
        "1-alpha2snapshot 1-alpha2 1-alpha-123 1-beta-2 1-beta123 1-m2 1-m11 1-rc 1-cr2 1-rc123 1-SNAPSHOT 1 1-sp",
        "1 1-sp 1-sp2 1-sp123 1-abc 1-def 1-pom-1 1-1-snapshot 1-1 1-2 1-123",
        "2.0 2.0.a 2-1 2.0.2 2.0.123 2.1.0 2.1-a 2.1b 2.1-c 2.1-1 2.1.0.1 2.2 2.123",
        "1.0.final-redhat 1.0-sp1-redhat",
        "1-ga.1 1-sp.1",
        "1-sp-1 1-ga-1",
        "6.1.0rc3 6.1.0 6.1H.5-beta",
        "1-0.alpha 1-0.beta 1",
        "1.9 1.10 1.11",
    ],
    Scheme.SEMVER: [
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0 2.1.0"
    ],
    Scheme.PEP440: [
        "1.dev0 1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456",
        "1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 1.0rc1 1.0 1.0+abc.5 1.0+abc.7 1.0+5",
        "1.0+5 1.0.post456.dev34 1.0.post456 1.0.15 1.1.dev1 1!0.1",
    ],
    Scheme.DEB: ["1~~ 1~~a 1~ 1 1a", "1.0~rc1-1 1.0-0.1 1.0-1 1.0-1+b1 1.0-2 1.0+dfsg-1 1.0.1-1 1:0.5-1", "1-1a 1-1+"],
    Scheme.RPM: ["1.0~rc1 1.0~rc2 1.0 1.0^git1 1.0^git2 1.0.1", "1.a 1.0 1.0-1 1.0-2 1.0-10 1.1 1:0.1", "2.a 2.0.1"],
    Scheme.CALENDAR: ["25.12 2026.01 26.2 2026-03-01 20260302 2026.3.2.1 26.10-rc1 2026.10 2026.10a 2027"],
    Scheme.NATURAL: ["Spring9 spring-10", "R2.0-beta1 R2.0-rc1 R2.0 R2.0a R2.0.0 R2.0.1 R10", "21 21+35 21.0.1+12"],
}

EQUAL = {
    Scheme.MAVEN: [
        "1 1.0 1.0.0 1-0 1.0-0 1ga 1-final 1.RELEASE",
        "1a1 1-alpha-1 1.0.0-ALPHA1",
        "2-x 2.0.x 2.0.0.x 2X",
        "01 1",
    ],
    Scheme.SEMVER: ["1.0.0 1.0.0+a 1.0.0+b.7"],
    Scheme.PEP440: ["1 1.0 v1.0.0 1.0.0.0", "1.0rc1 1.0-RC.1 1.0c1", "1.0.post1 1.0-1"],
    Scheme.DEB: ["1.0 0:1.0 1.0-0 1.00 1."],
    Scheme.RPM: ["1.0 1_0 1..0 0:1.00", "1.0~rc1 1.0~rc.1"],
    Scheme.CALENDAR: ["2026.03.01 26.3.1 20260301 2026-03-01"],
    Scheme.NATURAL: ["Spring-2026-R2 spring_2026_r02"],
}

UNREADABLE = {
    Scheme.MAVEN: ["", "1 0", "1\n2", "1\x00", "9" * 62, "1." * 101],
    Scheme.SEMVER: ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0.0"],
    Scheme.PEP440: ["1.0-SNAPSHOT", "latest", "1.0..1"],
    Scheme.DEB: ["a", "x:1", "1_0", "1.0-", "1a:0"],
    Scheme.RPM: ["1 0", "-1"],
    Scheme.CALENDAR: ["9.7", "123.4", "March 2026", "20261301"],
    Scheme.NATURAL: ["", "---"],
}

_NUMBERS = st.integers(0, 10**12).map(str)
_DOTTED = st.lists(_NUMBERS, min_size=1, max_size=5).map(".".join)


@st.composite
def deb_texts(draw: st.DrawFn) -> str:
    epoch = draw(st.sampled_from(["", "0:", "1:", "12:"]))
    upstream = draw(st.from_regex(r"[0-9]([A-Za-z0-9.+~-]{0,6}[A-Za-z0-9.+~])?", fullmatch=True))
    revision = draw(st.from_regex(r"(-[A-Za-z0-9.+~]{1,5})?", fullmatch=True))
    return epoch + upstream + revision


TEXTS = {
    Scheme.MAVEN: st.from_regex(r"[0-9]{1,4}([.-]?(alpha|a|b|rc|ga|final|sp|x|[0-9]{1,3})){0,6}", fullmatch=True),
    Scheme.SEMVER: st.from_regex(
        r"(0|[1-9]\d{0,12})(\.(0|[1-9]\d{0,3})){2}(-(0|[1-9]\d{0,3}|[a-z-]{1,3})(\.(0|[1-9]\d{0,3}|[a-z-]{1,3})){0,3})?",
        fullmatch=True,
    ).filter(str.isascii),
    Scheme.PEP440: st.from_regex(
        r"([0-9]!)?[0-9]{1,3}(\.[0-9]{1,2}){0,3}((a|b|rc)[0-9]{1,2})?(\.post[0-9]{1,2})?(\.dev[0-9]{1,2})?"
        r"(\+[a-z0-9]{1,3}(\.[a-z0-9]{1,3}){0,2})?",
        fullmatch=True,
    ),
    Scheme.DEB: deb_texts(),
    Scheme.RPM: st.from_regex(r"([0-9]:)?[A-Za-z0-9~^]([A-Za-z0-9.~^_]{0,6})?(-[a-z0-9.]{1,4})?", fullmatch=True),
    Scheme.CALENDAR: st.from_regex(r"(20)?[0-9]{2}[.-][0-9]{1,2}([.-][0-9a-z]{1,3}){0,3}", fullmatch=True),
    Scheme.NATURAL: st.from_regex(r"[A-Za-z0-9]{1,3}([ ._+-][A-Za-z0-9]{1,3}){0,4}", fullmatch=True),
}


def by(scheme: Scheme) -> Callable[[str], Version]:
    return lambda text: parse(scheme, text)


def sign(left: Version, right: Version) -> int:
    return (left > right) - (left < right)


@pytest.mark.parametrize(("scheme", "texts"), [(scheme, line) for scheme, lines in PUBLISHED.items() for line in lines])
def test_a_published_order_is_kept(scheme: Scheme, texts: str) -> None:
    expected = texts.split()
    versions = [parse(scheme, text) for text in expected]
    random.Random(1).shuffle(versions)  # noqa: S311 - a fixed shuffle
    assert [str(version) for version in sorted(versions)] == expected
    assert all(lower < higher for lower, higher in pairwise(sorted(versions)))


@pytest.mark.parametrize(("scheme", "texts"), [(scheme, line) for scheme, lines in EQUAL.items() for line in lines])
def test_spellings_of_one_version_are_equal(scheme: Scheme, texts: str) -> None:
    assert len({parse(scheme, text) for text in texts.split()}) == 1


@pytest.mark.parametrize(("scheme", "text"), [(scheme, text) for scheme, texts in UNREADABLE.items() for text in texts])
def test_what_a_scheme_cannot_read_is_refused_with_a_sentence(scheme: Scheme, text: str) -> None:
    with pytest.raises(UnreadableVersion, match=f"the scheme {scheme} can read: "):
        parse(scheme, text)


@given(st.sampled_from(Scheme), st.text(max_size=220))
def test_any_text_is_read_or_refused(scheme: Scheme, text: str) -> None:
    try:
        version = parse(scheme, text)
    except UnreadableVersion:
        return
    assert version.sort_key.isprintable()
    assert len(version.sort_key) < 1_000


@given(st.data(), st.sampled_from(Scheme))
def test_the_order_is_total_and_transitive_and_the_newest_is_its_maximum(data: st.DataObject, scheme: Scheme) -> None:
    versions = [parse(scheme, text) for text in data.draw(st.lists(TEXTS[scheme], min_size=1, max_size=6))]
    for left in versions:
        for right in versions:
            assert (left < right) + (left == right) + (left > right) == 1
            assert left != right or hash(left) == hash(right)
    assert all(lower <= higher for lower, higher in pairwise(sorted(versions)))
    best = newest(versions)
    assert best is not None
    assert all(version <= best for version in versions)


@given(st.data(), st.sampled_from(Scheme))
def test_the_sort_key_in_bytes_is_the_order(data: st.DataObject, scheme: Scheme) -> None:
    left, right = data.draw(TEXTS[scheme].map(by(scheme))), data.draw(TEXTS[scheme].map(by(scheme)))
    bytewise = (left.sort_key.encode() > right.sort_key.encode()) - (left.sort_key.encode() < right.sort_key.encode())
    assert bytewise == sign(left, right)


@given(_DOTTED, st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_greater_last_number_is_a_newer_version_in_the_default_scheme(front: str, left: int, right: int) -> None:
    versions = parse(Scheme.MAVEN, f"{front}.{left}"), parse(Scheme.MAVEN, f"{front}.{right}")
    assert sign(*versions) == (left > right) - (left < right)


@given(TEXTS[Scheme.PEP440], TEXTS[Scheme.PEP440])
def test_pep440_agrees_with_packaging(left: str, right: str) -> None:
    theirs = (Pep440(left) > Pep440(right)) - (Pep440(left) < Pep440(right))
    assert sign(parse(Scheme.PEP440, left), parse(Scheme.PEP440, right)) == theirs
    assert parse(Scheme.PEP440, left).is_prerelease == Pep440(left).is_prerelease


@given(TEXTS[Scheme.SEMVER], TEXTS[Scheme.SEMVER])
def test_semver_agrees_with_python_semver(left: str, right: str) -> None:
    theirs = python_semver.Version.parse(left).compare(right)
    assert sign(parse(Scheme.SEMVER, left), parse(Scheme.SEMVER, right)) == theirs


@given(deb_texts(), deb_texts())
def test_deb_agrees_with_univers(left: str, right: str) -> None:
    theirs = compare_versions(left, right)  # type: ignore[no-untyped-call]  # univers ships few types
    assert sign(parse(Scheme.DEB, left), parse(Scheme.DEB, right)) == theirs


@given(*[st.from_regex(r"([0-9]{1,3}|[a-zA-Z]{1,3})([.~^]([0-9]{1,3}|[a-zA-Z]{1,3})){0,4}", fullmatch=True)] * 2)
def test_rpm_agrees_with_univers(left: str, right: str) -> None:
    assume(left.isascii() and right.isascii())
    theirs = vercmp(left, right)  # type: ignore[no-untyped-call]  # univers ships few types
    assert sign(parse(Scheme.RPM, left), parse(Scheme.RPM, right)) == theirs


_PLAIN_MAVEN = st.from_regex(r"[1-9]\d{0,2}(\.[1-9]\d{0,2}){0,3}(-(alpha|beta|rc|sp|x)-[1-9]\d?)?", fullmatch=True)


@given(_PLAIN_MAVEN.filter(str.isascii), _PLAIN_MAVEN.filter(str.isascii))
def test_maven_agrees_with_univers_where_maven_itself_has_not_changed(left: str, right: str) -> None:
    theirs = MavenVersion(left).value.__cmp__(MavenVersion(right).value)
    assert sign(parse(Scheme.MAVEN, left), parse(Scheme.MAVEN, right)) == (theirs > 0) - (theirs < 0)


def test_two_schemes_are_never_compared() -> None:
    left, right = parse(Scheme.MAVEN, "1.0.0"), parse(Scheme.SEMVER, "1.0.0")
    assert left != right
    with pytest.raises(SchemesDiffer, match="cannot be compared"):
        sorted([left, right])
    with pytest.raises(SchemesDiffer):
        newest([left, right])


def test_the_newest_of_nothing_is_nothing_and_of_equals_the_first() -> None:
    assert newest([]) is None
    assert str(newest([parse(Scheme.MAVEN, "1.0"), parse(Scheme.MAVEN, "1.0.0")])) == "1.0"


@pytest.mark.parametrize(
    ("scheme", "text", "expected"),
    [
        (Scheme.MAVEN, "2.0-rc1", True),
        (Scheme.MAVEN, "2.0-SNAPSHOT", True),
        (Scheme.MAVEN, "2.0b1", True),
        (Scheme.MAVEN, "2.0-preview3", True),
        (Scheme.MAVEN, "1.4.0_01a", False),
        (Scheme.MAVEN, "2.0-sp1", False),
        (Scheme.SEMVER, "2.0.0-0", True),
        (Scheme.SEMVER, "2.0.0+rc1", False),
        (Scheme.PEP440, "2.0.dev1", True),
        (Scheme.DEB, "2.0~rc1-1", True),
        (Scheme.RPM, "2.0^git1", False),
        (Scheme.CALENDAR, "2026.03-beta2", True),
        (Scheme.CALENDAR, "2026a", False),
        (Scheme.NATURAL, "Spring 2026 preview", True),
    ],
)
def test_a_prerelease_is_recognised(scheme: Scheme, text: str, *, expected: bool) -> None:
    assert parse(scheme, text).is_prerelease is expected
