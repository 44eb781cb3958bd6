"""The schemas that people write for a kind: checked when they are saved."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from enquiry_service.fields.bounds import (
    FORMATS,
    LARGEST_SCHEMA,
    MOST_CHOICES,
    MOST_ERRORS,
    MOST_SUBSCHEMAS,
    JsonObject,
    Place,
    code,
    sentence,
    too_large,
    unusable,
    written,
)
from lodge_kit.problems import Invalid, InvalidValue

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_SCHEMA = ("additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else")
_SCHEMAS = ("prefixItems", "allOf", "anyOf", "oneOf")
_NAMED = ("properties", "patternProperties", "$defs")
_PLAIN = (
    "type", "enum", "const", "required", "dependentRequired", "minProperties", "maxProperties", "minItems", "maxItems",
    "uniqueItems", "minContains", "maxContains", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "$ref", "$schema", "$comment", "title", "description",
    "default", "examples", "deprecated", "readOnly", "writeOnly",
)  # fmt: skip
_KNOWN = frozenset((*_SCHEMA, *_SCHEMAS, *_NAMED, *_PLAIN))


class UnusableFields(Invalid):
    """A schema that enquiries cannot be held against; each place is named."""

    code = "fields-unusable"


def check(schema: JsonObject, *, pointer: str = "/fields") -> None:
    """Refuse a schema that is none, or that is not bounded. Raises `UnusableFields`."""
    if said := too_large(schema, LARGEST_SCHEMA):
        raise UnusableFields.at(pointer, said, "too-large")
    found = list(_wrong(schema))
    if not found and schema.get("type") != "object":
        found = [(("type",), "type", 'The fields are an object: "type": "object".')]
    wrong = [InvalidValue(pointer=pointer + written(place), code=named, detail=said) for place, named, said in found]
    if wrong:
        where = ", ".join(one.pointer for one in wrong[:5])
        raise UnusableFields(f"These fields cannot be used: {where}.", errors=wrong[:MOST_ERRORS])


def _wrong(schema: JsonObject) -> Iterator[tuple[Place, str, str]]:
    """Yield what is wrong with a schema: first by its own meta-schema, then by what bounds it."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415 - heavy; its types lie apart

    malformed = list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
    for error in malformed[:MOST_ERRORS]:
        yield tuple(error.absolute_path), code(error.validator), sentence(error.message)
    if not malformed:
        defined = schema.get("$defs", {})
        found = list(_subschemas(schema))
        for place, inner in found:
            yield from _unbounded(place, inner, defined)
        if _unfolded(found, defined) > MOST_SUBSCHEMAS:
            yield (), "too-large", f"This has more than {MOST_SUBSCHEMAS} schemas within it, each $ref unfolded."


def _unfolded(found: Sequence[tuple[Place, JsonObject]], defined: JsonObject) -> int:
    """Count the subschemas, those of $defs wherever they are referred to."""
    objects = {name: one for name, one in defined.items() if isinstance(one, dict)}
    sizes = {f"#/$defs/{name}": len(list(_subschemas(one))) for name, one in objects.items()}
    used = [inner for place, inner in found if place[:1] != ("$defs",)]
    return len(used) + sum(sizes.get(one["$ref"], 1) for one in used if "$ref" in one)


def _subschemas(schema: JsonObject, place: Place = ()) -> Iterator[tuple[Place, JsonObject]]:
    yield place, schema
    for name, value in schema.items():
        here: list[tuple[Place, Any]] = []
        if name in _SCHEMA:
            here = [((name,), value)]
        elif name in _SCHEMAS:
            here = [((name, number), one) for number, one in enumerate(value)]
        elif name in _NAMED:
            here = [((name, key), one) for key, one in value.items()]
        for inner, one in here:
            if isinstance(one, dict):  # else true or false, which are schemas too
                yield from _subschemas(one, (*place, *inner))


def _unbounded(place: Place, schema: JsonObject, defined: JsonObject) -> Iterator[tuple[Place, str, str]]:
    for name in schema.keys() - _KNOWN:
        if not name.startswith("x-"):
            yield (*place, name), "keyword", f"{name} is not used here: leave it out, or write it as x-{name}."
    yield from _defined(place, schema)
    yield from _reference(place, schema, defined)
    for pattern, where in _patterns(schema):
        if said := unusable(pattern):
            yield (*place, *where), "pattern", said
    if len(schema.get("enum", ())) > MOST_CHOICES:
        yield (*place, "enum"), "too-large", f"There may be {MOST_CHOICES} choices."
    if schema.get("format", "date") not in FORMATS:
        yield (*place, "format"), "format", f"The formats are {', '.join(FORMATS)}."


def _defined(place: Place, schema: JsonObject) -> Iterator[tuple[Place, str, str]]:
    if schema.get("$schema", DIALECT).rstrip("#") != DIALECT:
        yield (*place, "$schema"), "dialect", f"Fields are written in {DIALECT}."
    if place and "$defs" in schema:
        yield (*place, "$defs"), "nested", "$defs stand at the top alone."
    for name in schema.get("$defs", {}):
        if not _NAME.fullmatch(name):
            yield (*place, "$defs", name), "name", "Call it by letters, digits, full stops, dashes and underscores."


def _reference(place: Place, schema: JsonObject, defined: JsonObject) -> Iterator[tuple[Place, str, str]]:
    """Refuse references that lead outside, nowhere, or on to others: those could unfold without end."""
    target = schema.get("$ref")
    if target is None:
        return
    here = (*place, "$ref")
    if place[:1] == ("$defs",):
        yield here, "reference", "What is in $defs refers to nothing further: write it out."
    elif not target.startswith("#/$defs/") or target.removeprefix("#/$defs/") not in defined:
        yield here, "reference", "A reference is #/$defs/ and a name that stands there; nothing is fetched."


def _patterns(schema: JsonObject) -> Iterator[tuple[str, Place]]:
    if "pattern" in schema:
        yield schema["pattern"], ("pattern",)
    for pattern in schema.get("patternProperties", {}):
        yield pattern, ("patternProperties", pattern)
