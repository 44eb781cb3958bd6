"""Who is calling: the gateway's word for it, verified.

The gateway checks a caller's credential, removes it, and sends a JWT of its own: `typ: lodge+jwt`, Ed25519
(RFC 9864), `iss` `lodge-gateway`, `aud` one service, at most 60 s of life. Claims: `sub` (`per_…`, `svc_…`,
`gateway`, `anonymous`), `name`, `client_id` (the key or client), `act` (`{"sub": …}`, the deputy),
`permissions` (`{name: "*" | [org unit ids, descendants included]}`, of that audience only). Where they would
pass 8 kB, `permissions_ref: true` stands in their place, and the service asks access-service with this token.

There is no switch that turns any of this off. Tests sign with a key made for the run (`lodge_kit.testing`).
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

from fastapi import Depends, Request
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from lodge_kit.problems import Forbidden, NotAuthenticated, Unavailable

ISSUER = "lodge-gateway"
TOKEN_TYPE = "lodge+jwt"  # noqa: S105 - the name of a type
ALGORITHM = "Ed25519"
LONGEST_LIFE = 60
"""Seconds: a token that lives longer was not made by our gateway."""
LEEWAY = 5
ANONYMOUS = "anonymous"
"""The subject of a call on a public route."""
_REMEMBERED = 4096
_BEARER = re.compile(r"Bearer ([A-Za-z0-9_=.-]+)", re.IGNORECASE)

EVERYWHERE = ""
"""Stands for the whole institution where a permission is asked for: no org unit has this id."""

Scope = Literal["*"] | frozenset[str]
"""Where a permission holds: everywhere, or in these org units."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A right of Lodge itself, `<service>.<what>`, with the sentence that an administrator reads.

    `roles` are the built-in roles that contain it from the start; `administrator` contains every one.
    """

    name: str
    description: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is made for, and what that one may do in this service."""

    id: str
    name: str
    client_id: str | None = None
    actor: str | None = None
    permissions: Mapping[str, Scope] = field(default_factory=dict)
    token: str = field(default="", repr=False)

    def may(self, permission: Permission, org_unit: str | None = None) -> bool:
        """Say whether the permission is held, and where `org_unit` is given, whether it is held there."""
        scope = self.permissions.get(permission.name)
        if scope is None or scope == "*":
            return scope is not None
        return org_unit is None or org_unit in scope

    def named(self, value: str) -> str:
        """Answer who `value` means in a filter: `me` is the caller."""
        return self.id if value == "me" else value

    def scope(self, permission: Permission) -> Scope:
        """Answer where the permission is held: what a list is filtered by. Nowhere is an empty set."""
        return self.permissions.get(permission.name, frozenset())

    def demand(self, permission: Permission, org_unit: str | None = None) -> None:
        """Refuse with 403, naming the permission, unless it is held (there)."""
        if not self.may(permission, org_unit):
            place = "the whole institution" if org_unit == EVERYWHERE else f"org unit {org_unit}"
            where = f" for {place}" if org_unit is not None and permission.name in self.permissions else ""
            raise Forbidden(
                f"This needs the permission {permission.name}{where}. Ask an administrator of Lodge for a role"
                " that contains it."
            )


class Keys(Protocol):
    """Where the gateway's public keys come from."""

    async def find(self, kid: str) -> OKPKey | None:
        """Answer the key with this id, None when there is none."""
        ...


class StaticKeys:
    """Keys that are known from the start: those of a test's own issuer."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = {key.kid: key for key in keys.keys if isinstance(key, OKPKey)}

    async def find(self, kid: str) -> OKPKey | None:
        """Answer the key with this id."""
        return self._keys.get(kid)


class PublishedKeys:
    """The keys that the gateway publishes, fetched when a token names one that is not known yet.

    `fetch` answers the JWKS document. At most one fetch in `interval` seconds, so that tokens with invented key
    ids cost nobody anything; the last good keys stay while the gateway is away.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Mapping[str, Any]]], *, interval: float = 2.0) -> None:
        self._fetch = fetch
        self._interval = interval
        self._keys = StaticKeys(KeySet([]))
        self._fetched_at = float("-inf")
        self._away: Unavailable | None = None
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> OKPKey | None:
        """Answer the key with this id, asking the gateway once when it is new.

        Raises `Unavailable` where the gateway could not be asked: the token may well be good.
        """
        known = await self._keys.find(kid)
        if known is not None:
            return known
        async with self._asking:  # those who come while it is asked wait for its answer
            if time.monotonic() - self._fetched_at >= self._interval:
                await self._ask()
        known = await self._keys.find(kid)
        if known is None and self._away is not None:
            raise self._away
        return known

    async def _ask(self) -> None:
        try:
            document = await self._fetch()
            self._keys = StaticKeys(KeySet.import_key_set({"keys": list(document["keys"])}))
            self._away = None
        except Unavailable as error:
            self._away = error
        finally:
            self._fetched_at = time.monotonic()


