"""What a report asks before it runs: named, typed values, always bound, never written into the SQL as text.

In the SQL a parameter stands as `:name`. A definition says what a value may be; `bind` refuses the rest, each with
its pointer. Refused whatever the type: NUL and lone surrogates, which PostgreSQL's text cannot hold.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from lodge_kit.problems import Invalid, InvalidValue

Value = str | int | Decimal | date | bool | None
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


class _Definition(BaseModel):
    """What every parameter has: a name to write in the SQL, a label to ask with, whether it may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sql_type: ClassVar[str]

    name: str = Field(pattern=NAME, examples=["enrolled_after"])
    label: str = Field("", max_length=200, examples=["Enrolled after"])
    required: bool = True

    @abstractmethod
    def take(self, raw: Any) -> Value:
        """Answer `raw`, a JSON value, as the value to bind; raises Refused."""

    @model_validator(mode="after")
    def _default_fits(self) -> Self:
        default = getattr(self, "default", None)
        if default is not None:
            self.take(default.isoformat() if isinstance(default, date) else default)
        return self


class TextParameter(_Definition):
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


def _within(value: Any, minimum: Any, maximum: Any) -> None:
    if minimum is not None and value < minimum:
        raise Refused("minimum", f"Give {minimum} or more.")
    if maximum is not None and value > maximum:
        raise Refused("maximum", f"Give {maximum} or less.")


class _Ordered(_Definition):
    """A definition whose values have an order, and so may have ends."""

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        minimum, maximum = getattr(self, "minimum", None), getattr(self, "maximum", None)
        if minimum is not None and maximum is not None and minimum > maximum:
            raise ValueError(f"the minimum {minimum} is above the maximum {maximum}")
        return self


class IntegerParameter(_Ordered):
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


class DecimalParameter(_Ordered):
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


class DateParameter(_Ordered):
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


class BooleanParameter(_Definition):
    """Yes or no."""

    sql_type = "boolean"

    type: Literal["boolean"]
    default: bool | None = None

    def take(self, raw: Any) -> bool:
        """Take true or false."""
        if not isinstance(raw, bool):
            raise Refused("type", "Give true or false.")
        return raw


class ChoiceParameter(_Definition):
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


Parameter = Annotated[
    TextParameter | IntegerParameter | DecimalParameter | DateParameter | BooleanParameter | ChoiceParameter,
    Field(discriminator="type"),
]
"""The definition of one parameter; `type` says which."""

DEFINITIONS: TypeAdapter[list[Parameter]] = TypeAdapter(list[Parameter])
"""Reads and writes the list that a report version keeps as JSON."""


def demand_distinct(definitions: Sequence[Parameter], *, pointer: str = "/parameters") -> None:
    """Refuse two definitions of one name: it would not be known which of them a value is for."""
    seen: set[str] = set()
    for number, definition in enumerate(definitions):
        if definition.name in seen:
            at = f"{pointer}/{number}/name"
            raise Invalid.at(at, f"There is another parameter {definition.name}; name each once.", "repeated")
        seen.add(definition.name)


def bind(
    definitions: Sequence[Parameter], values: Mapping[str, Any], *, pointer: str = "/parameters"
) -> dict[str, Value]:
    """Answer a value for each definition, in their order; raises Invalid pointing at each that is wrong.

    `values` are JSON values by name. One left out, or null, takes the default; without one it is None where the
    parameter is optional.
    """
    errors = [
        InvalidValue(pointer=_at(pointer, name), code="unknown", detail=f"This report has no parameter {name!r:.100}.")
        for name in values.keys() - {definition.name for definition in definitions}
    ]
    bound: dict[str, Value] = {}
    for definition in definitions:
        try:
            bound[definition.name] = _take(definition, values.get(definition.name))
        except Refused as refused:
            at = _at(pointer, definition.name)
            errors.append(InvalidValue(pointer=at, code=refused.code, detail=str(refused)))
    if errors:
        errors.sort(key=lambda error: error.pointer)
        raise Invalid("The report's parameters are not what it asks for.", errors=errors)
    return bound


def written(value: Value) -> str | None:
    """Answer the text by which PostgreSQL reads `value` in its own type; None stays null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else str(value)


def _take(definition: Parameter, raw: Any) -> Value:
    if raw is not None:
        return definition.take(raw)
    if definition.default is None and definition.required:
        raise Refused("missing", "This parameter is needed.")
    return definition.default


def _at(pointer: str, name: str) -> str:
    return f"{pointer}/" + name.replace("~", "~0").replace("/", "~1")
