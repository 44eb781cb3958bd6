"""Which of an issuer's published keys we take. Pure; libraries have no such policy, so it is ours.

Refused with the whole set: symmetric keys and private halves (somebody published a secret), one kid for two keys.
Left aside one by one: keys for encryption, other curves, RSA under 2048 bits, what is not strict base64url.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey

_ALGORITHMS = {"RSA": {"RS256", "PS256"}, "EC": {"ES256"}, "OKP": {"Ed25519", "EdDSA"}}
_CURVES = {"EC": "P-256", "OKP": "Ed25519"}
_NUMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_RSA_BITS = range(2048, 8193)  # above it a verification costs an attacker's bandwidth less than our time


ANY = ""
"""Stands for the id of a key that has none, which only the one key of a set may do."""


class UnacceptableKeys(ValueError):  # noqa: N818 - what the set is
    """The set is not one that an issuer should publish; nothing of it is used."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key, and the algorithms that it may be used with: the key says, never the token."""

    key: Key
    algorithms: frozenset[str]


def trusted(document: Mapping[str, Any]) -> dict[str, TrustedKey]:
    """Answer the keys of a JWKS document (RFC 7517) by kid. Raises `UnacceptableKeys`."""
    entries = document.get("keys")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnacceptableKeys("there is no list of keys in it")
    found: dict[str, TrustedKey] = {}
    seen: set[str] = set()
    for entry in entries:
        if entry.get("kty") == "oct" or _PRIVATE & entry.keys():
            raise UnacceptableKeys("it publishes a secret key")
        kid = entry.get("kid", ANY if len(entries) == 1 else None)
        if not isinstance(kid, str):
            continue
        if kid in seen:
            raise UnacceptableKeys(f"two keys have the kid {kid[:64]!r}")
        seen.add(kid)
        if (key := _key(entry)) is not None:
            found[kid] = key
    return found


def _key(entry: Mapping[str, Any]) -> TrustedKey | None:
    kind = entry.get("kty")
    if not isinstance(kind, str) or kind not in _ALGORITHMS or not _is_for_signatures(entry):
        return None
    if kind in _CURVES and entry.get("crv") != _CURVES[kind]:
        return None
    numbers = {name: entry.get(name) for name in _NUMBERS[kind]}
    if not all(_is_base64url(value) for value in numbers.values()):
        return None
    algorithms = _ALGORITHMS[kind]
    if (named := entry.get("alg")) is not None:
        algorithms = algorithms & {named} if isinstance(named, str) else set()
    imported = _imported(kind, {"kty": kind, **numbers} | ({"crv": _CURVES[kind]} if kind in _CURVES else {}))
    return TrustedKey(imported, frozenset(algorithms)) if imported and algorithms else None


def _is_base64url(value: object) -> bool:
    return isinstance(value, str) and _BASE64URL.fullmatch(value) is not None and len(value) % 4 != 1


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops")
    return entry.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _imported(kind: str, parts: dict[str, Any]) -> Key | None:
    if kind == "RSA" and not _is_strong(_number(parts["n"]), _number(parts["e"])):
        return None
    types: dict[str, type[Key]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    try:
        key = types[kind].import_key(parts)
        _ = key.public_key  # raises where a point is not on its curve
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key


def _is_strong(modulus: int, exponent: int) -> bool:
    return modulus.bit_length() in _RSA_BITS and exponent >= 3 and exponent % 2 == 1  # noqa: PLR2004 - RFC 8017, 3.1


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")
