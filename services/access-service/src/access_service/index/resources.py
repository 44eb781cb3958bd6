"""Registered resources by what questions call them."""

from typing import Any

_NONE: dict[str, Any] = {}
Key = tuple[str, str, str]
"""The system's id, the type, the system's own id of the resource."""


class Resources:
    """What systems registered of their resources."""

    def __init__(self) -> None:
        self._properties: dict[Key, dict[str, Any]] = {}
        self._keys: dict[str, Key] = {}

    def properties(self, system: str, kind: str, name: str) -> dict[str, Any]:
        """Answer what is registered; nothing where the resource is not. Not to be changed."""
        return self._properties.get((system, kind, name), _NONE) if self._properties else _NONE

    def put(self, resource: str, key: Key, properties: dict[str, Any]) -> None:
        """Know a resource as it is now."""
        self.drop(resource)
        self._keys[resource] = key
        self._properties[key] = properties

    def drop(self, resource: str) -> None:
        """Forget a resource."""
        key = self._keys.pop(resource, None)
        if key is not None:
            del self._properties[key]
