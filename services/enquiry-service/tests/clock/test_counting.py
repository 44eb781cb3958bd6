"""The counting of clocks: dates that the laws and their regulators give, and what holds for every log and calendar."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enquiry_service.clock import profiles
from enquiry_service.clock.calendars import NATIONS, Calendar, DaysOff, Nation
from enquiry_service.clock.counting import Pause, Reckoning, reckon
from enquiry_service.clock.profiles import EIR, EIR_SCOTLAND, FOIA, FOISA, SAR, Profile, internal, months_after
from enquiry_service.clock.telling import summary

FIRST, LAST = date(2020, 1, 1), date(2030, 12, 31)
FAR = date(2060, 1, 1)


def counted(
    profile: Profile, received: date, pauses: Sequence[Pause] = (), *, extended: int = 0,
    added: Sequence[DaysOff] = (), until: date = FAR,
) -> Reckoning:  # fmt: skip
    calendar = Calendar.made(profile.nations or ("england",), added, closures=profile.closures)
    return reckon(profile, received, pauses, extended=extended, calendar=calendar, until=until)


def due(profile: Profile, received: str, *pauses: Pause, extended: int = 0) -> str:
    return str(counted(profile, date.fromisoformat(received), pauses, extended=extended).due_on)


def test_twenty_working_days_leave_out_the_holidays_of_the_nations_that_the_law_names() -> None:
    assert due(FOIA, "2026-03-02") == due(EIR, "2026-03-02") == "2026-03-31"  # St Patrick's Day is one in a part of it
    assert due(FOISA, "2026-03-02") == due(EIR_SCOTLAND, "2026-03-02") == "2026-03-30"
    assert due(FOIA, "2025-12-15") == "2026-01-16"  # Christmas, Boxing Day, New Year, and 2 January in Scotland
    assert due(FOISA, "2026-03-27") == "2026-04-27"  # Good Friday, but no Easter Monday
    assert due(FOIA, "2026-02-28") == due(FOIA, "2026-03-01") == "2026-03-30"  # by post, on a weekend


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2025-09-03", "2025-10-03"),  # the corresponding date
        ("2025-03-31", "2025-04-30"),  # April has no 31st
        ("2025-01-31", "2025-02-28"),
        ("2028-01-31", "2028-02-29"),
        ("2026-01-31", "2026-03-02"),  # 28 February is a Saturday
        ("2025-11-25", "2025-12-29"),  # Christmas, Boxing Day, a weekend
        ("2026-03-03", "2026-04-07"),  # Good Friday to Easter Monday
    ],
)
def test_a_month_ends_on_the_corresponding_date_or_the_next_working_day(received: str, expected: str) -> None:
    assert due(SAR, received) == expected


def test_what_is_waited_for_restarts_or_suspends_as_the_law_has_it() -> None:
    asked, came = date(2026, 3, 5), date(2026, 3, 9)
    clarified, paid = Pause("clarification", asked, came), Pause("fee", asked, came)
    assert due(FOIA, "2026-03-02", clarified) == due(FOIA, "2026-03-09")
    assert due(FOISA, "2026-03-02", clarified) == due(FOISA, "2026-03-09")
    assert due(FOISA, "2026-03-02", paid) == "2026-04-02"  # Thursday, Friday and Monday are disregarded
    assert due(SAR, "2026-03-02", clarified) == "2026-04-07"  # 2 April, five days later
    assert due(SAR, "2026-03-02", Pause("identity", asked, came)) == due(SAR, "2026-03-09")
    assert due(FOIA, "2026-03-02", Pause("clarification", asked, None)) == "None"


def test_extensions_are_as_long_as_the_law_says() -> None:
    assert counted(EIR, date(2026, 3, 2), extended=20).target == 40
    assert due(SAR, "2026-01-31", extended=2) == "2026-04-30"
    assert FOISA.extension == 0


def test_closures_count_for_the_law_and_not_for_targets() -> None:
    closure = DaysOff(date(2026, 3, 3), date(2026, 3, 4), "Strike")
    assert counted(FOIA, date(2026, 3, 2), added=[closure]).due_on == date(2026, 3, 31)
    assert counted(internal(2), date(2026, 3, 2), added=[closure]).due_on == date(2026, 3, 6)
    assert counted(internal(2), date(2026, 3, 2)).due_on == date(2026, 3, 4)


def test_a_proclaimed_holiday_is_one_where_it_was_proclaimed() -> None:
    proclaimed = DaysOff(date(2026, 3, 4), date(2026, 3, 4), "Jubilee", frozenset({"wales"}))
    found = counted(FOIA, date(2026, 3, 2), added=[proclaimed])
    assert found.due_on == date(2026, 4, 1)
    assert [one.reason for one in found.days if one.on == date(2026, 3, 4)] == ["Jubilee (Wales)."]
    assert counted(FOISA, date(2026, 3, 2), added=[proclaimed]).due_on == date(2026, 3, 30)


def test_a_clock_tells_its_date_and_what_did_not_count() -> None:
    said = summary(FOIA, counted(FOIA, date(2026, 3, 2)), extended=0)
    assert said == (
        "Due on Tuesday 31 March 2026: 20 working days after Monday 2 March 2026. Not counted: 8 days of weekends,"
        " Saint Patrick's Day (Northern Ireland) on 17 March. (Freedom of Information Act 2000)"
    )


def test_a_calendar_without_a_working_day_is_an_error_and_no_endless_loop() -> None:
    closed = DaysOff(date(2026, 1, 1), date(2199, 12, 31), "Closed for good")
    with pytest.raises(ValueError, match="no working day"):
        counted(internal(1), date(2026, 3, 2), added=[closed])


KNOWN = [*profiles.OF_LAW.values(), *(internal(days) for days in (1, 5, 30))]
DAYS = st.dates(FIRST, LAST)


@st.composite
def stories(draw: st.DrawFn) -> tuple[Profile, date, list[Pause], int]:
    """Draw a profile, a day of receipt, pauses in order that have ended, and an extension."""
    profile, received = draw(st.sampled_from(KNOWN)), draw(DAYS)
    pauses, day = [], received
    for _ in range(draw(st.integers(0, 3))):
        first = day + timedelta(days=draw(st.integers(0, 15)))
        last = first + timedelta(days=draw(st.integers(0, 20)))
        pauses.append(Pause(draw(st.sampled_from(sorted(profile.effects))), first, last))
        day = last + timedelta(days=1)
    return profile, received, pauses, draw(st.integers(0, profile.extension))


@st.composite
def holidays(draw: st.DrawFn) -> DaysOff:
    first = draw(DAYS)
    nations = frozenset(draw(st.sets(st.sampled_from(sorted(NATIONS)))))
    named: frozenset[Nation] = frozenset(one for one in NATIONS if one in nations)
    return DaysOff(first, first + timedelta(days=draw(st.integers(0, 9))), "Added", named)


def date_of(found: Reckoning) -> date:
    assert found.due_on is not None
    return found.due_on


@given(stories(), st.integers(0, 60), st.integers(0, 40), st.data())
def test_pausing_never_makes_a_date_earlier(
    story: tuple[Profile, date, list[Pause], int], after: int, length: int, data: st.DataObject
) -> None:
    profile, received, pauses, extended = story
    first = max([received, *(one.last + timedelta(days=1) for one in pauses if one.last)]) + timedelta(days=after)
    cause = data.draw(st.sampled_from(sorted(profile.effects)))
    more = [*pauses, Pause(cause, first, first + timedelta(days=length))]
    for shorter, longer in pairwise([more[:number] for number in range(len(more) + 1)]):
        before, later = (date_of(counted(profile, received, found, extended=extended)) for found in (shorter, longer))
        assert later >= before
        if longer[-1].first > before:
            assert later == before, "what is asked for when the day is over does not move it"


@given(stories(), st.lists(holidays(), max_size=3), holidays())
def test_adding_a_day_off_never_makes_a_date_earlier(
    story: tuple[Profile, date, list[Pause], int], known: list[DaysOff], more: DaysOff
) -> None:
    profile, received, pauses, extended = story
    before = counted(profile, received, pauses, extended=extended, added=known)
    after = counted(profile, received, pauses, extended=extended, added=[*known, more])
    assert date_of(after) >= date_of(before)


@given(stories(), st.lists(holidays(), max_size=3))
def test_the_explanation_sums_to_the_date(story: tuple[Profile, date, list[Pause], int], added: list[DaysOff]) -> None:
    profile, received, pauses, extended = story
    found = counted(profile, received, pauses, extended=extended, added=added)
    days = [one.on for one in found.days]
    assert days == [received + timedelta(days=number) for number in range(len(days))], "each day once, none left out"
    assert days[-1] == found.due_on
    since = [one for one in found.days if one.on > found.start]
    assert [one.number for one in since if one.is_counted] == list(range(1, found.target + 1))
    assert all(one.reason for one in found.days)
    calendar = Calendar.made(profile.nations or ("england",), added, closures=profile.closures)
    assert calendar.off(date_of(found)) is None, "it is due on a working day"


@given(stories())
def test_extending_and_receiving_later_never_make_a_date_earlier(story: tuple[Profile, date, list[Pause], int]) -> None:
    profile, received, _, extended = story
    plain = date_of(counted(profile, received, extended=extended))
    assert date_of(counted(profile, received, extended=extended + 1)) >= plain
    assert date_of(counted(profile, received + timedelta(days=1), extended=extended)) >= plain


@given(DAYS, st.integers(0, 30))
def test_a_month_later_is_in_that_month_and_never_past_its_day(day: date, months: int) -> None:
    later = months_after(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day <= day.day
