"""The fields of a kind of enquiry: a JSON Schema (2020-12) that people write, and values that are held against it.

Neither may make us wait, fetch or answer without end: a schema has a size and a depth, refers to nothing outside
itself and to its `$defs` in one step only, and its patterns run on RE2. Keywords that would not be looked at, or whose
cost nothing bounds, are refused when it is saved.
"""

import json
from typing import Any

from enquiry_service.fields.bounds import (
    LARGEST_VALUE,
    MOST_ERRORS,
    MOST_VALUES,
    JsonObject,
    code,
    sentence,
    too_large,
    written,
)
from enquiry_service.fields.schemas import DIALECT, UnusableFields, check
from lodge_kit.problems import Invalid, InvalidValue

__all__ = ["DIALECT", "UnusableFields", "check", "demand", "merged"]


def demand(schema: JsonObject, value: JsonObject, *, pointer: str = "/fields") -> None:
    """Refuse values that a schema does not allow, each with its pointer. Raises `Invalid`."""
    from enquiry_service.fields import holding  # noqa: PLC0415 - the library takes 100 ms, and few processes ask

    if said := too_large(value, LARGEST_VALUE, values=MOST_VALUES):
        raise Invalid.at(pointer, said, "too-large")
    found: list[InvalidValue] = []
    for error in holding.validator(json.dumps(schema, sort_keys=True)).iter_errors(value):
        named, detail = code(error.validator), sentence(error.message)
        found += [
            InvalidValue(pointer=pointer + written(place), code=named, detail=detail) for place in holding.places(error)
        ]
        if len(found) >= MOST_ERRORS:
            break
    if found:
        told = list({(one.pointer, one.code): one for one in found}.values())[:MOST_ERRORS]
        where = ", ".join(one.pointer for one in told[:5])
        raise Invalid(f"Some fields are wrong: {where}. Each is explained under errors.", errors=told)


def merged(value: JsonObject, change: JsonObject) -> dict[str, Any]:
    """Apply a merge patch (RFC 7396): null takes a field away, an object within is merged."""
    result = dict(value)
    for name, new in change.items():
        if new is None:
            result.pop(name, None)
        elif isinstance(new, dict):
            old = result.get(name)
            result[name] = merged(old if isinstance(old, dict) else {}, new)
        else:
            result[name] = new
    return result
