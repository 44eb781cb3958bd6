"""Whose word a service takes: the gateway's, and nobody else's."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from lodge_kit.identity import ALGORITHM, Caller, Permission, PublishedKeys, StaticKeys, Verifier
from lodge_kit.problems import Forbidden, NotAuthenticated, Unavailable
from lodge_kit.testing.client import Client
from lodge_kit.testing.issuer import Issuer

pytestmark = pytest.mark.anyio

KEY = OKPKey.generate_key("Ed25519", {"kid": "k1"}, auto_kid=False)
HEADER = {"typ": "lodge+jwt", "alg": ALGORITHM, "kid": "k1"}


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": "lodge-gateway",
        "aud": "desk",
        "sub": "per_1",
        "iat": now,
        "exp": now + 30,
        "permissions": {},
    } | other


def signed(header: Mapping[str, Any], body: Mapping[str, Any], key: Any = KEY) -> str:
    return jwt.encode(dict(header), dict(body), key, algorithms=[ALGORITHM])


def unsigned() -> str:
    return f"{encoded(HEADER | {'alg': 'none'})}.{encoded(claims())}."


def encoded(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def forged_with_the_public_key() -> str:
    """By hand: no library of today signs so any more."""
    told = f"{encoded(HEADER | {'alg': 'HS256'})}.{encoded(claims())}"
    signature = hmac.new(KEY.as_pem(private=False), told.encode(), hashlib.sha256).digest()
    return f"{told}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def tampered() -> str:
    head, _, signature = signed(HEADER, claims()).split(".")
    return f"{head}.{encoded(claims(sub='per_2'))}.{signature}"


def verifier(**options: Any) -> Verifier:
    return Verifier(StaticKeys(KeySet([KEY])), audience="desk", **options)


BAD: dict[str, Callable[[], str | None]] = {
    "no credential": lambda: None,
    "not a bearer token": lambda: "Basic YTpi",
    "nonsense": lambda: "Bearer nonsense",
    "an empty token": lambda: "Bearer ..",
    "expired": lambda: f"Bearer {signed(HEADER, claims(iat=int(time.time()) - 60, exp=int(time.time()) - 30))}",
    "of another audience": lambda: f"Bearer {signed(HEADER, claims(aud='access'))}",
    "of several audiences": lambda: f"Bearer {signed(HEADER, claims(aud=['desk', 'access']))}",
    "of another issuer": lambda: f"Bearer {signed(HEADER, claims(iss='somebody'))}",
    "alg none": lambda: f"Bearer {unsigned()}",
    "HS256 with the public key": lambda: f"Bearer {forged_with_the_public_key()}",
    "another type": lambda: f"Bearer {signed(HEADER | {'typ': 'JWT'}, claims())}",
    "no type": lambda: f"Bearer {signed({'alg': ALGORITHM, 'kid': 'k1'}, claims())}",
    "no key id": lambda: f"Bearer {signed({'alg': ALGORITHM, 'typ': 'lodge+jwt'}, claims())}",
    "an unknown key": lambda: f"Bearer {signed(HEADER | {'kid': 'k2'}, claims())}",
    "another key under a known id": lambda: f"Bearer {signed(HEADER, claims(), OKPKey.generate_key('Ed25519'))}",
    "a life of more than a minute": lambda: f"Bearer {signed(HEADER, claims(exp=int(time.time()) + 61))}",
    "from the future": lambda: f"Bearer {signed(HEADER, claims(iat=int(time.time()) + 60, exp=int(time.time()) + 90))}",
    "no subject": lambda: f"Bearer {signed(HEADER, {k: v for k, v in claims().items() if k != 'sub'})}",
    "no end": lambda: f"Bearer {signed(HEADER, {k: v for k, v in claims().items() if k != 'exp'})}",
    "no beginning": lambda: f"Bearer {signed(HEADER, {k: v for k, v in claims().items() if k != 'iat'})}",
    "tampered": lambda: f"Bearer {tampered()}",
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_token_that_is_not_the_gateways_is_refused(kind: str) -> None:
    with pytest.raises(NotAuthenticated):
        await verifier().caller(BAD[kind]())


async def test_a_token_of_the_gateway_names_the_caller() -> None:
    body = claims(
        name="Alice", client_id="key_1", act={"sub": "per_9"}, permissions={"desk.read": "*", "desk.x": ["org_1"]}
    )
    found = await verifier().caller(f"bearer {signed(HEADER, body)}")
    assert (found.id, found.name, found.client_id, found.actor) == ("per_1", "Alice", "key_1", "per_9")
    assert found.permissions == {"desk.read": "*", "desk.x": frozenset({"org_1"})}
    assert "token" not in repr(found)


async def test_a_remembered_token_is_forgotten_when_it_expires() -> None:
    now = [float(int(time.time()))]
    asked = verifier(now=lambda: now[0])
    token = f"Bearer {signed(HEADER, claims(iat=int(now[0]), exp=int(now[0]) + 30))}"
    first = await asked.caller(token)
    now[0] += 29
    assert await asked.caller(token) is first
    now[0] += 10
    with pytest.raises(NotAuthenticated):
        await asked.caller(token)


async def test_permissions_that_are_too_long_for_a_token_are_asked_for_with_it() -> None:
    asked: list[str] = []

    async def resolve(token: str) -> Mapping[str, Any]:
        asked.append(token)
        return {"desk.read": ["org_1"]}

    token = signed(HEADER, claims(permissions_ref=True))
    ours = verifier(resolve=resolve)
    for _ in range(2):
        found = await ours.caller(f"Bearer {token}")
    assert found.permissions == {"desk.read": frozenset({"org_1"})}
    assert asked == [token]


async def test_while_permissions_cannot_be_asked_for_nothing_is_decided() -> None:
    async def resolve(_token: str) -> Mapping[str, Any]:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await verifier(resolve=resolve).caller(f"Bearer {signed(HEADER, claims(permissions_ref=True))}")


class Gateway:
    """Publishes keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys = [KEY.as_dict(private=False)]
        self.asked = 0
        self.away = False
        self.go = asyncio.Event()
        self.go.set()

    async def fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        await self.go.wait()
        if self.away:
            raise Unavailable("away")
        return {"keys": self.keys}


