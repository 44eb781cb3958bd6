"""The gateway's own keys: only the gateway signs internal tokens, and everybody may read the public halves."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from lodge_kit.clock import Clock
from lodge_kit.identity import ALGORITHM, ISSUER, TOKEN_TYPE

LIFE = 25
"""Seconds from resolving a caller to the end of the token: with the services' leeway of 5 s, the bound of 30."""


class Signer:
    """Signs with the newest key; publishes all of them, so that tokens of the one before still verify."""

    def __init__(self, keys: Sequence[OKPKey], clock: Clock) -> None:
        self._keys = list(keys)
        self._clock = clock
        self._own: dict[str, tuple[str, float]] = {}

    def sign(self, subject: str, audience: str, expires: float, **claims: Any) -> str:
        """Sign an internal token (see `lodge_kit.identity`); `expires` in seconds since 1970; None claims are left out.

        46 µs: remember what you got.
        """
        now = self._clock().timestamp()
        key = self._keys[0]
        body = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": int(now), "exp": int(expires)}
        body |= {name: value for name, value in claims.items() if value is not None}
        header = {"typ": TOKEN_TYPE, "alg": ALGORITHM, "kid": key.kid}
        return jwt.encode(header, body, key, algorithms=[ALGORITHM])

    def own(self, audience: str) -> str:
        """Answer a token for the gateway's own calls, which has no permissions."""
        now = self._clock().timestamp()
        token, renew = self._own.get(audience, ("", 0.0))
        if now >= renew or renew - now > LIFE:  # the second: a clock that was set back
            token = self.sign("gateway", audience, now + 2 * LIFE, name="Lodge gateway", permissions={})
            self._own[audience] = (token, now + LIFE)
        return token

    def published(self) -> dict[str, Any]:
        """Answer the JWKS of the public halves (RFC 7517)."""
        return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM} for key in self._keys]}


def read_keys(text: str) -> list[OKPKey]:
    """Read LODGE_GATEWAY_SIGNING_KEY: a private JWK, `{"keys": […]}` newest first, or PEM.

    Raises ValueError with a sentence; the text itself is never in it.
    """
    text = text.strip()
    try:
        if text.startswith("-----BEGIN"):
            found = [OKPKey.import_key(text)]
        else:
            document = json.loads(text)
            found = [_private(entry) for entry in document.get("keys", [document])]
    except (JoseError, ValueError, TypeError, AttributeError, KeyError):
        found = []
    if not found or not all(key.is_private and key.curve_name == "Ed25519" for key in found):
        raise ValueError(
            "LODGE_GATEWAY_SIGNING_KEY is not an Ed25519 private key. Give a JWK, a set of them, or PEM"
            " (openssl genpkey -algorithm ed25519)."
        ) from None
    for key in found:
        key.ensure_kid()
    if len({key.kid for key in found}) != len(found):
        raise ValueError("LODGE_GATEWAY_SIGNING_KEY holds two keys with one kid. Give each its own.")
    return found


def _private(entry: Mapping[str, Any]) -> OKPKey:
    return OKPKey.import_key({name: value for name, value in entry.items() if name in {"kty", "crv", "x", "d", "kid"}})
