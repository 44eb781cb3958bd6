"""CEL's macros that walk through a list, or the keys of a map. What they will cost is counted before they begin."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from access_service.conditions.values import CelError, Scope, bounded, no_overload

Run = Callable[[Scope], Any]
_MISSING = object()


def _walk(walked: Run, named: str, nodes: int, scope: Scope) -> Iterator[Any]:
    """Give the name each item in turn, and take it back at the end."""
    found = walked(scope)
    if not isinstance(found, list | Mapping):
        raise no_overload("a comprehension", found)
    items = list(bounded(found))
    scope.spend(len(items) * nodes)
    before = scope.names.get(named, _MISSING)
    try:
        for item in items:
            scope.names[named] = item
            yield item
    finally:
        scope.names.pop(named, None)
        if before is not _MISSING:
            scope.names[named] = before


def _decided(walked: Run, named: str, runs: Sequence[Run], nodes: int, *, decides: bool) -> Run:
    """Make `exists` (one True decides) or `all` (one False does); else an error stays one."""
    (test,) = runs

    def found(scope: Scope) -> bool:
        failed: CelError | None = None
        for _ in _walk(walked, named, nodes, scope):
            try:
                if _bool(test(scope)) is decides:
                    return decides
            except CelError as error:
                failed = error
        if failed is not None:
            raise failed
        return not decides

    return found


def _exists_one(walked: Run, named: str, runs: Sequence[Run], nodes: int) -> Run:
    (test,) = runs
    return lambda scope: sum(_bool(test(scope)) for _ in _walk(walked, named, nodes, scope)) == 1


def _filter(walked: Run, named: str, runs: Sequence[Run], nodes: int) -> Run:
    (test,) = runs
    return lambda scope: [item for item in _walk(walked, named, nodes, scope) if _bool(test(scope))]


def _map(walked: Run, named: str, runs: Sequence[Run], nodes: int) -> Run:
    *tests, transform = runs
    return lambda scope: [
        transform(scope) for _ in _walk(walked, named, nodes, scope) if all(_bool(test(scope)) for test in tests)
    ]


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise no_overload("a comprehension's test", value)
    return value


def make(name: str, walked: Run, named: str, runs: Sequence[Run], nodes: int) -> Run:
    """Make the macro `name` over what `walked` answers, `named` in `runs`, each of whose rounds costs `nodes`."""
    if name in _DECIDES:
        return _decided(walked, named, runs, nodes, decides=_DECIDES[name])
    return _MAKE[name](walked, named, runs, nodes)


_DECIDES = {"exists": True, "all": False}
_MAKE: dict[str, Callable[[Run, str, Sequence[Run], int], Run]] = {
    "exists_one": _exists_one, "filter": _filter, "map": _map,
}  # fmt: skip
COUNTS = {"exists": (2, 2), "all": (2, 2), "exists_one": (2, 2), "filter": (2, 2), "map": (2, 3)}
"""How many arguments each macro takes, at least and at most."""
