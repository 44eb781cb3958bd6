"""What SCIM clients see: the attributes that Lodge keeps and no others, as `/Schemas` publishes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator
from scim2_models import (
    URN,
    CaseExact,
    ComplexAttribute,
    ExtensibleStringEnum,
    Extension,
    Mutability,
    Path,
    Reference,
    Required,
    Resource,
    ResponseParameters,
    Returned,
    Uniqueness,
)

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LODGE = "urn:ietf:params:scim:schemas:extension:lodge:2.0:Person"

_EXACT_ID = Annotated[str | None, CaseExact.true]
_SHOWN_ONLY = Annotated[str | None, Mutability.read_only]
_ON_REQUEST = Annotated[str | None, Mutability.read_only, Returned.request]
_UNIQUE_ID = Annotated[str | None, Uniqueness.server, CaseExact.true, Field(max_length=200)]
_Words = Annotated[str | None, Field(max_length=200)]


class Name(ComplexAttribute):
    """The components of a person's name."""

    formatted: _Words = None
    """The full name, titles and all, as it is written."""

    family_name: _Words = None
    """The family name."""

    given_name: _Words = None
    """The given name."""


class Email(ComplexAttribute):
    """An address of a person."""

    class Type(ExtensibleStringEnum):
        """What an address is for."""

        work = "work"
        home = "home"
        other = "other"

    value: Annotated[str | None, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")] = None
    """The address."""

    display: _Words = None
    """A name for it, for people to read."""

    type: Type | None = None
    """What it is for."""

    primary: bool | None = None
    """Whether it is the one that Lodge writes to; where none is, that is the first."""


class Somebody(ComplexAttribute):
    """Another person. Either of `value` and `$ref` names one; `value` is taken where both do."""

    value: _EXACT_ID = None
    """The id of the User."""

    ref: Reference["User"] | None = Field(None, serialization_alias="$ref", validation_alias="$ref")
    """The address of the User."""

    display_name: _ON_REQUEST = None
    """The displayName of the User."""

    @model_validator(mode="before")
    @classmethod
    def _by_id_alone(cls, value: Any) -> Any:
        """Take the bare id that Microsoft Entra sends in the place of the complex value."""
        return {"value": value} if isinstance(value, str) else value

    def meant(self) -> str | None:
        """Answer the id of the one who is named."""
        return self.value or (self.ref.rstrip("/").rpartition("/")[2] if self.ref else None)


class User(Resource[Any]):
    """A person of the institution."""

    __schema__ = URN(USER)

    external_id: _UNIQUE_ID = None
    """The institution's own id, which its OpenID provider's immutable claim says too; never an e-mail."""

    user_name: Annotated[str | None, Uniqueness.server, Required.true, Field(min_length=1, max_length=200)] = None
    """What the person signs in as, unique whatever its case."""

    name: Name | None = None
    """The components of the person's name."""

    display_name: Annotated[str | None, Required.true, Field(max_length=200)] = None
    """What the person is called. Always there: where a request leaves it out, it is made of the name, or is the
    userName."""

    title: _Words = None
    """What the person does, in words."""

    active: Annotated[bool | None, Required.true] = True
    """Whether the person may do anything at all: one who may not is denied at once, everywhere. Where a new User
    leaves it out it is true; where a change leaves it out it stays as it is."""

    emails: list[Email] | None = None
    """The person's e-mail addresses."""

    @model_validator(mode="before")
    @classmethod
    def _called_something(cls, value: Any) -> Any:
        """Name who comes without displayName, so that nobody is listed without one."""
        if not isinstance(value, dict):
            return value
        told = {str(key).lower().replace("_", ""): item for key, item in value.items()}
        if told.get("displayname"):
            return value
        rest = {key: item for key, item in value.items() if str(key).lower().replace("_", "") != "displayname"}
        return rest | {"displayName": called(told)}


class EnterpriseUser(Extension):
    """What an employer knows of a person besides (RFC 7643, section 4.3)."""

    __schema__ = URN(ENTERPRISE)

    employee_number: _Words = None
    """The number that the institution's staff records give the person."""

    department: _SHOWN_ONLY = None
    """The name of the person's org unit: it follows from the primary appointment."""

    manager: Somebody | None = None
    """Who the person answers to."""


class Appointment(ComplexAttribute):
    """A place that a person has in the institution from one day to another, both included."""

    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The appointment's id."""

    type: _SHOWN_ONLY = Field(None, examples=["staff", "student", "associate"])
    """The kind of appointment."""

    title: _SHOWN_ONLY = None
    """What the person does there."""

    org_unit: _SHOWN_ONLY = None
    """The institution's code of the org unit, or its name where it has none."""

    starts_on: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The first day, as 2026-09-01."""

    ends_on: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The last day; absent where none is set."""

    main: Annotated[bool | None, Mutability.read_only] = None
    """Whether it is the primary appointment of its days."""


class LodgePerson(Extension):
    """What Lodge knows of a person besides. Days and appointments are the staff records': SCIM shows them only."""

    __schema__ = URN(LODGE)

    deputy: Somebody | None = None
    """Who is told in the person's place once she or he has left."""

    org_unit: _SHOWN_ONLY = None
    """The institution's code of the person's org unit."""

    joining_date: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The day of joining, as 2026-09-01."""

    leaving_date: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    """The last day: once it is over the person is inactive."""

    appointments: Annotated[list[Appointment] | None, Mutability.read_only] = None
    """All appointments, those that are over and those to come among them."""


class Member(ComplexAttribute):
    """A person in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The id of the User."""

    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The address of the User."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """User: groups hold no groups."""

    display: _ON_REQUEST = None
    """The displayName of the User."""


class Group(Resource[Any]):
    """People who are given roles together."""

    __schema__ = URN(GROUP)

    external_id: _UNIQUE_ID = None
    """The directory's own id of the group."""

    display_name: Annotated[
        str | None, Required.true, Uniqueness.server, CaseExact.true, Field(min_length=1, max_length=200)
    ] = None
    """What the group is called."""

    members: list[Member] | None = None
    """Who is in the group."""

    _listed: "MemberList | None" = PrivateAttr(default=None)

    @property
    def listed(self) -> "MemberList | None":
        """Answer the members apart from the validated field, where they were read so: None where nothing is said."""
        return self._listed

    def list_members(self, listed: "MemberList | None") -> None:
        """Have the group's members be these."""
        self._listed = listed

    def replace(self, original: Self) -> bool:
        """Say whether the group differs; members that are listed apart are compared where they are kept."""
        return super().replace(original) or self._listed is not None

    def model_dump(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Write the group down, its members as far as `response_parameters` keep them."""
        written: dict[str, Any] = super().model_dump(*args, **options)
        if self._listed is not None:
            members = self._listed.written(options.get("response_parameters"))
            if members:
                written["members"] = members
        return written


@dataclass(frozen=True)
class MemberList:
    """The members of a group, unvalidated: as models of twenty thousand people they would take seconds."""

    people: Sequence[tuple[str, str]]
    """By id, each with the name; names are empty in what a caller says."""
    base_url: str = ""
    """What the addresses of the people begin with."""

    def written(self, parameters: ResponseParameters[Any] | None) -> list[dict[str, str]]:
        """Write down what an answer to `attributes` and `excludedAttributes` keeps of each."""
        kept = kept_of_members(parameters)
        whole: Mapping[str, Callable[[str, str], str]] = {
            "value": lambda person, _: person,
            "$ref": lambda person, _: f"{self.base_url}Users/{person}",
            "type": lambda _person, _: "User",
            "display": lambda _, name: name,
        }
        parts = [(name, write) for name, write in whole.items() if name in kept]
        return [{name: write(*one) for name, write in parts} for one in self.people] if parts else []


def kept_of_members(parameters: ResponseParameters[Any] | None) -> set[str]:
    """Answer which parts of members an answer has; where it has none, they need not be read."""
    named = (parameters.attributes, parameters.excluded_attributes) if parameters else (None, None)
    path: Any = Path[Group]
    kept = path.iter_paths(attributes=named[0] or [], excluded_attributes=named[1] or [])
    return {str(one).partition(".")[2] for one in kept if str(one).startswith("members.")}


def called(told: Mapping[str, Any]) -> str | None:
    """Make a displayName of what a payload tells, its keys in lower case: of the name, or else the userName."""
    name = told.get("name")
    parts = name.model_dump() if isinstance(name, Name) else name if isinstance(name, dict) else {}
    names = {str(key).lower(): item for key, item in parts.items() if isinstance(item, str) and item.strip()}
    full = " ".join(names[key] for key in ("givenname", "familyname") if key in names)
    return names.get("formatted") or full or told.get("username")
