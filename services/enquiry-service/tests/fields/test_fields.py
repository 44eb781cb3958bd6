"""JSON Schemas that people write, and what is held against them: bounded, explained, alike to the standard."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # its types lie apart

from enquiry_service import fields, starters
from enquiry_service.fields import bounds
from lodge_kit.problems import Invalid


def refused(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """Answer the pointers and codes of what is wrong with a value."""
    fields.check(schema)
    try:
        fields.demand(schema, value)
    except Invalid as problem:
        return [(one.pointer, one.code) for one in problem.errors]
    return []


def unusable(**schema: Any) -> list[tuple[str, str]]:
    """Answer the pointers and codes of what is wrong with a schema."""
    with pytest.raises(fields.UnusableFields) as problem:
        fields.check(schema)
    return [(one.pointer, one.code) for one in problem.value.errors]


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def test_each_error_is_at_its_place_with_its_keyword() -> None:
    schema = of(
        when={"type": "string", "format": "date"}, at={"format": "date-time"}, mail={"format": "email"},
        code={"type": "string", "pattern": "^[A-Z]{3}$"}, units={"type": "array", "items": {"type": "integer"}},
        size={"enum": ["s", "m"]},
    ) | {"required": ["code", "size"]}  # fmt: skip
    assert refused(schema, {"code": "ABC", "size": "s", "when": "2026-03-02", "at": "2026-03-02T09:00:00Z"}) == []
    assert refused(schema, {"code": "ABC", "size": "s", "when": "20260302"}) == [("/fields/when", "format")]
    assert refused(schema, {"code": "ABC", "size": "s", "at": "2026-03-02T09:00:00"}) == [("/fields/at", "format")]
    assert refused(schema, {"code": "ABC", "size": "s", "mail": "nobody"}) == [("/fields/mail", "format")]
    assert refused(schema, {"size": "x", "code": "abc"}) == [("/fields/code", "pattern"), ("/fields/size", "enum")]
    assert refused(schema, {"size": "s", "code": "ABC", "units": [1, "2"]}) == [("/fields/units/1", "type")]
    assert refused(schema, {"colour/of~it": 1}) == [
        ("/fields/colour~1of~0it", "additional-properties"), ("/fields/code", "required"), ("/fields/size", "required"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"type": "array"}, ("/fields/type", "type")),
        ({"type": "nonsense"}, ("/fields/type", "any-of")),
        (of(a={"minLength": "x"}), ("/fields/properties/a/minLength", "type")),
        (of(a={"$ref": "https://elsewhere.example/schema"}), ("/fields/properties/a/$ref", "reference")),
        (of(a={"$ref": "file:///etc/passwd"}), ("/fields/properties/a/$ref", "reference")),
        (of(a={"$ref": "#/$defs/missing"}), ("/fields/properties/a/$ref", "reference")),
        (of(a={"$ref": "#"}), ("/fields/properties/a/$ref", "reference")),
        (of() | {"$defs": {"a": {"$ref": "#/$defs/a"}}}, ("/fields/$defs/a/$ref", "reference")),
        (of() | {"$defs": {"a b": {}}}, ("/fields/$defs/a b", "name")),
        (of(a={"$defs": {"b": {}}}), ("/fields/properties/a/$defs", "nested")),
        (of(a={"$id": "https://elsewhere.example/"}), ("/fields/properties/a/$id", "keyword")),
        (of(a={"$dynamicRef": "#a"}), ("/fields/properties/a/$dynamicRef", "keyword")),
        (of(a={"unevaluatedProperties": False}), ("/fields/properties/a/unevaluatedProperties", "keyword")),
        (of(a={"pattern": "(?=a)"}), ("/fields/properties/a/pattern", "pattern")),
        (of(a={"pattern": "a" * 501}), ("/fields/properties/a/pattern", "pattern")),
        (of(a={"patternProperties": {"(": {}}}), ("/fields/properties/a/patternProperties/(", "pattern")),
        (of(a={"format": "regex"}), ("/fields/properties/a/format", "format")),
        (of(a={"enum": list(range(501))}), ("/fields/properties/a/enum", "too-large")),
        (of() | {"$schema": "http://json-schema.org/draft-07/schema#"}, ("/fields/$schema", "dialect")),
        (of(**{f"a{number}": {} for number in range(301)}), ("/fields", "too-large")),
        (of(a={"description": "x" * 33_000}), ("/fields", "too-large")),
        (of(a={"const": 2**70}), ("/fields", "too-large")),
    ],
)
def test_a_schema_that_nothing_bounds_is_refused_where_it_is(schema: dict[str, Any], found: tuple[str, str]) -> None:
    assert found in unusable(**schema)


def test_references_that_unfold_into_much_are_refused() -> None:
    many = {"allOf": [{"minLength": number} for number in range(100)]}
    schema = of(a={"allOf": [{"$ref": "#/$defs/many"}] * 10}) | {"$defs": {"many": many}}
    assert unusable(**schema) == [("/fields", "too-large")]
    assert refused(of(a={"$ref": "#/$defs/many"}) | {"$defs": {"many": many}}, {"a": "x" * 99}) == []


def test_values_are_bounded_and_none_makes_us_wait() -> None:
    schema = of(a={"type": "string", "pattern": "^(a+)+$"}, b={"type": "array", "uniqueItems": True})
    assert refused(schema, {"a": "a" * 50_000 + "b"}) == [("/fields/a", "pattern")]
    assert refused(schema, {"b": [{"x": number} for number in range(900)]}) == []
    assert refused(schema, {"b": [[1], [1.0]]}) == [("/fields/b", "unique-items")]
    assert refused(schema, {"b": [1, True, "1"]}) == []
    for large in ({"a": "a" * 64_001}, {"b": list(range(2_001))}, {"b": [float("inf")]}, {"b": [10**400]}):
        assert refused(schema, large) == [("/fields", "too-large")]
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    assert refused(schema, {"b": deep}) == [("/fields", "too-large")]


def test_a_merge_patch_takes_away_by_null_and_merges_what_is_within() -> None:
    value = {"a": 1, "b": {"c": 2, "d": 3}}
    assert fields.merged(value, {"a": None, "b": {"c": None, "e": 4}}) == {"b": {"d": 3, "e": 4}}
    assert fields.merged(value, {"a": {"x": {"y": None, "z": 1}}}) == {"a": {"x": {"z": 1}}, "b": {"c": 2, "d": 3}}


def test_the_starters_are_usable() -> None:
    for one in starters.STARTERS:
        fields.check(one.fields)
        fields.demand(one.fields, {})
        assert (one.targets is None) is (one.clock != "internal")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | st.floats(-5, 5, width=16),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"]),
            "enum": st.lists(JSON, min_size=1, max_size=3), "minLength": st.integers(0, 3),
            "maximum": st.integers(-5, 5),
            "pattern": st.sampled_from(["^a", "b$", "[0-9]+"]), "uniqueItems": st.booleans(),
            "required": st.lists(st.sampled_from("abc"), unique=True), "minItems": st.integers(0, 2),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3), "items": inner, "not": inner,
            "additionalProperties": st.booleans() | inner, "anyOf": st.lists(inner, min_size=1, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b|c"]), inner, max_size=2),
        },
    ),
    max_leaves=6,
)  # fmt: skip


@given(SCHEMAS, st.dictionaries(st.sampled_from("abc"), JSON, max_size=3))
def test_what_is_taken_is_what_the_standard_takes(schema: dict[str, Any], value: dict[str, Any]) -> None:
    whole = {"type": "object", "properties": {"a": schema}, "patternProperties": {"^b": schema}}
    assume(not bounds.too_large(whole, bounds.LARGEST_SCHEMA) and not bounds.too_large(value, bounds.LARGEST_VALUE))
    assert (refused(whole, value) == []) is Draft202012Validator(whole).is_valid(value)
