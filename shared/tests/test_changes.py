"""Bodies of PATCH as the document shows them."""

import pytest
from pydantic import Field, ValidationError

from lodge_kit.changes import Change


class ShelfChange(Change):
    label: str = Field(default="", min_length=1)
    height: int | None = 30


class ShelfIn(ShelfChange):
    label: str = Field(min_length=1)


def test_a_change_shows_no_defaults_and_what_is_added_shows_them() -> None:
    changed, added = ShelfChange.model_json_schema(), ShelfIn.model_json_schema()
    assert not any("default" in field for field in changed["properties"].values())
    assert "required" not in changed
    assert added["properties"]["height"]["default"] == 30
    assert added["required"] == ["label"]


def test_what_is_left_out_is_not_changed_and_what_is_unknown_is_refused() -> None:
    assert ShelfChange(height=None).model_dump(exclude_unset=True) == {"height": None}
    with pytest.raises(ValidationError):
        ShelfChange.model_validate({"hieght": 1})
