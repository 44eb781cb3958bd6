"""One OpenAPI 3.1 document of all services and the gateway. The merging is pure; `Documents` fetches.

A component that two documents have alike is there once. A name with two meanings is a failing contract test; at run
time the later service's gets the service's name in front, so that the document stays true.
"""

import asyncio
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp

from gateway.routing import PublicPaths, Routes
from lodge_kit import logs

Document = dict[str, Any]

_OPERATIONS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_KEPT_FOR = 30.0  # seconds
_TIMEOUT = aiohttp.ClientTimeout(total=5.0, sock_connect=1.0)
_LONGEST = 16_000_000
BEARER = "bearer"
_log = logs.logger("gateway.openapi")


def merged(own: Document, services: Mapping[str, Document], *, routes: Routes, public: PublicPaths) -> Document:
    """Join the documents; of a service's paths only those that the gateway routes to it."""
    result = copy.deepcopy(own)
    for name in ("paths", "webhooks", "components"):
        result.setdefault(name, {})
    result.setdefault("tags", [])
    for service, document in services.items():
        _join(result, service, _routed(copy.deepcopy(document), service, routes))
    _secure(result, public)
    _tell_operations_apart(result)
    return result


def _join(result: Document, service: str, document: Document) -> None:
    components = document.get("components", {})
    renamed = _clashes(result["components"], components)
    document = _with_names(document, {place: f"{service}_{place[1]}" for place in renamed})
    for section, entries in document.get("components", {}).items():
        result["components"].setdefault(section, {}).update(entries)
    result["paths"].update(document.get("paths", {}))
    for name, hook in document.get("webhooks", {}).items():
        result["webhooks"].setdefault(name, hook)
    known = {tag["name"] for tag in result["tags"]}
    result["tags"] += [tag for tag in document.get("tags", []) if tag["name"] not in known]


def _routed(document: Document, service: str, routes: Routes) -> Document:
    """Leave out paths that lead elsewhere, `/internal` and health among them, and components that only they use."""
    paths = document.get("paths", {})
    document["paths"] = {path: item for path, item in paths.items() if _leads(routes, path, service)}
    used = _reachable(document)
    components = document.get("components", {})
    for section in [name for name in components if name != "securitySchemes"]:
        components[section] = {name: part for name, part in components[section].items() if (section, name) in used}
    return document


def _leads(routes: Routes, path: str, service: str) -> bool:
    route = routes.find(path.encode())
    return route is not None and route.service == service


def _reachable(document: Document) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    pending = [document.get("paths", {}), document.get("webhooks", {})]
    while pending:
        for place in _references(pending.pop()):
            if place not in found:
                found.add(place)
                pending.append(document.get("components", {}).get(place[0], {}).get(place[1], {}))
    return found


def _references(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and (place := _place(value)) and key == "$ref":
                yield place
            elif key == "mapping" and isinstance(value, dict):
                yield from (place for text in value.values() if isinstance(text, str) and (place := _place(text)))
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _place(reference: str) -> tuple[str, str] | None:
    parts = reference.split("/")
    return (parts[2], parts[3]) if parts[:2] == ["#", "components"] and len(parts) >= 4 else None  # noqa: PLR2004 - #/components/section/name


def _clashes(known: Document, components: Document) -> set[tuple[str, str]]:
    """Answer which names mean something else here; what refers to one of these means something else too."""
    shared = {
        (section, name) for section, entries in components.items() for name in entries if name in known.get(section, {})
    }
    clashing = {(section, name) for section, name in shared if known[section][name] != components[section][name]}
    while True:
        further = {
            (section, name)
            for section, name in shared - clashing
            if not clashing.isdisjoint(_references(components[section][name]))
        }
        if not further:
            return clashing
        clashing |= further


def _with_names(document: Document, names: Mapping[tuple[str, str], str]) -> Document:
    """Rename components and all that refers to them."""
    if not names:
        return document
    changed: Document = _renamed(document, names)
    components = changed.get("components", {})
    for (section, old), new in names.items():
        components[section][new] = components[section].pop(old)
    for operation in _operations(changed):
        for requirement in operation.get("security", []):
            for (section, old), new in names.items():
                if section == "securitySchemes" and old in requirement:
                    requirement[new] = requirement.pop(old)
    return changed


def _renamed(node: Any, names: Mapping[tuple[str, str], str]) -> Any:
    if isinstance(node, dict):
        return {key: _renamed(value, names) for key, value in node.items()}
    if isinstance(node, list):
        return [_renamed(value, names) for value in node]
    if isinstance(node, str) and (place := _place(node)) in names and place is not None:
        return "/".join(["#", "components", place[0], names[place], *node.split("/")[4:]])
    return node


def _operations(document: Document) -> Iterator[Document]:
    for item in [*document.get("paths", {}).values(), *document.get("webhooks", {}).values()]:
        yield from (item[method] for method in _OPERATIONS if method in item)


def _secure(document: Document, public: PublicPaths) -> None:
    """Say what the gateway takes; services know only the gateway's own token, which no caller has."""
    document["components"]["securitySchemes"] = {
        BEARER: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key of Lodge (`lodge_…`), or an access token of the institution's OpenID provider.",
        }
    }
    document["security"] = [{BEARER: []}]
    for path, item in document["paths"].items():
        for method in _OPERATIONS:
            if method in item:
                item[method].pop("security", None)
                if path.encode() in public:
                    item[method]["security"] = []
    for item in document["webhooks"].values():
        for method in _OPERATIONS:
            if method in item:
                item[method]["security"] = []  # calls that Lodge makes: signed, see Standard Webhooks


def _tell_operations_apart(document: Document) -> None:
    seen: set[str] = set()
    for operation in _operations(document):
        name = operation.get("operationId")
        if name is None:
            continue
        number, chosen = 2, name
        while chosen in seen:
            chosen, number = f"{name}_{number}", number + 1
        operation["operationId"] = chosen
        seen.add(chosen)


class Documents:
    """The services' documents as last read; the last good copy stays while a service is away."""

    def __init__(self, services: Mapping[str, str], monotonic: Callable[[], float]) -> None:
        """Take the address of each service by its name. Made within the running loop; to be closed."""
        self._services = services
        self._monotonic = monotonic
        self._found: dict[str, Document] = {}
        self._stale: list[str] = []
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def read(self) -> tuple[Mapping[str, Document], list[str]]:
        """Answer the documents by service, and which services did not give theirs now."""
        async with self._reading:
            kept_for = 1.0 if self._stale else _KEPT_FOR
            if self._monotonic() - self._read_at >= kept_for:
                answers = await asyncio.gather(*(self._fetch(url) for url in self._services.values()))
                now = dict(zip(self._services, answers, strict=True))
                self._found |= {service: document for service, document in now.items() if document is not None}
                self._stale = [service for service, document in now.items() if document is None]
                self._read_at = self._monotonic()
        # In the order of the settings, whoever answered first: who keeps a clashing name must not depend on that.
        return {service: self._found[service] for service in self._services if service in self._found}, self._stale

    async def _fetch(self, url: str) -> Document | None:
        try:
            async with self._session.get(f"{url}/openapi.json", allow_redirects=False) as answer:
                if answer.status != HTTPStatus.OK:
                    return None
                body = await answer.content.read(_LONGEST)
                while not answer.content.at_eof() and len(body) < _LONGEST:
                    body += await answer.content.read(_LONGEST - len(body))
            document = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        return document if isinstance(document, dict) else None
