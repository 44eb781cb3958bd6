"""A system's catalogue as a document: its entries, where each stands in what was sent, and what is wrong there. Pure.

Permissions and roles are known by their names. What an entry leaves out stays as it is; what the document leaves out
stays too, unless its sender asks to have it retired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import ErrorDetails, PydanticCustomError

from access_service import conditions
from lodge_kit import texts
from lodge_kit.changes import Change
from lodge_kit.problems import Invalid, InvalidValue
from lodge_kit.texts import Name

MOST = 20_000
"""Permissions, roles and links of one document."""
_MOST_FAULTS = 100


def _storable(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "a NUL character cannot be stored")
    return text


def _condition(text: str) -> str:
    try:
        conditions.parse(text)
    except Invalid as error:
        raise PydanticCustomError("condition", "{detail}", {"detail": error.detail}) from error
    return text


Code = Annotated[texts.Words, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
Label = Annotated[str, StringConstraints(max_length=200), AfterValidator(_storable)]
Words = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_storable)]
Condition = Annotated[
    str,
    StringConstraints(min_length=1, max_length=conditions.LONGEST_TEXT),
    AfterValidator(_storable),
    AfterValidator(_condition),
]
"""Read as it is taken in, so that one that cannot be used is refused where it stands."""


class PermissionEntry(Change):
    """A permission in a catalogue's document."""

    name: Name = Field(examples=["student_record.amend"])
    state: Literal["active", "retired"] = "active"
    description: Words = ""
    module: Label = Field(default="", examples=["Registry"])
    action: Name = Field(default="", examples=["amend"])
    resource_type: Name = Field(default="", examples=["student_record"])
    supplier_code: Code | None = Field(default=None, examples=["SRS-AMD-01"])
    condition: Condition | None = Field(default=None, examples=["resource.properties.owner == subject.email"])
    request_wins: bool = False


class RoleEntry(Change):
    """A role in a catalogue's document; what it contains and inherits from is named."""

    name: Name = Field(examples=["Registry clerk"])
    state: Literal["draft", "active", "retired"] = "active"
    description: Words = ""
    owner: Name | None = Field(default=None, description="A person's user name or id.", examples=["asmith"])
    permissions: list[Name] = Field(default=[], max_length=MOST)
    inherits: list[Name] = Field(default=[], max_length=MOST)


class CatalogueDocument(BaseModel):
    """All permissions and roles of a system."""

    model_config = ConfigDict(extra="forbid")

    permissions: list[PermissionEntry] = Field(default=[], max_length=MOST)
    roles: list[RoleEntry] = Field(default=[], max_length=MOST)


class Place(Protocol):
    """Where in a document an entry stands."""

    def pointer(self, *path: str | int) -> str:
        """Answer where a field of the entry stands, as errors point at it."""
        ...

    def said(self, *path: str | int) -> str:
        """Answer the same in words."""
        ...


E = TypeVar("E", PermissionEntry, RoleEntry)


@dataclass(frozen=True, slots=True)
class Told(Generic[E]):
    """An entry, and where it stands."""

    entry: E
    place: Place


@dataclass(frozen=True, slots=True)
class Document:
    """What was sent; None where it does not speak of permissions, or of roles, at all."""

    permissions: Sequence[Told[PermissionEntry]] | None
    roles: Sequence[Told[RoleEntry]] | None


@dataclass
class Faults:
    """What is wrong with a document, all of it, so that it is mended in one go."""

    found: list[InvalidValue] = field(default_factory=list)
    _first: str = ""

    def note(self, place: Place, *path: str | int, code: str, detail: str) -> None:
        """Put down what is wrong with a field of an entry; `detail` is a clause that begins small."""
        said = f"{place.said(*path)}: {detail}"
        self._first = self._first or said
        self.found.append(InvalidValue(pointer=place.pointer(*path), code=code, detail=f"{said}."))

    def note_all(self, place: Place, errors: Sequence[ErrorDetails]) -> None:
        """Put down what pydantic found wrong with an entry."""
        for one in errors:
            code, detail = one["type"].replace("_", "-"), one["msg"].removesuffix(".")
            self.note(place, *one["loc"], code=code, detail=detail[:1].lower() + detail[1:])

    def demand_none(self) -> None:
        """Refuse the document where something is wrong with it. Raises `Invalid`."""
        if self.found:
            more = f" There are {len(self.found) - 1} more, under errors." if len(self.found) > 1 else ""
            raise Invalid(f"Nothing was changed. {self._first}.{more}", errors=self.found[:_MOST_FAULTS])