async def test_tokens_with_made_up_key_ids_cost_the_gateway_one_question() -> None:
    gateway = Gateway()
    keys = PublishedKeys(gateway.fetch)
    for number in range(50):
        assert await keys.find(f"made-up-{number}") is None
    assert gateway.asked == 1
    assert await keys.find("k1") is not None


async def test_a_new_key_is_asked_for_once_the_interval_has_passed() -> None:
    gateway = Gateway()
    keys = PublishedKeys(gateway.fetch, interval=0)
    assert await keys.find("k1") is not None
    new = OKPKey.generate_key("Ed25519", {"kid": "k2"}, auto_kid=False)
    gateway.keys.append(new.as_dict(private=False))
    assert await keys.find("k2") is not None
    assert (await keys.find("k1"), gateway.asked) != (None, 1)


async def test_callers_who_come_while_the_keys_are_fetched_wait_for_them() -> None:
    gateway = Gateway()
    gateway.go.clear()
    keys = PublishedKeys(gateway.fetch)
    waiting = [asyncio.create_task(keys.find("k1")) for _ in range(20)]
    await asyncio.sleep(0)
    gateway.go.set()
    assert None not in await asyncio.gather(*waiting)
    assert gateway.asked == 1


async def test_while_the_gateway_is_away_known_keys_serve_and_unknown_ones_are_not_judged() -> None:
    gateway = Gateway()
    keys = PublishedKeys(gateway.fetch, interval=0)
    await keys.find("k1")
    gateway.away = True
    assert await keys.find("k1") is not None
    with pytest.raises(Unavailable):
        await keys.find("k2")


async def test_a_permission_held_for_org_units_holds_there_only() -> None:
    read = Permission("desk.read", "Read.")
    caller = Caller("per_1", "A", permissions={"desk.read": frozenset({"org_1"})})
    assert caller.may(read)
    assert caller.may(read, "org_1")
    assert not caller.may(read, "org_2")
    with pytest.raises(Forbidden, match=r"desk\.read for org unit org_2"):
        caller.demand(read, "org_2")


async def test_over_http_a_missing_credential_is_401_and_a_missing_right_403_that_names_it(
    clerk: Client, issuer: Issuer
) -> None:
    missing = await clerk.http.get("/desk/v1/slips")
    assert missing.status_code == 401
    assert missing.headers["www-authenticate"].startswith("Bearer")
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json()["code"] == "not-authenticated"
    wrong = await clerk.http.get("/desk/v1/slips", headers=issuer.headers("per_1", audience="access"))
    assert (wrong.status_code, 'error="invalid_token"' in wrong.headers["www-authenticate"]) == (401, True)
    bare = await clerk.acting("per_01J0000000000000000000N0NE").get("/desk/v1/slips")
    assert (bare.status_code, bare.json()["code"]) == (403, "forbidden")
    assert "desk.read" in bare.json()["detail"]
    anonymous = await clerk.acting("anonymous").get("/desk/v1/slips")
    assert anonymous.status_code == 401


@pytest.mark.parametrize("header", ["X-Lodge-Caller", "X-Forwarded-User", "X-User"])
async def test_no_header_but_the_token_says_who_calls(clerk: Client, header: str) -> None:
    forged = await clerk.http.get("/desk/v1/slips", headers={header: "per_01J0000000000000000000CERK"})
    assert forged.status_code == 401
