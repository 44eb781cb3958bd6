"""A report's parameters: what is taken, what is refused, and where the refusal points."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from enquiry_service.parameters import DEFINITIONS, bind, written
from lodge_kit.problems import Invalid

ALL = DEFINITIONS.validate_python(
    [
        {"name": "surname", "type": "text", "max_length": 10},
        {"name": "year", "type": "integer", "minimum": 2000, "maximum": 2100},
        {"name": "fee", "type": "decimal", "required": False, "minimum": "0.5"},
        {"name": "since", "type": "date", "default": "2026-01-01"},
        {"name": "active", "type": "boolean", "required": False},
        {"name": "level", "type": "choice", "choices": ["ug", "pg"], "default": "ug"},
    ]
)


def test_values_are_taken_in_their_types_and_the_rest_by_default() -> None:
    assert bind(ALL, {"surname": "O'Neill", "year": "2026", "fee": "12.50", "level": "pg"}) == {
        "surname": "O'Neill",
        "year": 2026,
        "fee": Decimal("12.50"),
        "since": date(2026, 1, 1),
        "active": None,
        "level": "pg",
    }


def test_every_wrong_missing_and_unknown_value_is_pointed_at_in_one_answer() -> None:
    wrong = {"year": 1999, "fee": "NaN", "since": "1/3/2026", "active": "yes", "level": "phd", "a/b~c": 1}
    with pytest.raises(Invalid) as refused:
        bind(ALL, wrong)
    assert {(error.pointer, error.code) for error in refused.value.errors} == {
        ("/parameters/surname", "missing"),
        ("/parameters/year", "minimum"),
        ("/parameters/fee", "type"),
        ("/parameters/since", "type"),
        ("/parameters/active", "type"),
        ("/parameters/level", "choice"),
        ("/parameters/a~1b~0c", "unknown"),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("surname", "a\x00"),
        ("surname", "\ud800"),
        ("surname", 5),
        ("surname", "x" * 11),
        ("year", True),
        ("year", 2026.0),
        ("year", "2026 OR 1=1"),
        ("year", "２０２６"),  # noqa: RUF001 - digits of another script are meant
        ("year", 10**30),
        ("fee", "1e999999999"),
        ("fee", "1" * 5_000),
        ("fee", [1]),
        ("since", "2026-02-30"),
        ("since", 20260101),
        ("since", "20260101"),
        ("level", ["ug"]),
    ],
)
def test_a_value_that_only_looks_right_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Invalid):
        bind(ALL, {"surname": "x", "year": 2026, name: value})


@pytest.mark.parametrize(
    "definition",
    [
        {"name": "Year", "type": "integer"},
        {"name": "a", "type": "integer", "minimum": 2, "maximum": 1},
        {"name": "a", "type": "integer", "minimum": 2, "default": 1},
        {"name": "a", "type": "choice", "choices": []},
        {"name": "a", "type": "choice", "choices": ["x"], "default": "y"},
        {"name": "a", "type": "text", "maximum": 1},
        {"name": "a", "type": "sql"},
    ],
)
def test_a_definition_that_cannot_hold_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DEFINITIONS.validate_python([definition])


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_a_decimal_is_written_as_it_was_given(value: Decimal) -> None:
    free = DEFINITIONS.validate_python([{"name": "a", "type": "decimal"}])
    try:
        bound = bind(free, {"a": str(value)})["a"]
    except Invalid:
        assert abs(value.adjusted()) > 100
    else:
        text = written(bound)
        assert text is not None
        assert "E" not in text
        assert Decimal(text) == value
