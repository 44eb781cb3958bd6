"""OpenID issuers whose tokens we take: discovery, their keys and the rotation of these, and verifying.

Pinned: issuer, audience, expiry. The algorithm is the key's, from the issuer's allow-list. An unknown kid costs one
fetch, at most one in some seconds; while an issuer is away its last good keys stay.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from joserfc import jws, jwt
from joserfc.errors import JoseError

from gateway.jwks import ANY, TrustedKey, UnacceptableKeys, trusted
from gateway.settings import IssuerSettings
from lodge_kit import logs
from lodge_kit.clock import Clock
from lodge_kit.identity import TOKEN_TYPE
from lodge_kit.outbound import Failed, Outbound, Refused
from lodge_kit.problems import Forbidden, NotAuthenticated, Unavailable

FetchJson = Callable[[str], Awaitable[Mapping[str, Any]]]
"""Answers the JSON object at an address; raises `Failed` or `Refused` with a sentence."""

LEEWAY = 5
_REFETCH = 5.0  # seconds between two looks at an issuer's keys, whoever asks
_AGE = 3600.0  # seconds after which keys are looked at anew, so that withdrawn ones go
_TIMEOUT, _LONGEST_DOCUMENT = 5.0, 1_000_000
_REMEMBERED = 10_000
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_log = logs.logger("gateway.issuers")


class PersonUnknown(Forbidden):
    """The token is good, and Lodge has no such person."""

    code = "person-unknown"


class IssuerAway(Unavailable):
    """The issuer's keys were never read, so that its tokens can be neither taken nor refused."""

    code = "issuer-away"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a verified token names, until when (seconds since 1970)."""

    issuer: str
    external_id: str
    client_id: str | None
    expires: float


class _Registry(jws.JWSRegistry):
    """Takes `EdDSA`, which RFC 9864 replaces and issuers still send, without the library's warning for each token."""

    max_header_length = 8192  # x5c

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name] if name in (self.allowed or ()) else super().get_alg(name)


def fetcher(outbound: Outbound) -> FetchJson:
    """Make the function that reads an issuer's documents through the guarded client."""

    async def fetch_json(url: str) -> Mapping[str, Any]:
        answer = await outbound.send("GET", url, timeout=_TIMEOUT, limit=_LONGEST_DOCUMENT)
        if answer.status != HTTPStatus.OK:
            raise Failed(f"{url} answered {answer.status}.")
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Failed(f"{url} is not a JSON object.")
        return document

    return fetch_json


