"""What a name must be, and which texts cannot be kept."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from lodge_kit.texts import Line, Name, Words, is_storable, unstorable

NAME = TypeAdapter(Name)


def refused(text: str, of: Any = NAME) -> str:
    with pytest.raises(ValidationError) as wrong:
        of.validate_python(text)
    return str(wrong.value.errors()[0]["type"])


@given(st.text())
def test_a_name_is_taken_less_its_blanks_or_refused_and_what_is_taken_stays_as_it_is(text: str) -> None:
    try:
        name = NAME.validate_python(text)
    except ValidationError:
        return
    assert name == text.strip() == NAME.validate_python(name)
    assert any(not unicodedata.category(letter).startswith(("Z", "C")) for letter in name)
    assert is_storable(name)


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0\u3000", "\u200b\u200d", "\x00", "\ufeff"])
def test_a_name_that_nobody_can_see_says_nothing(text: str) -> None:
    assert refused(text) == "blank"


@pytest.mark.parametrize("text", ["Ada\nLovelace", "Ada\tLovelace", "Ada\x1b[31m", "Ada\u2028Lovelace", "Ada\0"])
def test_a_name_is_one_line(text: str) -> None:
    assert refused(text) == "not-one-line"


@pytest.mark.parametrize("text", ["Ada", "  Zoë Ó Súilleabháin ", "李", "علی‌رضا", "👩‍🔬 lab", "9.7.1", "-"])
def test_names_of_all_peoples_are_names(text: str) -> None:
    assert NAME.validate_python(text) == text.strip()


def test_lengths_are_said_in_characters_and_shown_in_the_document() -> None:
    class Thing(BaseModel):
        name: Name
        title: Line = Field(min_length=3, max_length=5)
        reason: Words = Field(min_length=1, max_length=5)

    for field, text in (("name", "x" * 201), ("title", "x" * 6), ("title", " xx "), ("reason", "x" * 6)):
        with pytest.raises(ValidationError, match="String should have at") as wrong:
            Thing.model_validate({"name": "x", "title": "xxx", "reason": "x"} | {field: text})
        assert len(wrong.value.errors()) == 1
    shown = Thing.model_json_schema()["properties"]
    limits = {name: (one["minLength"], one["maxLength"]) for name, one in shown.items()}
    assert limits == {"name": (1, 200), "title": (3, 5), "reason": (1, 5)}


def test_words_keep_their_lines_and_must_say_something() -> None:
    words = TypeAdapter(Words)
    assert words.validate_python(" a\n\n  b ") == " a\n\n  b "
    assert refused(" \n ", words) == "blank"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner)
    ),
)


@given(JSON)
def test_what_has_neither_nul_nor_half_a_pair_can_be_stored(value: Any) -> None:
    assert list(unstorable(value)) == []


@given(JSON, st.sampled_from(["a\0", "\ud83d", "\udd2c"]))
def test_a_text_that_cannot_be_stored_is_found_at_its_place(value: Any, wrong: str) -> None:
    assert list(unstorable({"a": [value, {"b": wrong}], "c": value})) == [("a", 1, "b")]
    assert list(unstorable([value, {wrong: value}])) == [(1,)]
