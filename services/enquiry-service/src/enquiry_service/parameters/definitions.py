"""What one value of a parameter may be: the types that hold a single value.

Refused whatever the type: NUL and lone surrogates, which PostgreSQL's text cannot hold.
"""

import re
from abc import abstractmethod
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Value = str | int | Decimal | date | bool | tuple[Any, ...] | None
"""A value after its check; None where an optional parameter was left out."""

NAME = r"^[a-z][a-z0-9_]{0,62}$"
_WHOLE = re.compile(r"^[+-]?[0-9]{1,19}$")
_BIGINT = 2**63
_UNTEXT = re.compile("[\x00\ud800-\udfff]")
_DIGITS = 100


class Refused(ValueError):  # noqa: N818 - what happened, in a word
    """A value that a definition does not take; the sentence says what it would take."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Definition(BaseModel):
    """What every parameter has: a name to write in the SQL, a label to ask with, whether it may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql_type: ClassVar[str]

    name: str = Field(pattern=NAME, examples=["enrolled_after"])
    label: str = Field("", max_length=200, examples=["Enrolled after"])
    required: bool = True

    @abstractmethod
    def take(self, raw: Any) -> Value:
        """Answer `raw`, a JSON value, as the value to bind; raises Refused."""

    @abstractmethod
    def form(self) -> dict[str, Any]:
        """Answer the JSON Schema (2020-12) of what `take` takes, without its label."""

    @property
    def slots(self) -> dict[str, str]:
        """Answer the names that stand in the SQL for this parameter, each with the key of its type in `casts`."""
        return {self.name: self.sql_type}

    def spread(self, value: Value) -> dict[str, Value]:
        """Answer what is bound to each of the slots."""
        return {self.name: value}

    @model_validator(mode="after")
    def _default_fits(self) -> Self:
        default = getattr(self, "default", None)
        if default is not None:
            self.take(TypeAdapter(Any).dump_python(default, mode="json"))
        return self


class TextParameter(Definition):
    """Words, up to a length in characters."""

    sql_type = "text"

    type: Literal["text"]
    default: str | None = None
    min_length: int = Field(0, ge=0)
    max_length: int = Field(1_000, ge=1, le=100_000)

    def take(self, raw: Any) -> str:
        """Take a JSON string."""
        if not isinstance(raw, str):
            raise Refused("type", "Give a string.")
        if _UNTEXT.search(raw):
            raise Refused("characters", "Leave out NUL characters and halves of surrogate pairs.")
        if not self.min_length <= len(raw) <= self.max_length:
            raise Refused("length", f"Give {self.min_length} to {self.max_length} characters, not {len(raw)}.")
        return raw

    def form(self) -> dict[str, Any]:
        """Answer a string with its lengths."""
        return {"type": "string", "minLength": self.min_length, "maxLength": self.max_length}


def _within(value: Any, minimum: Any, maximum: Any) -> None:
    if minimum is not None and value < minimum:
        raise Refused("minimum", f"Give {minimum} or more.")
    if maximum is not None and value > maximum:
        raise Refused("maximum", f"Give {maximum} or less.")


def _ends(minimum: date | None, maximum: date | None) -> dict[str, Any]:
    if minimum and maximum:
        return {"description": f"A day from {minimum} to {maximum}."}
    if minimum or maximum:
        return {"description": f"{minimum} or later." if minimum else f"{maximum} or earlier."}
    return {}


class Ordered(Definition):
    """A definition whose values have an order, and so may have ends."""

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        minimum, maximum = getattr(self, "minimum", None), getattr(self, "maximum", None)
        if minimum is not None and maximum is not None and minimum > maximum:
            raise ValueError(f"the minimum {minimum} is above the maximum {maximum}")
        return self


