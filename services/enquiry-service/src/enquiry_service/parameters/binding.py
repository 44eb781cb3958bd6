"""Values for all the parameters of a report: taken or refused in one answer, bound, written, asked for in a form."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from json import dumps, loads
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from enquiry_service.parameters.composed import (
    CallerScopeParameter,
    ListParameter,
    PeriodParameter,
    PersonParameter,
)
from enquiry_service.parameters.definitions import (
    BooleanParameter,
    ChoiceParameter,
    DateParameter,
    DecimalParameter,
    IntegerParameter,
    Refused,
    TextParameter,
    Value,
)
from lodge_kit.identity import Scope
from lodge_kit.problems import Invalid, InvalidValue

Parameter = Annotated[
    TextParameter
    | IntegerParameter
    | DecimalParameter
    | DateParameter
    | BooleanParameter
    | ChoiceParameter
    | PeriodParameter
    | ListParameter
    | PersonParameter
    | CallerScopeParameter,
    Field(discriminator="type"),
]
"""The definition of one parameter; `type` says which."""

DEFINITIONS: TypeAdapter[list[Parameter]] = TypeAdapter(list[Parameter])
"""Reads and writes the list that a report version keeps as JSON."""

NOWHERE: Scope = frozenset()


def demand_distinct(definitions: Sequence[Parameter], *, pointer: str = "/parameters") -> None:
    """Refuse two definitions of one name in the SQL: it would not be known which of them a value is for."""
    seen: set[str] = set()
    for number, definition in enumerate(definitions):
        names = {definition.name, *definition.slots}
        if twice := sorted(names & seen):
            at = f"{pointer}/{number}/name"
            raise Invalid.at(at, f"There is another parameter {twice[0]}; name each once.", "repeated")
        seen |= names


def bind(
    definitions: Sequence[Parameter], values: Mapping[str, Any], *, scope: Scope = NOWHERE,
    pointer: str = "/parameters",
) -> dict[str, Value]:  # fmt: skip
    """Answer a value for each slot of each definition, in their order; raises Invalid pointing at each that is wrong.

    `values` are JSON values by name. One left out, or null, takes the default; without one it is None where the
    parameter is optional. `scope` is where the caller may run reports, which fills a `caller_scope`.
    """
    errors = [
        InvalidValue(pointer=_at(pointer, name), code="unknown", detail=f"This report has no parameter {name!r:.100}.")
        for name in values.keys() - {definition.name for definition in definitions}
    ]
    bound: dict[str, Value] = {}
    for definition in definitions:
        try:
            bound |= definition.spread(_take(definition, values, scope))
        except Refused as refused:
            at = _at(pointer, definition.name)
            errors.append(InvalidValue(pointer=at, code=refused.code, detail=str(refused)))
    if errors:
        errors.sort(key=lambda error: error.pointer)
        raise Invalid("The report's parameters are not what it asks for.", errors=errors)
    return bound


def written(value: Value) -> str | None:
    """Answer the text by which the source reads `value` in its own type; None stays null, a list is JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return dumps([one if isinstance(one, int) else written(one) for one in value], ensure_ascii=False)
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else str(value)


def scope_of(definitions: Sequence[Parameter], texts: Mapping[str, str | None]) -> set[str]:
    """Answer the org units that a run's written values were filled with; every one is `*`, which no scope contains."""
    filled: set[str] = set()
    for one in definitions:
        if isinstance(one, CallerScopeParameter):
            text = texts.get(one.name)
            filled |= {"*"} if text is None else set(loads(text))
    return filled


def form(definitions: Sequence[Parameter]) -> dict[str, Any]:
    """Answer the JSON Schema (2020-12) of the object of values, from which a portal draws its form.

    What a schema cannot say, such as that a period must not be turned round, is told when the run is asked for.
    """
    asked = [one for one in definitions if not isinstance(one, CallerScopeParameter)]
    dumped = {one["name"]: one for one in DEFINITIONS.dump_python(list(asked), mode="json")}
    properties = {}
    for one in asked:
        told = {"title": one.label or one.name} | one.form()
        default = dumped[one.name].get("default")
        properties[one.name] = told if default is None else told | {"default": default}
    needed = [one.name for one in asked if one.required and one.default is None]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def _take(definition: Parameter, values: Mapping[str, Any], scope: Scope) -> Value:
    if isinstance(definition, CallerScopeParameter):
        if definition.name in values:
            return definition.take(values[definition.name])
        return None if scope == "*" else tuple(sorted(scope))
    raw = values.get(definition.name)
    if raw is not None:
        return definition.take(raw)
    if definition.default is None and definition.required:
        raise Refused("missing", "This parameter is needed.")
    # Taken anew: what is bound by default has the very type of what is given.
    dumped = definition.model_dump(mode="json")["default"]
    return None if dumped is None else definition.take(dumped)


def _at(pointer: str, name: str) -> str:
    return f"{pointer}/" + name.replace("~", "~0").replace("/", "~1")
