"""Registered resources by what questions call them."""

from typing import Any

import msgspec

_NONE: dict[str, Any] = {}


class _Registered:
    """A resource, and among which others its system's own id of it is unique."""

    __slots__ = ("name", "others", "properties")

    def __init__(self, name: str, others: "dict[str, _Registered]", properties: str) -> None:
        self.name = name
        self.others = others
        self.properties = properties
        """JSON: few questions need them, and 100,000 dicts would be heavy."""


class Resources:
    """What systems registered of their resources."""

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], dict[str, _Registered]] = {}
        self._by_id: dict[str, _Registered] = {}

    def properties(self, system: str, kind: str, name: str) -> dict[str, Any]:
        """Answer what is registered; nothing where the resource is not."""
        named = self._named.get((system, kind))
        found = named.get(name) if named else None
        if found is None:
            return _NONE
        properties: dict[str, Any] = msgspec.json.decode(found.properties)
        return properties

    def put(self, resource: str, system: str, kind: str, name: str, properties: str) -> None:
        """Know a resource as it is now."""
        self.drop(resource)
        others = self._named.setdefault((system, kind), {})
        others[name] = self._by_id[resource] = _Registered(name, others, properties)

    def drop(self, resource: str) -> None:
        """Forget a resource."""
        found = self._by_id.pop(resource, None)
        # Another may have the name by now: that one stays.
        if found is not None and found.others.get(found.name) is found:
            del found.others[found.name]
