"""The cache between a credential and the tokens made from it: one entry a credential, dead 20 s after resolving.

The bound of revocation is 30 s: an entry serves for 20 s, a token made from it ends 25 s after resolving, and
services allow 5 s for clocks. The stream of changes drops entries at once, but the bound never relies on it. While
access-service is away an entry serves for 5 minutes at most.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from gateway.access import CallerInactive, KeyUnknown, Question, Resolved
from gateway.issuers import PersonUnknown
from gateway.signing import LIFE, Signer
from gateway.upstream import UpstreamAway
from lodge_kit import logs
from lodge_kit.clock import Clock
from lodge_kit.problems import Problem

FRESH = 20.0
STALE = 300.0
_LONGEST_PERMISSIONS = 8000
"""Bytes: beyond, the service resolves them by reference."""
_REFUSAL_KEPT = 2.0
_RETRY = 1.0  # seconds between two questions while access-service is away
_REFUSALS = 10_000
_REFUSALS_KINDS = (KeyUnknown, PersonUnknown, CallerInactive)
_log = logs.logger("gateway.callers")


class Resolver(Protocol):
    """Who is asked: access-service."""

    async def resolve(self, question: Question) -> Resolved:
        """Answer whom a credential belongs to, or raise why not."""
        ...


class Entry:
    """A caller, and the tokens that were signed for it, by audience. Times are of the monotonic clock."""

    __slots__ = ("_bearers", "_ends_wall", "_signer", "caller", "ends", "resolved_at", "until")

    def __init__(self, caller: Resolved, signer: Signer, *, resolved_at: float, wall: float, ends: float) -> None:
        self.caller = caller
        self.resolved_at = resolved_at
        self.ends = ends
        self.until = min(resolved_at + FRESH, ends)
        self._ends_wall = wall + LIFE
        self._signer = signer
        self._bearers: dict[str, bytes] = {}

    def bearer(self, audience: str) -> bytes:
        """Answer the Authorization value for a service."""
        known = self._bearers.get(audience)
        if known is None:
            known = self._bearers[audience] = self._sign(audience)
        return known

    def permissions(self, audience: str) -> object:
        """Answer what the caller may do in a service."""
        return self.caller.permissions.get(audience, {})

    def prolong(self, now: float, wall: float) -> None:
        """Serve on for a moment, access-service being away, with tokens that end later."""
        self.until = min(now + _RETRY, self.ends, self.resolved_at + STALE)
        if self._ends_wall - wall < LIFE - 15:
            self._ends_wall = wall + LIFE
            self._bearers.clear()

    def _sign(self, audience: str) -> bytes:
        caller, granted = self.caller, self.permissions(audience)
        size = len(json.dumps(granted, separators=(",", ":")))
        claims: dict[str, object] = (
            {"permissions": granted} if size <= _LONGEST_PERMISSIONS else {"permissions_ref": True}
        )
        token = self._signer.sign(
            caller.id,
            audience,
            self._ends_wall,
            name=caller.name,
            client_id=caller.client_id,
            act={"sub": caller.actor} if caller.actor else None,
            **claims,
        )
        return b"Bearer " + token.encode()


_ANONYMOUS = Resolved("anonymous", "Anonymous", None, None, {})


class Callers:
    """All entries, by the SHA-256 of the credential as it was sent."""

    def __init__(
        self, resolver: Resolver, signer: Signer, clock: Clock, monotonic: Callable[[], float], *, most: int
    ) -> None:
        self._resolver, self._signer, self._clock, self._monotonic = resolver, signer, clock, monotonic
        self._most = most
        self._entries: dict[bytes, Entry] = {}
        self._by_name: dict[str, set[bytes]] = {}
        self._refusals: dict[bytes, tuple[Problem, float]] = {}
        self._flights: dict[bytes, asyncio.Task[Entry]] = {}
        self._asking: list[set[str]] = []
        self._away_until: float | None = None
        self._nobody: Entry | None = None
        self.hits = self.misses = self.stale = 0

    def counts(self) -> dict[str, int]:
        """Answer how often a caller was found, asked for, and served on with while access-service was away."""
        return {"hit": self.hits, "miss": self.misses, "stale": self.stale}

    def fresh(self, digest: bytes) -> Entry | None:
        """Answer the entry of a credential while it lives: the hot path, one look-up."""
        entry = self._entries.get(digest)
        if entry is not None and self._monotonic() < entry.until:
            self.hits += 1
            return entry
        return None

    def anonymous(self) -> Entry:
        """Answer the caller of public routes, who may do nothing."""
        now = self._monotonic()
        if self._nobody is None or now >= self._nobody.until:
            self._nobody = self._entry(_ANONYMOUS, now, float("inf"))
        return self._nobody

    async def resolve(self, digest: bytes, question: Question, ends: float = float("inf")) -> Entry:
        """Ask access-service, once for all who ask meanwhile. `ends`: when the credential itself does.

        Raises what the resolver raises; `UpstreamAway` when it is away and there is no entry to serve on with.
        """
        refused = self._refusals.get(digest)
        if refused is not None and self._monotonic() < refused[1]:
            raise refused[0].with_traceback(None)
        flight = self._flights.get(digest)
        if flight is None:
            self.misses += 1
            flight = asyncio.create_task(self._ask(digest, question, ends))
            self._flights[digest] = flight
            flight.add_done_callback(lambda done: self._landed(digest, done))
        # Shielded: one caller who leaves must not take the answer from the others.
        return await asyncio.shield(flight)

    def _landed(self, digest: bytes, done: "asyncio.Task[Entry]") -> None:
        self._flights.pop(digest, None)
        if not done.cancelled():
            done.exception()

    async def _ask(self, digest: bytes, question: Question, ends: float) -> Entry:
        now, wall = self._monotonic(), self._clock().timestamp()
        if self._away_until is not None:
            if now < self._away_until:
                return self._serve_on(digest, now, wall)
            self._away_until = now + _RETRY  # others go on meanwhile
        dropped: set[str] = set()
        self._asking.append(dropped)
        try:
            caller = await self._resolver.resolve(question)
        except UpstreamAway:
            if self._away_until is None:
                _log.warning("access-service is away: known callers are served on")
            self._away_until = self._monotonic() + _RETRY
            return self._serve_on(digest, self._monotonic(), self._clock().timestamp())
        except _REFUSALS_KINDS as refusal:
            self._back()
            self._forget(digest)
            self._refuse(digest, refusal)
            raise
        finally:
            self._asking.remove(dropped)
        self._back()
        entry = Entry(caller, self._signer, resolved_at=now, wall=wall, ends=ends)
        if dropped.isdisjoint({"*", *_names(caller)}):  # else it changed while we asked: the answer serves once
            self._keep(digest, entry)
        return entry

    def _back(self) -> None:
        if self._away_until is not None:
            _log.info("access-service is back")
            self._away_until = None

    def _serve_on(self, digest: bytes, now: float, wall: float) -> Entry:
        entry = self._entries.get(digest)
        if entry is None or now >= min(entry.ends, entry.resolved_at + STALE):
            raise UpstreamAway("access-service")
        entry.prolong(now, wall)
        self.stale += 1
        return entry

    def _entry(self, caller: Resolved, now: float, ends: float) -> Entry:
        return Entry(caller, self._signer, resolved_at=now, wall=self._clock().timestamp(), ends=ends)

    def _refuse(self, digest: bytes, refusal: Problem) -> None:
        if len(self._refusals) >= _REFUSALS:
            del self._refusals[next(iter(self._refusals))]
        self._refusals[digest] = (refusal, self._monotonic() + _REFUSAL_KEPT)

    def _keep(self, digest: bytes, entry: Entry) -> None:
        self._forget(digest)
        self._refusals.pop(digest, None)
        if len(self._entries) >= self._most:
            self._forget(next(iter(self._entries)))
        self._entries[digest] = entry
        for name in _names(entry.caller):
            self._by_name.setdefault(name, set()).add(digest)

    def _forget(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is None:
            return
        for name in _names(entry.caller):
            digests = self._by_name[name]
            digests.discard(digest)
            if not digests:
                del self._by_name[name]

    def drop(self, names: Literal["*"] | Iterable[str]) -> None:
        """Drop the entries of these callers and clients, and distrust the answers about them that are under way."""
        names = {"*"} if names == "*" else set(names)
        for dropped in self._asking:
            dropped.update(names)
        if "*" in names:
            self._entries.clear()
            self._by_name.clear()
            self._refusals.clear()
        for name in names:
            for digest in list(self._by_name.get(name, ())):
                self._forget(digest)

    def doubt(self) -> None:
        """Ask anew for everybody: changes may have been missed. Entries stay, to serve on if nobody answers."""
        for dropped in self._asking:
            dropped.add("*")
        for entry in self._entries.values():
            entry.until = float("-inf")
        self._refusals.clear()

    def sweep(self) -> None:
        """Let go of what can serve nobody any more."""
        now = self._monotonic()
        for digest, entry in list(self._entries.items()):
            if now >= min(entry.ends, entry.resolved_at + STALE):
                self._forget(digest)
        for digest, (_, until) in list(self._refusals.items()):
            if now >= until:
                del self._refusals[digest]

    async def close(self) -> None:
        """End the questions under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)


def _names(caller: Resolved) -> set[str]:
    return {name for name in (caller.id, caller.client_id, caller.actor) if name}
