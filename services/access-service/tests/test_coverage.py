"""Gaps by plain values: what holds on a day, and that looking ahead sees what each day would show."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from access_service.responsibilities.coverage import Duty, Gap, GapKind, gaps, openings

FIRST = date(2026, 3, 1)
PLACES = [("fun_1", "prd_1"), ("fun_2", "prd_1")]
days = st.integers(min_value=-5, max_value=25).map(lambda number: FIRST + timedelta(days=number))
maybe = st.none() | days
duties = st.lists(
    st.builds(
        Duty,
        function=st.sampled_from(["fun_1", "fun_2"]),
        product=st.just("prd_1"),
        letter=st.sampled_from("RACI"),
        starts_on=days,
        ends_on=maybe,
        holder_until=maybe,
        deputy_until=maybe,
        has_deputy=st.booleans(),
    ),
    max_size=6,
)


@given(duties)
def test_looking_ahead_finds_the_first_day_of_each_gap(held: list[Duty]) -> None:
    until = FIRST + timedelta(days=20)
    expected: dict[Gap, date] = {}
    day = FIRST
    while day <= until:
        for gap in gaps(held, PLACES, day):
            expected.setdefault(gap, day)
        day += timedelta(days=1)
    assert openings(held, PLACES, today=FIRST, until=until) == expected


@given(duties, days)
def test_nothing_is_missing_exactly_where_somebody_answers_and_somebody_stands_in(held: list[Duty], on: date) -> None:
    missing = gaps(held, PLACES, on)
    for place in PLACES:
        here = [duty for duty in held if duty.place == place and duty.holds(on)]
        accountable = [duty for duty in here if duty.letter == "A"]
        assert ((place, GapKind.NO_ACCOUNTABLE) in missing) == (not accountable)
        assert ((place, GapKind.NO_RESPONSIBLE) in missing) == all(duty.letter != "R" for duty in here)
        covered = not accountable or any(duty.has_deputy_on(on) for duty in accountable)
        assert ((place, GapKind.NO_DEPUTY) in missing) == (not covered)


@given(duties, duties, days)
def test_another_duty_never_opens_a_gap_but_that_of_its_deputy(held: list[Duty], more: list[Duty], on: date) -> None:
    fresh = set(gaps([*held, *more], PLACES, on)) - set(gaps(held, PLACES, on))
    assert {kind for _, kind in fresh} <= {GapKind.NO_DEPUTY}
