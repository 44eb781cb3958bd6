"""What a condition looked at, as far as the asker may see it. No I/O, no clock."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from access_service import conditions
from access_service.questions.evidence import Permission

LONGEST = 2_000
"""Characters of a value, written as JSON, that is told."""

Name = tuple[str, ...]
_MISSING = object()
_REGISTERED: Name = ("resource", "properties")


@dataclass(frozen=True, slots=True)
class Sight:
    """A value that a condition names, as it stood in the question or as the server holds it."""

    name: str
    state: Literal["seen", "missing", "hidden", "too-long"]
    value: Any = None


def sights(permission: Permission, *, of_subject: bool, of_resource: bool) -> list[Sight]:
    """Answer what the condition of a permission looked at.

    What the question itself says is told to whoever asked it; what the server holds `of_subject` and `of_resource`
    only to those who may see it. Others are not told either whether anything is registered of a resource.
    """
    if permission.condition is None:
        return []
    kept: list[Name] = []
    if not of_subject:
        kept += [("subject", *way, name) for way in ((), ("properties",)) for name in permission.attributes]
    if not of_resource:
        kept.append(_REGISTERED)
    said = [(*_REGISTERED, name) for name in permission.said]
    return [_sight(name, permission.seen, kept, said) for name in conditions.looks_at(permission.condition)]


def _sight(name: Name, seen: Mapping[str, Any], kept: Iterable[Name], told: Iterable[Name]) -> Sight:
    said = ".".join(name)
    is_kept = any(all(one == other for one, other in zip(name, hidden, strict=False)) for hidden in kept)
    if is_kept and not any(name[: len(one)] == one for one in told):
        return Sight(said, "hidden")
    value: Any = seen
    for part in name:
        value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
    if value is _MISSING:
        return Sight(said, "missing")
    is_long = len(json.dumps(value, default=str)) > LONGEST
    return Sight(said, "too-long") if is_long else Sight(said, "seen", value)