Resolve = Callable[[str], Awaitable[Mapping[str, Any]]]
"""Given a token with `permissions_ref`, answers its permissions as the claim would have held them."""


class Verifier:
    """Turns an `Authorization` header into a `Caller`, or refuses.

    Verifying Ed25519 in Python costs about 100 µs, so what was verified is remembered until it expires, the last few
    thousand of them.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        audience: str,
        resolve: Resolve | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._audience = audience
        self._resolve = resolve
        self._now = now
        self._known: dict[bytes, tuple[Caller, float]] = {}

    def for_audience(self, audience: str) -> "Verifier":
        """Answer a verifier with the same keys for tokens of another service, which resolves no reference."""
        return Verifier(self._keys, audience=audience, now=self._now)

    async def caller(self, authorization: str | None) -> Caller:
        """Answer whom the header speaks for.

        Raises `NotAuthenticated` when it is missing, forged, expired, or made for another service.
        """
        header = (authorization or "").encode("latin-1", "replace")
        known = self.known(header)
        if known is not None:
            return known
        match = _BEARER.fullmatch(authorization or "")
        if match is None:
            raise NotAuthenticated("This service is reached through Lodge's gateway. Send your call there.")
        caller, expires = await self._verify(match.group(1))
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[header] = (caller, expires)
        return caller

    def known(self, authorization: bytes) -> Caller | None:
        """Answer whom a header speaks for that was verified already; None where `caller` must look at it."""
        found = self._known.get(authorization)
        return found[0] if found is not None and self._now() < found[1] else None

    async def _verify(self, token: str) -> tuple[Caller, float]:
        try:
            claims = await self._claims(token)
            permissions = claims.get("permissions", {})
            if claims.get("permissions_ref") is True and self._resolve is not None:
                permissions = await self._resolve(token)
            return _caller(claims, permissions, token), float(claims["exp"])
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise NotAuthenticated(
                "The gateway's token does not verify. Send your call to Lodge's gateway.", error="invalid_token"
            ) from error

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jws.extract_compact(token.encode()).headers()
        if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
            raise ValueError("not a token of ours")
        key = await self._keys.find(str(header["kid"]))
        if key is None:
            raise ValueError("unknown key")
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
        jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=LEEWAY,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": self._audience},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
        if claims["aud"] != self._audience or claims["exp"] - claims["iat"] > LONGEST_LIFE:
            raise ValueError("made for something else")
        return claims


def _caller(claims: Mapping[str, Any], permissions: Mapping[str, Any], token: str) -> Caller:
    return Caller(
        id=str(claims["sub"]),
        name=str(claims.get("name", "")),
        client_id=claims.get("client_id"),
        actor=(claims.get("act") or {}).get("sub"),
        permissions={name: "*" if scope == "*" else frozenset(map(str, scope)) for name, scope in permissions.items()},
        token=token,
    )


async def caller(request: Request) -> Caller:
    """Answer the verified caller of this request (a FastAPI dependency)."""
    verifier: Verifier = request.app.state.verifier
    found = await verifier.caller(request.headers.get("authorization"))
    request.state.caller = found
    return found


AnyCaller = Annotated[Caller, Depends(caller)]
"""Any caller that the gateway vouches for, the anonymous one of public routes included: the handler decides."""


async def _person_or_service(found: AnyCaller) -> Caller:
    if not found.id.startswith(("per_", "svc_")):
        raise NotAuthenticated("This needs a signed-in caller: send an API key or a token of your institution.")
    return found


Authenticated = Annotated[Caller, Depends(_person_or_service)]
"""A person or a service account, whatever their rights."""


def requires(permission: Permission, *, everywhere: bool = False) -> Any:
    """Make the dependency that lets only holders of `permission` in and answers the caller.

    by: Annotated[Caller, requires(rights.GRANT)]

    What is held for some org units is enough where the verb looks at the unit itself; where the thing belongs to no
    unit, ask for it `everywhere`.
    """

    async def holder(found: Authenticated) -> Caller:
        found.demand(permission, EVERYWHERE if everywhere else None)
        return found

    holder.permission = permission  # type: ignore[attr-defined]  # read by the test that every route is guarded
    return Depends(holder)