class IntegerParameter(Ordered):
    """A whole number of 64 bits."""

    sql_type = "bigint"

    type: Literal["integer"]
    default: int | None = None
    minimum: int | None = None
    maximum: int | None = None

    def take(self, raw: Any) -> int:
        """Take a JSON integer, or a string of digits as a form sends it."""
        if isinstance(raw, bool) or not (isinstance(raw, int) or (isinstance(raw, str) and _WHOLE.match(raw))):
            raise Refused("type", "Give a whole number.")
        value = int(raw)
        if not -_BIGINT <= value < _BIGINT:
            raise Refused("range", "Give a whole number of 64 bits.")
        _within(value, self.minimum, self.maximum)
        return value

    def form(self) -> dict[str, Any]:
        """Answer a whole number with its ends."""
        least = -_BIGINT if self.minimum is None else max(self.minimum, -_BIGINT)
        most = _BIGINT - 1 if self.maximum is None else min(self.maximum, _BIGINT - 1)
        return {"type": "integer", "minimum": least, "maximum": most}


class DecimalParameter(Ordered):
    """An exact number; write it as a string where a float would round it."""

    sql_type = "numeric"

    type: Literal["decimal"]
    default: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def take(self, raw: Any) -> Decimal:
        """Take a JSON number, or a string such as "12.50"."""
        if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal) or len(str(raw)) > _DIGITS:
            raise Refused("type", f'Give a number, or a string such as "12.50", of at most {_DIGITS} digits.')
        try:
            value = Decimal(str(raw))
        except InvalidOperation:
            raise Refused("type", 'Give a number, or a string such as "12.50".') from None
        if not value.is_finite() or abs(value.adjusted()) > _DIGITS:
            raise Refused("type", f"Give a finite number of at most {_DIGITS} digits.")
        _within(value, self.minimum, self.maximum)
        return value

    def form(self) -> dict[str, Any]:
        """Answer a number, or a string of digits, which no float has rounded."""
        ends = {"minimum": self.minimum, "maximum": self.maximum}
        return {
            "type": ["string", "number"],
            "pattern": r"^[+-]?[0-9]{1,50}(\.[0-9]{1,40})?$",
            **{name: float(end) for name, end in ends.items() if end is not None},
        }


class DateParameter(Ordered):
    """A day."""

    sql_type = "date"

    type: Literal["date"]
    default: date | None = None
    minimum: date | None = None
    maximum: date | None = None

    def take(self, raw: Any) -> date:
        """Take a string such as "2026-03-01"."""
        try:
            value = date.fromisoformat(raw if re.fullmatch(r"\d{4}-\d\d-\d\d", raw) else "")
        except (TypeError, ValueError):
            raise Refused("type", "Give a day as year-month-day, 2026-03-01.") from None
        _within(value, self.minimum, self.maximum)
        return value

    def form(self) -> dict[str, Any]:
        """Answer a day; JSON Schema has no words for its ends, which a sentence tells."""
        return {"type": "string", "format": "date"} | _ends(self.minimum, self.maximum)


class BooleanParameter(Definition):
    """Yes or no."""

    sql_type = "boolean"

    type: Literal["boolean"]
    default: bool | None = None

    def take(self, raw: Any) -> bool:
        """Take true or false."""
        if not isinstance(raw, bool):
            raise Refused("type", "Give true or false.")
        return raw

    def form(self) -> dict[str, Any]:
        """Answer yes or no."""
        return {"type": "boolean"}


class ChoiceParameter(Definition):
    """One of the strings that the report's author listed."""

    sql_type = "text"

    type: Literal["choice"]
    choices: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(min_length=1, max_length=1_000)
    default: str | None = None

    def take(self, raw: Any) -> str:
        """Take one of the choices, exactly."""
        if not isinstance(raw, str) or raw not in self.choices:
            shown = ", ".join(self.choices[:10]) + (", …" if len(self.choices) > 10 else "")  # noqa: PLR2004 - a sentence's length
            raise Refused("choice", f"Give one of: {shown}.")
        if _UNTEXT.search(raw):
            raise Refused("characters", "Leave out NUL characters and halves of surrogate pairs.")
        return raw

    def form(self) -> dict[str, Any]:
        """Answer the choices in the author's order."""
        return {"type": "string", "enum": list(self.choices)}
