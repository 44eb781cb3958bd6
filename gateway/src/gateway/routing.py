"""Which service answers a path, and which paths answer without a credential. Pure; on raw paths, never decoded ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.settings import GATEWAY, RouteSettings

OWN = ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/.well-known/jwks.json")


@dataclass(frozen=True, slots=True)
class Route:
    """`prefix` and all below it go to `service` at `url`; tokens are made for the service's name."""

    prefix: bytes
    service: str
    url: str
    errors: str = "problem"

    @property
    def own(self) -> bool:
        """Say whether the gateway answers by itself."""
        return self.service == GATEWAY


class Routes:
    """The table, by first segment, so that a look-up is one of a dictionary."""

    def __init__(self, routes: Iterable[RouteSettings], services: Mapping[str, str]) -> None:
        found = [Route(route.prefix.encode(), route.service, services[route.service], route.errors) for route in routes]
        found += [Route(path.encode(), GATEWAY, "") for path in OWN]
        self._by_segment: dict[bytes, list[Route]] = {}
        for route in sorted(found, key=lambda route: -len(route.prefix)):
            self._by_segment.setdefault(first_segment(route.prefix), []).append(route)

    def find(self, raw_path: bytes) -> Route | None:
        """Answer the route with the longest prefix that covers `raw_path`."""
        for route in self._by_segment.get(first_segment(raw_path), ()):
            prefix = route.prefix
            if raw_path.startswith(prefix) and (len(raw_path) == len(prefix) or raw_path[len(prefix)] == _SLASH):
                return route
        return None


_SLASH = ord("/")


def first_segment(raw_path: bytes) -> bytes:
    """Answer what stands between the first slash and the second."""
    end = raw_path.find(b"/", 1)
    return raw_path[1:] if end < 0 else raw_path[1:end]


class PublicPaths:
    """The list of paths that need no credential."""

    def __init__(self, patterns: Iterable[str]) -> None:
        encoded = [pattern.encode() for pattern in patterns]
        self._exact = frozenset(pattern for pattern in encoded if not pattern.endswith(b"*"))
        self._below = tuple(pattern[:-1] for pattern in encoded if pattern.endswith(b"*"))

    def __contains__(self, raw_path: bytes) -> bool:
        return raw_path in self._exact or raw_path.startswith(self._below)
