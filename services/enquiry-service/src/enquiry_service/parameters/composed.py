"""The types of parameters that hold more than one value, or a value that stands for somebody.

A list is bound as one value, JSON text that each dialect makes into what the product has: an array in PostgreSQL and
DuckDB (`= ANY (:faculties)`), JSON in SQLite (`IN (SELECT value FROM json_each(:faculties))`) and in MySQL
(`JSON_CONTAINS(:faculties, JSON_QUOTE(faculty))`).
"""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from enquiry_service.parameters.definitions import (
    DateParameter,
    DecimalParameter,
    Definition,
    IntegerParameter,
    Refused,
    TextParameter,
    Value,
)
from lodge_kit import ids

MOST_ITEMS = 1_000
_PERSON = ids.PATTERN.replace("[a-z]{3}", "per")

_ITEMS: dict[str, type[TextParameter | IntegerParameter | DecimalParameter | DateParameter]] = {
    "text": TextParameter,
    "integer": IntegerParameter,
    "decimal": DecimalParameter,
    "date": DateParameter,
}


class DaysBetween(BaseModel):
    """A first day and a last day, which belongs to it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)

    first: date = Field(alias="from")
    last: date = Field(alias="to")


class PeriodParameter(Definition):
    """A time from a first day to a last one; in the SQL they are `:name_from` and `:name_to`."""

    sql_type = "date"

    type: Literal["period"]
    default: DaysBetween | None = None
    minimum: date | None = None
    maximum: date | None = None
    most_days: int | None = Field(None, ge=1, le=40_000, description="How long it may be.")

    def take(self, raw: Any) -> tuple[date, date]:
        """Take `{"from": "2026-03-01", "to": "2026-03-31"}`; one day is a period too."""
        if not isinstance(raw, dict) or raw.keys() != {"from", "to"}:
            raise Refused("type", 'Give a period as {"from": "2026-03-01", "to": "2026-03-31"}.')
        day = DateParameter(name=self.name, type="date", minimum=self.minimum, maximum=self.maximum)
        first, last = day.take(raw["from"]), day.take(raw["to"])
        if first > last:
            raise Refused("turned-round", f"The period ends on {last}, before it begins on {first}; turn it round.")
        days = (last - first).days + 1
        if self.most_days is not None and days > self.most_days:
            raise Refused("length", f"Give a period of at most {self.most_days} days, not {days}.")
        return first, last

    def form(self) -> dict[str, Any]:
        """Answer an object of two days."""
        day = DateParameter(name=self.name, type="date", minimum=self.minimum, maximum=self.maximum).form()
        both = {"from": day | {"title": "From"}, "to": day | {"title": "To"}}
        return {"type": "object", "properties": both, "required": ["from", "to"], "additionalProperties": False}

    @property
    def slots(self) -> dict[str, str]:
        """Answer the two days' names."""
        return {f"{self.name}_from": "date", f"{self.name}_to": "date"}

    def spread(self, value: Value) -> dict[str, Value]:
        """Answer the two days, or nothing twice."""
        first, last = value if isinstance(value, tuple) else (None, None)
        return {f"{self.name}_from": first, f"{self.name}_to": last}


class ListParameter(Definition):
    """Values of one type, in the order in which they were given."""

    sql_type = "text[]"

    type: Literal["list"]
    items: Literal["text", "integer", "decimal", "date"] = "text"
    choices: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        (), max_length=MOST_ITEMS, description="All that may be in a list of texts; empty for anything."
    )
    default: tuple[str | int, ...] | None = None
    min_items: int = Field(1, ge=0, le=MOST_ITEMS)
    max_items: int = Field(100, ge=1, le=MOST_ITEMS)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.min_items > self.max_items:
            raise ValueError(f"the least number of items, {self.min_items}, is above the most, {self.max_items}")
        if self.choices and self.items != "text":
            raise ValueError("only a list of texts has choices")
        return self

    @property
    def _item(self) -> TextParameter | IntegerParameter | DecimalParameter | DateParameter:
        return _ITEMS[self.items].model_validate({"name": self.name, "type": self.items})

    def take(self, raw: Any) -> tuple[Any, ...]:
        """Take a JSON array; what is wrong in it is told with its number, counted from 1."""
        if not isinstance(raw, list):
            raise Refused("type", "Give a list.")
        if not self.min_items <= len(raw) <= self.max_items:
            raise Refused("length", f"Give {self.min_items} to {self.max_items} of them, not {len(raw)}.")
        return tuple(self._taken(number, one) for number, one in enumerate(raw, start=1))

    def _taken(self, number: int, raw: Any) -> Any:
        try:
            value = self._item.take(raw)
        except Refused as refused:
            raise Refused(refused.code, f"Number {number} of the list: {refused}") from None
        if self.choices and value not in self.choices:
            raise Refused("choice", f"Number {number} of the list is none of the {len(self.choices)} choices.")
        return value

    def form(self) -> dict[str, Any]:
        """Answer an array of what one item may be."""
        item = {"type": "string", "enum": list(self.choices)} if self.choices else self._item.form()
        return {"type": "array", "items": item, "minItems": self.min_items, "maxItems": self.max_items}

    @property
    def slots(self) -> dict[str, str]:
        """Answer its name with its items' type in the SQL."""
        return {self.name: f"{self._item.sql_type}[]"}


class PersonParameter(Definition):
    """Somebody whom access-service knows, by the Lodge id; whether it does is asked when the run is asked for."""

    sql_type = "text"

    type: Literal["person"]
    default: None = None

    def take(self, raw: Any) -> str:
        """Take a person's id."""
        if not isinstance(raw, str) or not re.fullmatch(_PERSON, raw):
            raise Refused("type", "Give a person's id, per_ and 26 characters, as access-service has it.")
        return raw

    def form(self) -> dict[str, Any]:
        """Answer an id; `x-lodge` tells a portal to let people be searched for."""
        return {"type": "string", "pattern": _PERSON, "x-lodge": "person"}


class CallerScopeParameter(Definition):
    """The org units for which the caller may run reports, which Lodge fills in and nobody sets.

    It is a list of their ids, and null where the caller may for the whole institution: write
    `(:scope IS NULL OR org_unit = ANY (:scope))`. Without the first half, nothing is found then.
    """

    sql_type = "text[]"

    type: Literal["caller_scope"]
    default: None = None

    def take(self, raw: Any) -> Value:  # noqa: ARG002 - whatever it is
        """Refuse whatever is given."""
        raise Refused("set-by-lodge", "Leave it out: it is filled with the org units that you may run reports for.")

    def form(self) -> dict[str, Any]:
        """Answer what nothing fits; it is in no form."""
        return {"not": {}}
