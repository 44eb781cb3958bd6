"""What the columns of a result say of people: a class that a source's column has, or that the author has given.

A column that shows a source's column unchanged has that column's class, once somebody who keeps the source has given it
one, and no author makes it less. What is computed, or not classified at the source, is classified by the author.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from pydantic import BaseModel, Field

from enquiry_service.sources import Column
from lodge_kit.problems import Invalid, InvalidValue

DataClass = Literal["none", "personal", "special", "secret"]
"""`special` is what Article 9 of the UK GDPR calls so; `secret` is nobody's business, such as a key."""
_ORDER: tuple[DataClass, ...] = get_args(DataClass)


class ResultColumn(BaseModel):
    """One column of a result, as the source described it and as it is classified."""

    name: str
    type: str
    origin: str | None = Field(description="`schema.table.column` that it shows unchanged; null if computed.")
    data_class: DataClass | None = Field(description="null while nobody has said it.")
    classified_by: Literal["source", "author"] | None


def classified(
    columns: Sequence[Column], *, said: Mapping[str, DataClass], known: Mapping[str, DataClass]
) -> list[ResultColumn]:
    """Answer the columns with their classes: `known` of a source's columns by origin, else `said` by name."""
    return [_classified(one, said, known) for one in columns]


def strictest(columns: Sequence[ResultColumn]) -> dict[str, DataClass]:
    """Answer the class of each name; the strictest, where several columns are called so."""
    found: dict[str, DataClass] = {}
    for one in columns:
        if one.data_class is not None:
            found[one.name] = max(found.get(one.name, "none"), one.data_class, key=_ORDER.index)
    return found


def _classified(column: Column, said: Mapping[str, DataClass], known: Mapping[str, DataClass]) -> ResultColumn:
    facts = column.model_dump()
    if column.origin is not None and column.origin in known:
        return ResultColumn(**facts, data_class=known[column.origin], classified_by="source")
    by = "author" if column.name in said else None
    return ResultColumn(**facts, data_class=said.get(column.name), classified_by=by)


def demand_fitting(columns: Sequence[Column], *, said: Mapping[str, DataClass], known: Mapping[str, DataClass]) -> None:
    """Refuse a class for what is no column, and another than the source's own. Raises `Invalid` naming each."""
    errors = []
    found = {one.name: one for one in classified(columns, said=said, known=known)}
    for name, wanted in said.items():
        at = "/classes/" + name.replace("~", "~0").replace("/", "~1")
        if name not in found:
            sentence = f"The result has no column {name!r:.100}; it has {', '.join(found)[:300]}."
            errors.append(InvalidValue(pointer=at, code="unknown-column", detail=sentence))
        elif found[name].classified_by == "source" and found[name].data_class != wanted:
            sentence = f"The source says that {found[name].origin} is {found[name].data_class}; leave it out here."
            errors.append(InvalidValue(pointer=at, code="classified-by-source", detail=sentence))
    if errors:
        raise Invalid("The classes do not fit the result's columns.", errors=errors)
