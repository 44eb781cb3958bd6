"""What a PATCH does to a group's members, told apart from the rest of it.

A group may have twenty thousand members. Applying the patch to the whole resource, as the library would, reads and
compares them all; here a change names those whom it concerns, and they alone are read and written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from scim2_models import MutabilityException, PatchOp, PatchOperation, Path
from scim2_models.path import FilterNode

from access_service.scim import group_resources
from access_service.scim.resources import Group

_Patch: Any = PatchOp[Group]
_Operation: Any = PatchOperation[Group]
_Path: Any = Path[Group]
_NEVER = "Whom a member names cannot change: remove the one, and add the other."


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One step: these come in, these go, or these are all there are."""

    do: Literal["add", "remove", "replace"]
    people: Sequence[str] | None = None
    """By id. None: everybody, or whoever `where` selects."""
    where: FilterNode | None = None


def apart(patch: PatchOp[Group]) -> tuple[list[MemberChange], PatchOp[Group] | None]:
    """Part a patch into what it does to members, in order, and a patch of the rest, None where there is no rest.

    Raises `InvalidValueException` for a value that names nobody, `MutabilityException` for a change of a member.
    """
    changes: list[MemberChange] = []
    rest: list[Any] = []
    for operation in patch.operations or []:
        path = _Path(operation.path) if operation.path else None
        binding = path.resolve() if path else None
        if path is not None and binding is not None and binding.field_name == "members":
            changes.append(_change(operation, binding.sub_field_name, path.value_filter))
        elif (path is None or path.model is not None) and isinstance(operation.value, dict):
            changes += [
                _told(operation.op, item) for key, item in operation.value.items() if group_resources.is_members(key)
            ]
            others = {key: item for key, item in operation.value.items() if not group_resources.is_members(key)}
            if others:
                rest.append(_Operation(op=operation.op, path=operation.path, value=others))
        else:
            rest.append(operation)
    return changes, cast("PatchOp[Group]", _Patch(operations=rest)) if rest else None


def _change(operation: Any, part: str | None, where: FilterNode | None) -> MemberChange:
    removal = operation.op == PatchOperation.Op.remove
    if part or (where is not None and not removal):
        raise MutabilityException(detail=_NEVER)
    if not removal:
        return _told(operation.op, operation.value)
    if operation.value is None:
        return MemberChange("remove", where=where)
    return MemberChange("remove", group_resources.named(operation.value))


def _told(op: PatchOperation.Op, value: Any) -> MemberChange:
    people = group_resources.named(value)
    return MemberChange("add" if op == PatchOperation.Op.add else "replace", people)
