"""Laws of the rules: trees of org units, scopes of permissions, warnings."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from access_service import rules

Trees = st.lists(st.integers(0, 30), max_size=12).map(
    lambda picks: {
        str(number): str(pick % (number + 1)) if pick % (number + 1) != number else None
        for number, pick in enumerate(picks)
    }
)
"""Each unit below an earlier one, or at the top."""

Scopes = st.just("*") | st.frozensets(st.sampled_from("abc"))
Held = st.dictionaries(st.sampled_from(["read", "write", "grant"]), Scopes)


@given(tree=Trees)
def test_the_way_from_the_root_begins_at_the_top_and_ends_at_the_unit(tree: dict[str, str | None]) -> None:
    for unit in tree:
        way = rules.above(unit, tree)
        assert (way[-1], tree[way[0]]) == (unit, None)
        assert all(tree[below] == over for over, below in pairwise(way))


@given(tree=Trees)
def test_a_tree_is_as_deep_as_its_longest_way(tree: dict[str, str | None]) -> None:
    for unit in tree:
        below = [one for one in tree if unit in rules.above(one, tree)]
        assert rules.depth_below(unit, tree) == max(
            len(rules.above(one, tree)) - len(rules.above(unit, tree)) + 1 for one in below
        )


@given(wanted=Held, held=Held)
def test_what_exceeds_is_what_is_wanted_somewhere_and_not_held_there(
    wanted: dict[str, rules.Scope], held: dict[str, rules.Scope]
) -> None:
    def places(scopes: dict[str, rules.Scope], name: str) -> set[str]:
        scope = scopes.get(name, frozenset())
        return {*"abc", "elsewhere"} if scope == "*" else set(scope)

    assert rules.exceeding(wanted, held) == sorted(n for n in wanted if not places(wanted, n) <= places(held, n))


Inheritance = st.dictionaries(st.sampled_from("abcde"), st.sets(st.sampled_from("abcde")))
"""Circles among them, too: such as there may be of different days."""


@given(inheritance=Inheritance)
def test_each_role_is_led_to_by_the_shortest_way_and_of_these_the_first(inheritance: dict[str, set[str]]) -> None:
    def simple(way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield way
        for inner in inheritance.get(way[-1], ()):
            if inner not in way:
                yield from simple((*way, inner))

    expected: dict[str, tuple[str, ...]] = {}
    for way in sorted(simple(("a",)), key=lambda one: (len(one), one)):
        expected.setdefault(way[-1], way)
    found = rules.shortest_ways(inheritance, "a")
    assert list(found.items()) == list(expected.items())
    for containing in (expected.keys(), {*expected} - {"a"}):
        if containing:
            nearest = min((expected[one] for one in containing), key=lambda way: (len(way), way))
            assert rules.shortest_way(inheritance, "a", containing) == nearest


@given(hours=st.lists(st.integers(0, 500), max_size=20), life=st.integers(1, 500))
def test_each_warning_is_given_once_and_no_more_than_a_life_has_room_for(hours: list[int], life: int) -> None:
    warned = rules.warning_due(timedelta(hours=life))
    given_: list[int] = []
    for left in sorted((one for one in hours if one <= life), reverse=True):
        due = rules.warning_due(timedelta(hours=left), warned)
        if due is not None:
            given_.append(due)
            warned = due
    assert given_ == sorted(set(given_), reverse=True)
    assert all(days * 24 < life for days in given_)
