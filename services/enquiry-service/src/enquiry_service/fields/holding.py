"""Values held against a schema by the library, with nothing to fetch and in time that is bounded."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators  # type: ignore[import-untyped]  # its types lie apart
from referencing import Registry

from enquiry_service.fields.bounds import FORMATS, JsonObject, Place, compiled


@lru_cache(maxsize=64)
def validator(schema: str) -> Any:
    """Make what holds values against a schema, given as JSON: RE2 for patterns, formats that are read."""
    formats = FormatChecker(formats=())
    for name, read in FORMATS.items():
        formats.checks(name, ValueError)(_is_read_by(read))
    kind = validators.extend(Draft202012Validator, _OURS)
    return kind(json.loads(schema), registry=Registry(), format_checker=formats)


def _pattern(_validator: Any, wanted: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and compiled(wanted).search(value) is None:
        yield ValidationError(f"This does not match {wanted}")


def _pattern_properties(validator: Any, wanted: JsonObject, value: Any, _schema: Any) -> Iterator[ValidationError]:
    for one, inner in wanted.items() if isinstance(value, dict) else ():
        for name, found in value.items():
            if compiled(one).search(name) is not None:
                yield from validator.descend(found, inner, path=name, schema_path=one)


def _additional(validator: Any, wanted: Any, value: Any, schema: JsonObject) -> Iterator[ValidationError]:
    for name in _extra(schema, value) if isinstance(value, dict) else ():
        if wanted is False:
            yield ValidationError("There is no such field", path=[name])
        elif isinstance(wanted, dict):
            yield from validator.descend(value[name], wanted, path=name)


def _unique(_validator: Any, wanted: bool, value: Any, _schema: Any) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema's order
    # The library compares each with each; what is written alike is alike.
    if wanted and isinstance(value, list) and len({_canonical(one) for one in value}) < len(value):
        yield ValidationError("Something is in here twice")


def _canonical(value: Any) -> str:
    """Write a value in one way: 1 and 1.0 are the same number, 1 and true are not."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, list):
        return f"[{','.join(_canonical(one) for one in whole)}]"
    if isinstance(whole, dict):
        return f"{{{','.join(f'{json.dumps(name)}:{_canonical(whole[name])}' for name in sorted(whole))}}}"
    return json.dumps(whole)


def _extra(schema: JsonObject, value: JsonObject) -> list[str]:
    patterns = [compiled(one) for one in schema.get("patternProperties", {})]
    known = schema.get("properties", {})
    return [name for name in value if name not in known and not any(one.search(name) for one in patterns)]


_OURS = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "uniqueItems": _unique,
}
"""The keywords that the library reads in another way: by `re`, or by comparing each with each."""


def _is_read_by(read: Any) -> Any:
    def fits(value: object) -> bool:
        if isinstance(value, str):
            read(value)  # raises ValueError
        return True

    return fits


def places(error: Any) -> Iterator[Place]:
    """Yield where an error is: a field that is missing at its own place."""
    place = tuple(error.absolute_path)
    if error.validator == "required":
        yield from ((*place, name) for name in error.validator_value if name not in error.instance)
    else:
        yield place
