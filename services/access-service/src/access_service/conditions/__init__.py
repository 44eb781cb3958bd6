"""What must hold besides a role, in CEL: of subject, resource, action and context. Pure; evaluated in bounded work.

cel-python reads the text; what it read is compiled to closures here. Its own evaluators are not used: the
interpreted one takes 0.4 ms for one comparison and 0.8 s for a list of 1,000, and counts nothing; the other writes
Python text and `exec`s it. In the tests it is what ours is held against.

A text is refused that does not parse, or whose work nothing bounds: more than `MOST_NODES` nodes, a comprehension
within a comprehension, `matches`. Values come from callers: a list, a map or a text that is too long, or more steps
than `MOST_STEPS`, and the condition does not hold. Nor does it where it meets an error.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from access_service.conditions.values import CelError, Exceeded, Scope
from lodge_kit.problems import Invalid

MOST_NODES = 100
LONGEST_TEXT = 4_000
ROOTS = ("subject", "resource", "action", "context")
"""The names that a condition may begin with."""

_Seen = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a condition holds, and the error that kept it from being known."""

    holds: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read; what it asks is in `source`."""

    source: str
    run: Callable[[Scope], Any]
    looks_at: tuple[tuple[str, ...], ...]
    """What it names, each by its fields: `("subject", "email")`."""

    def weigh(self, subject: _Seen, resource: _Seen, action: _Seen, context: _Seen) -> Outcome:
        """Evaluate; an error is an outcome that does not hold, and says so."""
        seen = {"subject": subject, "resource": resource, "action": action, "context": context}
        try:
            found = self.run(Scope(seen))
        except (CelError, Exceeded) as error:
            return Outcome(holds=False, error=str(error))
        except RecursionError:
            return Outcome(holds=False, error="the values are nested too deeply")
        if found is True or found is False:
            return Outcome(found)
        return Outcome(holds=False, error="the condition is neither true nor false")

    def holds(self, subject: _Seen, resource: _Seen, action: _Seen, context: _Seen) -> bool:
        """Say whether it holds; an error means that it does not."""
        return self.weigh(subject, resource, action, context).holds


def parse(source: str) -> Condition:
    """Read a condition. Raises `Invalid`, pointing at /condition, with line and column where it does not parse."""
    # Here and not above: cel-python takes half a second to import, its grammar another half to load.
    from access_service.conditions import compiling, syntax  # noqa: PLC0415

    if len(source) > LONGEST_TEXT:
        raise _invalid(f"it is longer than {LONGEST_TEXT} characters")
    try:
        tree = syntax.read(source, most=MOST_NODES)
        run = compiling.Compiler(frozenset(ROOTS)).compile(tree)
        return Condition(source, run, tuple(dict.fromkeys(syntax.named(tree, frozenset(ROOTS)))))
    except syntax.Unreadable as error:
        raise _invalid(str(error)) from error


async def demand(source: str) -> None:
    """Refuse a text that cannot be used as a condition, before it is saved. Raises `Invalid`."""
    await asyncio.to_thread(parse, source)


def weigh(source: str, *, subject: _Seen, resource: _Seen, action: _Seen, context: _Seen) -> Outcome:
    """Evaluate a condition that was saved; what is read once is remembered. One that reads no more does not hold."""
    try:
        condition = _remembered(source)
    except Invalid as error:
        return Outcome(holds=False, error=error.detail)
    return condition.weigh(subject, resource, action, context)


def looks_at(source: str) -> Iterable[tuple[str, ...]]:
    """Answer what a condition that was saved names, each by its fields; one that reads no more names nothing."""
    try:
        return _remembered(source).looks_at
    except Invalid:
        return ()


async def read(sources: Iterable[str]) -> None:
    """Have these conditions read before they are weighed, in a thread: the very first takes most of a second."""
    fresh = {one for one in sources if one not in _KNOWN}
    if fresh:
        await asyncio.to_thread(_read, fresh)


_KNOWN: set[str] = set()
"""What was read already, good or not; as many as `_remembered` holds."""
_MOST_KNOWN = 4_096


def _read(sources: Iterable[str]) -> None:
    for one in sources:
        try:
            _remembered(one)
        except Invalid:
            continue
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN.update(sources)


@lru_cache(maxsize=_MOST_KNOWN)
def _remembered(source: str) -> Condition:
    return parse(source)


def _invalid(why: str) -> Invalid:
    return Invalid.at("/condition", f"The condition cannot be used: {why}.", "condition")
