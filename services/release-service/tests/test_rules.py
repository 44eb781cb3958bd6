"""What the watch decides."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_service.entries import FeedEntry
from release_service.labels import Naming
from release_service.rules import (
    Disposition,
    Known,
    judge,
    judge_all,
    next_check,
    owner_is_to_be_told,
    retry_after,
    spaced,
)
from release_service.versions import Scheme, Version, parse

NOW = datetime(2026, 4, 14, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHANCE = st.floats(0, 1, exclude_max=True)


def entry(version: str | None, *, guid: str = "", title: str = "", summary: str = "") -> FeedEntry:
    return FeedEntry(guid or f"g{version}", title or f"Campus Records {version}", None, version, None, summary)


def versions(*texts: str, scheme: Scheme = Scheme.MAVEN) -> list[Version]:
    return [parse(scheme, text) for text in texts]


def test_a_version_that_nobody_knew_is_new() -> None:
    judgement = judge(entry("9.7.1"), Naming(), Known(versions("9.6", "9.7")))
    assert (judgement.disposition, judgement.reason) == (Disposition.NEW, "9.7.1 follows 9.7.")
    assert judge(entry("9.6.4"), Naming(), Known(versions("9.6", "9.7"))).reason == "9.6.4 belongs before 9.7."
    assert judge(entry("9.7"), Naming(), Known()).reason == "9.7 is the first release seen."


def test_an_entry_seen_before_is_a_duplicate_and_an_edited_one_an_update() -> None:
    seen = entry("9.7.1")
    known = Known(versions("9.7.1"), {seen.guid: seen.fingerprint})
    assert judge(seen, Naming(), known).disposition is Disposition.DUPLICATE
    assert judge(entry("9.7.1", summary="Now with notes"), Naming(), known).disposition is Disposition.UPDATED


def test_the_same_version_from_another_entry_is_a_duplicate() -> None:
    judgement = judge(entry("9.7.0", guid="other"), Naming(), Known(versions("9.7")))
    assert (judgement.disposition, judgement.reason) == (Disposition.DUPLICATE, "9.7.0 is already known.")


@pytest.mark.parametrize(
    ("found", "naming", "words"),
    [
        (entry(None), Naming(), "No version"),
        (entry("9.8-rc1"), Naming(), "pre-release"),
        (entry("3.2", title="Campus Finance 3.2"), Naming(include="Records"), "include pattern"),
        (entry("9.7.1", title="Campus Records 9.7.1 LTS"), Naming(exclude="LTS"), "exclude pattern"),
    ],
)
def test_what_the_products_rules_leave_out_is_filtered(found: FeedEntry, naming: Naming, words: str) -> None:
    judgement = judge(found, naming, Known())
    assert judgement.disposition is Disposition.FILTERED
    assert words in judgement.reason


@pytest.mark.parametrize(
    ("found", "known", "words"),
    [
        ("12.0", Known(versions("9.7")), "leaps"),
        ("20260414", Known(versions("9.7")), "looks like a date"),
        ("2026.4", Known(versions("9.7")), "looks like a date"),
        ("9.8", Known(versions("2026.4")), "is a number"),
        ("8.9", Known(versions("9.7"), installed=versions("9.6", "9.7")), "lower than 9.6, which is installed"),
    ],
)
def test_a_suspect_jump_waits_for_a_person(found: str, known: Known, words: str) -> None:
    judgement = judge(entry(found), Naming(), known)
    assert judgement.disposition is Disposition.SUSPECT
    assert words in judgement.reason


def test_a_version_that_the_scheme_cannot_read_is_suspect() -> None:
    judgement = judge(entry("2026.1"), Naming(scheme=Scheme.SEMVER), Known())
    assert judgement.disposition is Disposition.SUSPECT
    assert "changed its scheme" in judgement.reason


@pytest.mark.parametrize("found", ["10.0", "11.0", "9.6.4"])
def test_a_usual_step_is_no_suspect(found: str) -> None:
    known = Known(versions("9.7"), installed=versions("9.6"))
    assert judge(entry(found), Naming(), known).disposition is Disposition.NEW


def test_a_first_reading_tells_history_and_each_version_once() -> None:
    feed = [entry("9.7.1"), entry("9.7"), entry("9.7.0", guid="again"), entry("9.6"), entry("20260414")]
    known = Known(installed=versions("9.7"), read_before=False)
    assert [judgement.disposition for judgement in judge_all(feed, Naming(), known)] == [
        Disposition.NEW,
        Disposition.NEW,
        Disposition.DUPLICATE,
        Disposition.NEW,
        Disposition.SUSPECT,
    ]


@given(st.lists(st.sampled_from(["9.5", "9.6", "9.6.0", "9.7-rc1", "10.0", "nonsense", "13", "2026.1"]), max_size=12))
def test_judging_a_feed_twice_publishes_nothing_twice(texts: list[str]) -> None:
    feed = [entry(text, guid=f"g{place}") for place, text in enumerate(texts)]
    first = judge_all(feed, Naming(), Known(read_before=False))
    new = [judgement.version for judgement in first if judgement.disposition is Disposition.NEW]
    assert len(set(new)) == len(new)
    again = judge_all(
        feed,
        Naming(),
        Known([version for version in new if version is not None], {e.guid: e.fingerprint for e in feed}),
    )
    assert all(judgement.disposition is Disposition.DUPLICATE for judgement in again)


@given(CHANCE)
def test_a_good_check_is_followed_by_another_about_its_interval_later(chance: float) -> None:
    assert abs(next_check(NOW, HOUR, chance=chance) - NOW - HOUR) <= HOUR * 0.1


@given(CHANCE, st.integers(1, 10**6))
def test_failures_back_off_and_never_longer_than_a_day(chance: float, failures: int) -> None:
    pause = next_check(NOW, HOUR, chance=chance, failures=failures) - NOW
    assert timedelta(minutes=2.5) <= pause <= timedelta(days=1)
    assert pause <= next_check(NOW, HOUR, chance=chance, failures=failures + 1) - NOW


@given(CHANCE, st.integers(0, 20), st.timedeltas(timedelta(), timedelta(days=7)))
def test_what_the_supplier_asks_for_is_honoured(chance: float, failures: int, wait: timedelta) -> None:
    assert next_check(NOW, HOUR, chance=chance, failures=failures, wait=wait) >= NOW + wait


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta()),
        ("Tue, 14 Apr 2026 10:05:00 GMT", timedelta(minutes=5)),
        ("Tue, 14 Apr 2026 09:00:00 GMT", timedelta()),
        ("Tue, 14 Apr 2026 10:05:00 -0000", timedelta(minutes=5)),
        ("99999999999999999999", timedelta(days=7)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=7)),
        ("-5", None),
        ("soon", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, expected: timedelta | None) -> None:
    assert retry_after(value, now=NOW) == expected


@given(st.text(max_size=60))
def test_any_retry_after_is_read_or_ignored(value: str) -> None:
    retry_after(value, now=NOW)


@given(
    st.lists(st.sampled_from("abc"), max_size=20),
    st.dictionaries(st.sampled_from("abc"), st.integers(-60, 60), max_size=3),
)
def test_no_host_is_asked_twice_within_the_gap(hosts: list[str], asked: dict[str, int]) -> None:
    gap = timedelta(seconds=10)
    last = {host: NOW + timedelta(seconds=seconds) for host, seconds in asked.items()}
    due = [(f"wch_{place}", host) for place, host in enumerate(hosts)]
    starts = spaced(due, last, now=NOW, gap=gap)
    assert set(starts) == {source for source, _ in due}
    for host in set(hosts):
        times = sorted(starts[source] for source, at in due if at == host)
        assert times[0] >= NOW
        assert host not in last or times[0] >= last[host] + gap
        assert all(later - earlier >= gap for earlier, later in pairwise(times))


def test_an_owner_is_told_once_a_source_has_failed_for_a_day() -> None:
    since = NOW - timedelta(hours=25)
    assert owner_is_to_be_told(since, None, now=NOW)
    assert owner_is_to_be_told(since, since - HOUR, now=NOW)
    assert not owner_is_to_be_told(since, NOW - HOUR, now=NOW)
    assert not owner_is_to_be_told(NOW - HOUR, None, now=NOW)
    assert not owner_is_to_be_told(None, None, now=NOW)