class Issuer:
    """One issuer: its settings and its keys as last read."""

    def __init__(
        self, settings: IssuerSettings, fetch_json: FetchJson, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self.settings = settings
        self._fetch_json = fetch_json
        self._clock = clock
        self._monotonic = monotonic
        self._keys: dict[str, TrustedKey] = {}
        self._asked_at = self._read_at = float("-inf")
        self._asking = asyncio.Lock()

    async def identify(self, token: str, header: Mapping[str, Any]) -> Identity:
        """Verify and answer whom the token names. Raises `NotAuthenticated`, `PersonUnknown` or `IssuerAway`."""
        kid = header.get("kid")
        key = await self._key(kid)
        claims = self._verified(token, header.get("alg"), key)
        if claims is None and kid is None:  # nothing else tells that the one key was rotated
            await self._look(self._monotonic())
            claims = self._verified(token, header.get("alg"), await self._key(None))
        return self._identity(claims) if claims is not None else refuse()

    def _verified(self, token: str, algorithm: object, key: TrustedKey | None) -> Mapping[str, Any] | None:
        """Answer the claims of a token that verifies."""
        if key is None or not isinstance(algorithm, str):
            return None
        if algorithm not in key.algorithms or algorithm not in self.settings.algorithms:
            return None
        registry = _Registry(algorithms=[algorithm], strict_check_header=False)
        try:
            claims = jwt.decode(token, key.key, registry=registry).claims
            jwt.JWTClaimsRegistry(
                now=lambda: int(self._clock().timestamp()),
                leeway=LEEWAY,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": self.settings.audience},
                exp={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, OverflowError):
            return None
        return claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        claim = self.settings.person_claim
        person = claims.get(claim)
        if not isinstance(person, str) or not person:
            _log.warning("a token without the claim that finds the person", claim=claim, issuer=self.settings.issuer)
            raise PersonUnknown(f"Your token has no claim {claim}, by which Lodge would know you.")
        names = [self.settings.client_claim] if self.settings.client_claim else ["azp", "client_id"]
        client = next((claims[name] for name in names if isinstance(claims.get(name), str)), None)
        return Identity(self.settings.issuer, self.settings.external_id_prefix + person, client, float(claims["exp"]))

    async def _key(self, kid: object) -> TrustedKey | None:
        """Answer the key that a token names; where it names none, the issuer's only one."""
        now = self._monotonic()
        if self._wanting(kid, now):
            async with self._asking:  # one look for all who wait
                if self._wanting(kid, now):
                    await self._look(now)
        if not self._keys:
            raise IssuerAway(f"The keys of {self.settings.issuer} cannot be read now. Try again in a moment.")
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid) if isinstance(kid, str) and kid != ANY else None

    def _wanting(self, kid: object, now: float) -> bool:
        unknown = kid not in self._keys if isinstance(kid, str) else not self._keys
        return unknown or now - self._read_at > _AGE

    async def _look(self, now: float) -> None:
        """Read the issuer's keys, unless that was tried a moment ago; on failure those of before stay."""
        if now - self._asked_at < _REFETCH:
            return
        self._asked_at = now
        name = self.settings.issuer
        url = self.settings.discovery_url or name.rstrip("/") + "/.well-known/openid-configuration"
        try:
            found = await self._fetch_json(url)
            self._keys = trusted(await self._fetch_json(_keys_address(found, name)))
            self._read_at = now
        except (Failed, Refused, UnacceptableKeys) as error:
            _log.warning("an issuer's keys could not be read; its last good ones stay", issuer=name, reason=str(error))


def _keys_address(discovery: Mapping[str, Any], name: str) -> str:
    """Answer where the keys are (OpenID Connect Discovery, section 4.3: the issuer must be itself)."""
    if discovery.get("issuer") != name:
        raise UnacceptableKeys(f"its discovery document is of {str(discovery.get('issuer'))[:200]}")
    return str(discovery.get("jwks_uri"))


class Issuers:
    """All issuers by name, and the tokens that were verified, by their SHA-256 until they expire."""

    def __init__(
        self, settings: Sequence[IssuerSettings], fetch_json: FetchJson, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._issuers = {one.issuer: Issuer(one, fetch_json, clock, monotonic) for one in settings}
        self._clock = clock
        self._verified: dict[bytes, Identity] = {}

    async def identify(self, token: str) -> Identity:
        """Answer whom a token names. Raises `NotAuthenticated`, `PersonUnknown` or `IssuerAway`."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and self._clock().timestamp() < known.expires:
            return known
        header, name = _unverified(token)
        issuer = self._issuers.get(name)
        if issuer is None:
            refuse()
        identity = await issuer.identify(token, header)
        if len(self._verified) >= _REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = identity
        return identity


def _unverified(token: str) -> tuple[Mapping[str, Any], str]:
    """Answer a token's header and the issuer that it claims: enough to choose the key, nothing to believe."""
    if not _COMPACT.fullmatch(token):
        refuse()
    try:
        parts = jws.extract_compact(token.encode(), registry=_Registry(strict_check_header=False))
        header = parts.headers()
        issuer = json.loads(parts.payload)["iss"]
    except (JoseError, ValueError, KeyError, TypeError):
        refuse()
    if not isinstance(issuer, str) or header.get("typ") == TOKEN_TYPE:
        refuse()
    return header, issuer


def refuse() -> NoReturn:
    """Refuse a credential; why it does not verify is the log's business, not a guesser's."""
    raise NotAuthenticated(
        "The token does not verify. Get a new one, and see that it is for Lodge.", error="invalid_token"
    )
