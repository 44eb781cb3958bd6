"""A catalogue as it is and a document, compared: what the document would add, change and retire. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from access_service.catalogue.document import CatalogueDocument, Document, E, Faults, PermissionEntry, RoleEntry, Told
from access_service.rules import inherits_in_circle


@dataclass(frozen=True, slots=True)
class Difference:
    """A permission or role that is not as the document has it."""

    what: Literal["added", "changed", "retired"]
    entry: PermissionEntry | RoleEntry
    """As it will be, all of it."""
    fields: Mapping[str, tuple[Any, Any]]
    """What differs, with what it is and what it will be; nothing of what is added."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the document would do."""

    permissions: Sequence[Difference]
    roles: Sequence[Difference]
    same_permissions: int
    same_roles: int


def compare(here: CatalogueDocument, told: Document, *, retire_missing: bool) -> Comparison:
    """Compare. Raises `Invalid`, each fault where it stands in the document.

    Links to what is retired are refused, as they give nothing, unless they are there already or the document itself
    says that it is retired.
    """
    faults = Faults()
    permissions = _merged(here.permissions, told.permissions, retire_missing=retire_missing, faults=faults)
    roles = _merged(here.roles, told.roles, retire_missing=retire_missing, faults=faults)
    for role in told.roles or ():
        _check_links(role, "permissions", permissions, roles, told.permissions or (), faults)
        _check_links(role, "inherits", roles, roles, told.roles or (), faults)
    _check_circle(told.roles or (), {name: after.inherits for name, (_, after) in roles.items()}, faults)
    faults.demand_none()
    different, others = list(_differences(permissions)), list(_differences(roles))
    return Comparison(different, others, len(permissions) - len(different), len(roles) - len(others))


Merged = Mapping[str, tuple[E | None, E]]
"""By name: what is, if anything, and what will be."""


def _merged(here: Sequence[E], told: Sequence[Told[E]] | None, *, retire_missing: bool, faults: Faults) -> Merged[E]:
    before = {one.name: one for one in here}
    after: dict[str, tuple[E | None, E]] = {}
    for one in told or ():
        name = one.entry.name
        if name in after:
            faults.note(one.place, "name", code="duplicate", detail=f"{name!r} is there twice")
        elif name in before:
            said = {field: getattr(one.entry, field) for field in one.entry.model_fields_set}
            after[name] = before[name], before[name].model_copy(update=said)
            if said.get("state") == "draft" != before[name].state:
                faults.note(one.place, "state", code="order", detail="what was in use is never a draft again")
        else:
            after[name] = None, one.entry
            _check_complete(one, faults)
    retiring = retire_missing and told is not None
    missing = {name: (one, _retired(one) if retiring else one) for name, one in before.items() if name not in after}
    return after | missing


def _retired(entry: E) -> E:
    return entry.model_copy(update={"state": "retired"})


def _check_complete(told: Told[Any], faults: Faults) -> None:
    if isinstance(told.entry, PermissionEntry):
        for field in {"action", "resource_type"} - told.entry.model_fields_set:
            faults.note(told.place, field, code="missing", detail="a new permission must say this")


def _check_links(
    role: Told[RoleEntry], field: str, known: Merged[Any], roles: Merged[RoleEntry], told: Sequence[Told[Any]],
    faults: Faults,
) -> None:  # fmt: skip
    before = roles[role.entry.name][0]
    there = set(getattr(before, field)) if before else set()
    spoken_of = {one.entry.name for one in told}
    seen: set[str] = set()
    for number, name in enumerate(getattr(role.entry, field)):
        if name in seen:
            faults.note(role.place, field, number, code="duplicate", detail=f"{name!r} is there twice")
        elif name not in known:
            faults.note(
                role.place, field, number, code="unknown-name", detail=f"there is no {name!r}, here or in the system"
            )
        elif known[name][1].state == "retired" and name not in there | spoken_of:
            faults.note(role.place, field, number, code="retired", detail=f"{name!r} is retired")
        seen.add(name)


def _check_circle(told: Sequence[Told[RoleEntry]], inherits: Mapping[str, Sequence[str]], faults: Faults) -> None:
    circle = inherits_in_circle(inherits)
    if circle is None:
        return
    steps = set(pairwise(circle))
    for one in told:
        for number, name in enumerate(one.entry.inherits):
            if (one.entry.name, name) in steps:
                way = f"a role would inherit from itself: {' → '.join(circle)}"
                faults.note(one.place, "inherits", number, code="inheritance-circle", detail=way)
                return


def _differences(merged: Merged[E]) -> Iterator[Difference]:
    for before, after in merged.values():
        if before is None:
            yield Difference("added", after, {})
            continue
        pairs = {name: (getattr(before, name), getattr(after, name)) for name in type(after).model_fields}
        fields = {name: pair for name, pair in pairs.items() if _plain(pair[0]) != _plain(pair[1])}
        if fields:
            yield Difference("retired" if fields.get("state", ("", ""))[1] == "retired" else "changed", after, fields)


def _plain(value: Any) -> Any:
    """Compare names that are linked whatever their order."""
    return sorted(value) if isinstance(value, list) else value
