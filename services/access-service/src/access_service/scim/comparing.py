"""How SCIM compares what stands in a column (RFC 7644, section 3.4.2.2), in SQL.

Every condition is true or false and never null: `not` turns each round, and a missing value is not equal to a value.
Texts compare as `comparable` writes them: without their case unless they are exact, and byte by byte where
one is greater than another.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import ge, gt, le, lt
from typing import Any
from unicodedata import normalize

from pydantic import TypeAdapter, ValidationError
from scim2_models import InvalidFilterException
from scim2_models.path import CompareOperator
from sqlalchemy import ColumnElement, FromClause, and_, exists, false, func, literal, or_, select, true
from sqlalchemy import Text as SqlText
from sqlalchemy.orm import Mapped

Column = Mapped[Any] | ColumnElement[Any]
Condition = ColumnElement[bool]
Op = CompareOperator
_ORDERINGS: Mapping[CompareOperator, Callable[[Any, Any], Any]] = {Op.gt: gt, Op.ge: ge, Op.lt: lt, Op.le: le}


def comparable(text: str, *, exact: bool) -> str:
    """Answer what stands for `text` where texts are compared: composed (NFC), and in lower case unless `exact`.

    The lower case of each letter by itself, as PostgreSQL's `lower` has it. Raises ValueError for what no row
    can hold.
    """
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("a NUL or half a surrogate pair cannot be stored")
    composed = normalize("NFC", text)
    if exact:
        return composed
    if composed.isascii():
        return composed.lower()
    return normalize("NFC", "".join("i" if letter == "İ" else letter.lower() for letter in composed))


@dataclass(frozen=True, slots=True)
class Text:
    """A text, or nothing."""

    column: Column
    exact: bool = False

    def is_there(self) -> Condition:
        """Say that there is a text that is not empty (`pr`)."""
        return and_(self.column.is_not(None), self.column != "")

    def meets(self, op: CompareOperator, value: Any) -> Condition:
        """Say that the text compares so with `value`."""
        if value is None:
            return _compared_with_nothing(self.column, op)
        if not isinstance(value, str):
            return true() if op is Op.ne else false()
        try:
            operand = comparable(value, exact=self.exact)
        except ValueError as error:
            raise InvalidFilterException(detail=f"A text of the filter cannot be compared: {error}.") from error
        if op is Op.ne:
            return or_(self.column.is_(None), self._compared != operand)
        return and_(self.column.is_not(None), self._holds(op, operand))

    def _holds(self, op: CompareOperator, operand: str) -> Condition:
        if op in _ORDERINGS:
            return _condition(_ORDERINGS[op](self.in_order, operand))
        if op is Op.eq:
            return self._compared == operand  # without a collation of its own: the index on lower(…) serves it
        if not self.exact:
            # ILIKE, which the trigram index serves.
            match: Any = {Op.co: self.column.icontains, Op.sw: self.column.istartswith, Op.ew: self.column.iendswith}[
                op
            ]
            return _condition(match(operand, autoescape=True))
        if op is Op.co:
            return _condition(func.strpos(self.column, operand) > 0)
        if op is Op.sw:
            return _condition(func.starts_with(self.column, operand))
        return _condition(func.right(self.column, len(operand)) == operand)

    @property
    def _compared(self) -> Column:
        return self.column if self.exact else func.lower(self.column, type_=SqlText())

    @property
    def in_order(self) -> Column:
        """Answer what it is ordered by."""
        return self._compared.collate("C")


@dataclass(frozen=True, slots=True)
class Flag:
    """True, false, or nothing."""

    column: Column

    def is_there(self) -> Condition:
        """Say that it is either."""
        return self.column.is_not(None)

    def meets(self, op: CompareOperator, value: Any) -> Condition:
        """Say that it compares so with `value`; operators of order are refused before."""
        if value is None:
            return _compared_with_nothing(self.column, op)
        same = func.coalesce(self.column == _read(bool, value), literal(value=False))
        return ~same if op is Op.ne else same

    @property
    def in_order(self) -> Column:
        """Answer what it is ordered by: false comes first."""
        return self.column


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant that is always there."""

    column: Column

    def is_there(self) -> Condition:
        """Say that it is there."""
        return true()

    def meets(self, op: CompareOperator, value: Any) -> Condition:
        """Say that it compares so with `value`; an instant without an offset is one of UTC."""
        if value is None:
            return _compared_with_nothing(self.column, op)
        if op in (Op.co, Op.sw, Op.ew):
            return false()
        instant: datetime = _read(datetime, value)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        if op in _ORDERINGS:
            return _condition(_ORDERINGS[op](self.column, instant))
        return _condition(self.column != instant if op is Op.ne else self.column == instant)

    @property
    def in_order(self) -> Column:
        """Answer what it is ordered by."""
        return self.column


One = Text | Flag | Moment
"""A value that stands in one column."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A complex value, whose parts stand in columns of their own: it can be there, and is compared by its parts."""

    parts: tuple[One, ...]

    def is_there(self) -> Condition:
        """Say that any part is there."""
        return or_(*(part.is_there() for part in self.parts))


@dataclass(frozen=True, slots=True)
class Many:
    """Several complex values, each a row of another table."""

    table: FromClause
    belongs: Condition
    """Which rows are those of the thing that is looked for."""
    parts: Mapping[str, One]
    """By name in lower case."""
    first: tuple[Column, ...] = ()
    """What is ordered by has the value of the first row in this order; empty where nothing is ordered by it."""

    def any(self, *conditions: Condition) -> Condition:
        """Say that a row meets all the conditions."""
        return exists(select(literal(1)).select_from(self.table).where(self.belongs, *conditions))

    def is_there(self) -> Condition:
        """Say that there is a row that holds something."""
        return self.any(or_(*(part.is_there() for part in self.parts.values())))

    def meets(self, part: One, op: CompareOperator, value: Any) -> Condition:
        """Say that a part compares so with `value` in any row; for `ne`, in all.

        Where there are no rows nothing is there, which equals null.
        """
        held = part.meets(op, value)
        if op is not Op.ne:
            return or_(~self.any(), self.any(held)) if value is None and op is Op.eq else self.any(held)
        none_differs = ~self.any(~held)
        return and_(self.any(), none_differs) if value is None else none_differs

    def in_order(self, part: One) -> Column:
        """Answer what is ordered by: the part in the row that comes first."""
        chosen = select(part.in_order).select_from(self.table).where(self.belongs)
        return chosen.order_by(*self.first).limit(1).scalar_subquery()


def _compared_with_nothing(column: Column, op: CompareOperator) -> Condition:
    if op is Op.eq:
        return column.is_(None)
    return column.is_not(None) if op is Op.ne else false()


def _read(kind: type[Any], value: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise InvalidFilterException(detail=f"{value!r} is not a {kind.__name__}.") from error


def _condition(made: Any) -> Condition:
    found: Condition = made
    return found
