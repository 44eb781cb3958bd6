"""Tokens of OpenID issuers: what verifies, what never does, and issuers that rotate, fail and lie."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from yarl import URL

from gateway.testing import Lodge, World, a_caller, listening

pytestmark = pytest.mark.anyio
AUDIENCE = "lodge"
AnyKey = RSAKey | ECKey | OKPKey


class Provider:
    """An OpenID issuer: discovery and keys."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.away = False
        self.said: dict[str, Any] = {}

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        if self.away:
            return web.Response(status=500)
        if request.path == "/.well-known/openid-configuration":
            return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.said)
        self.asked += 1
        return web.json_response({"keys": self.keys})

    def publish(self, *keys: AnyKey, **more: Any) -> None:
        self.keys = [{**key.as_dict(private=False), **more} for key in keys]


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    found = Provider()
    async with listening(found) as port:
        found.url = f"http://127.0.0.1:{port}"
        yield found


def toml(provider: Provider, **more: str) -> str:
    settings = {"issuer": provider.url, "audience": AUDIENCE} | more
    return "[[issuers]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())


def allowed(provider: Provider) -> tuple[str, ...]:
    return (provider.url.removeprefix("http://"),)


@pytest.fixture
async def lodge(world: World, provider: Provider) -> AsyncIterator[Lodge]:
    async with world.lodge(toml(provider), outbound_allow=allowed(provider)) as found:
        found.access.people[provider.url, "ada"] = a_caller()
        yield found


def rsa_key(kid: str = "one", bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": kid, "use": "sig"})


def token(provider: Provider, key: Any, algorithm: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = int(time.time())
    body = {"iss": provider.url, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 300, "azp": "portal"}
    body = {name: value for name, value in (body | claims).items() if value is not None}
    full = {"alg": algorithm, "kid": key.kid} | (header or {})
    full = {name: value for name, value in full.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jwt.encode(full, body, key, registry=registry)


async def status(lodge: Lodge, credential: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {credential}"}
    async with lodge.client.get(lodge.url + "/enquiry/v1/x", headers=headers) as answer:
        return answer.status, (await answer.json(content_type=None)).get("code", "")


KEYS: list[tuple[Any, str]] = [
    (rsa_key(), "RS256"),
    (rsa_key(), "PS256"),
    (ECKey.generate_key("P-256", {"kid": "one"}), "ES256"),
    (OKPKey.generate_key("Ed25519", {"kid": "one"}), "Ed25519"),
]


@pytest.mark.parametrize(("key", "algorithm"), KEYS, ids=[algorithm for _, algorithm in KEYS])
async def test_a_good_token_of_each_algorithm_is_taken(
    lodge: Lodge, provider: Provider, key: AnyKey, algorithm: str
) -> None:
    provider.publish(key)
    assert await status(lodge, token(provider, key, algorithm)) == (200, "")
    assert lodge.access.questions == [{"issuer": provider.url, "external_id": "ada", "client_id": "portal"}]
    assert lodge.claims(lodge.service.last)["client_id"] == "portal"
    assert (await status(lodge, token(provider, key, algorithm, aud=["x", AUDIENCE])))[0] == 200


@pytest.mark.filterwarnings("ignore:EdDSA")
async def test_the_old_name_of_ed25519_is_taken(lodge: Lodge, provider: Provider) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "one"})
    provider.publish(key)
    assert (await status(lodge, token(provider, key, "EdDSA")))[0] == 200


WRONG: dict[str, dict[str, Any]] = {
    "expired": {"exp": 1_000_000_000},
    "no expiry": {"exp": None},
    "an expiry that is text": {"exp": "tomorrow"},
    "not yet": {"nbf": 10_000_000_000},
    "another audience": {"aud": "payroll"},
    "no audience": {"aud": None},
    "many other audiences": {"aud": ["payroll", "library"]},
    "another issuer": {"iss": "https://evil.example"},
    "an issuer that begins alike": {"iss": "http://127.0.0.1"},
    "no issuer": {"iss": None},
    "an issuer that is a list": {"iss": ["x"]},
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_token_that_says_something_else_is_refused(lodge: Lodge, provider: Provider, name: str) -> None:
    key = rsa_key()
    provider.publish(key)
    assert (await status(lodge, token(provider, key, "RS256", **WRONG[name])))[0] == 401
    assert not lodge.access.questions


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def signed_by_hmac(body: str, secret: bytes) -> str:
    """Sign with a public key as if it were a shared secret; joserfc would refuse to."""
    signed = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{body}"
    digest = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


async def test_forged_tokens_are_refused(lodge: Lodge, provider: Provider) -> None:
    key, other = rsa_key(), rsa_key()
    provider.publish(key)
    good = token(provider, key, "RS256")
    head, body, signature = good.split(".")
    public = key.as_pem(private=False)
    embedded = {"jwk": other.as_dict(private=False), "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}
    forged = [
        f"{encoded({'alg': 'none', 'kid': 'one'})}.{body}.",
        f"{encoded({'alg': 'none', 'kid': 'one'})}.{body}.{signature}",
        f"{encoded({'alg': ['RS256'], 'kid': 'one'})}.{body}.{signature}",
        f"{encoded({'alg': 'None'})}.{body}.",
        signed_by_hmac(body, public),
        signed_by_hmac(body, public.strip()),
        token(provider, other, "RS256"),
        token(provider, other, "RS256", embedded),
        token(provider, key, "RS256", {"kid": "../../one"}),
        f"{head}.{body}",
        token(provider, key, "RS384"),
        token(provider, key, "RS256", {"typ": "lodge+jwt"}),
        f"{head}.{encoded({'iss': provider.url, 'sub': 'boss', 'aud': AUDIENCE, 'exp': 2**40})}.{signature}",
        f"{head}.{body}.{signature[:-8]}",
        f"{head}.{body}.{signature}=",
        f"{head}.{body}.{signature}.x.y",
        good + "x" * 20_000,
    ]
    for each in forged:
        assert (await status(lodge, each))[0] == 401, each
    assert (await status(lodge, good))[0] == 200
    assert len(lodge.access.questions) == 1


async def test_the_algorithm_is_the_keys_and_the_issuers_list_narrows_it(world: World, provider: Provider) -> None:
    key = rsa_key()
    provider.publish(key, alg="RS256")
    async with world.lodge(toml(provider), outbound_allow=allowed(provider)) as lodge:
        lodge.access.people[provider.url, "ada"] = a_caller()
        assert (await status(lodge, token(provider, key, "PS256")))[0] == 401
        assert (await status(lodge, token(provider, key, "RS256")))[0] == 200
    listed = toml(provider) + '\nalgorithms = ["ES256"]'
    async with world.lodge(listed, outbound_allow=allowed(provider)) as lodge:
        assert (await status(lodge, token(provider, key, "RS256")))[0] == 401


async def test_a_verified_token_is_remembered_and_ends_when_it_says(lodge: Lodge, provider: Provider) -> None:
    key = rsa_key()
    provider.publish(key)
    sent = token(provider, key, "RS256")
    assert (await status(lodge, sent))[0] == 200
    provider.away = True
    provider.keys = []
    lodge.time.moved = 280
    assert (await status(lodge, sent))[0] == 200  # resolved anew, not verified anew
    assert len(lodge.access.questions) == 2
    lodge.time.moved = 306
    assert (await status(lodge, sent))[0] == 401


async def test_a_rotated_key_is_found_and_a_withdrawn_one_goes(lodge: Lodge, provider: Provider) -> None:
    old, new = rsa_key("old"), rsa_key("new")
    provider.publish(old)
    assert (await status(lodge, token(provider, old, "RS256")))[0] == 200
    provider.publish(old, new)
    lodge.time.moved = 6
    assert (await status(lodge, token(provider, new, "RS256")))[0] == 200
    provider.publish(new)
    lodge.time.moved = 3700
    later: dict[str, Any] = {"iat": 0, "exp": int(time.time()) + 9000}
    assert (await status(lodge, token(provider, old, "RS256", jti="another", **later)))[0] == 401
    assert (await status(lodge, token(provider, new, "RS256", **later)))[0] == 200


async def test_invented_key_ids_cost_one_look_in_five_seconds(lodge: Lodge, provider: Provider) -> None:
    provider.publish(rsa_key())
    for number in range(20):
        assert (await status(lodge, token(provider, KEYS[0][0], "RS256", {"kid": f"k{number}"})))[0] == 401
    assert provider.asked == 1
    lodge.time.moved = 6
    assert (await status(lodge, token(provider, KEYS[0][0], "RS256", {"kid": "k99"})))[0] == 401
    assert provider.asked == 2


async def test_the_last_good_keys_stay_while_the_issuer_is_away(lodge: Lodge, provider: Provider) -> None:
    key = rsa_key()
    provider.publish(key)
    assert (await status(lodge, token(provider, key, "RS256")))[0] == 200
    provider.away = True
    lodge.time.moved = 3700
    later: dict[str, Any] = {"exp": int(time.time()) + 9000}
    assert (await status(lodge, token(provider, key, "RS256", **later)))[0] == 200
    assert (await status(lodge, token(provider, key, "RS256", {"kid": "new"}, **later)))[0] == 401


async def test_an_issuer_that_was_never_reached_is_a_503(lodge: Lodge, provider: Provider) -> None:
    provider.away = True
    assert await status(lodge, token(provider, rsa_key(), "RS256")) == (503, "issuer-away")


async def test_an_issuer_on_a_private_address_is_not_asked_unless_allowed(world: World, provider: Provider) -> None:
    provider.publish(KEYS[0][0])
    async with world.lodge(toml(provider)) as lodge:
        assert await status(lodge, token(provider, KEYS[0][0], "RS256")) == (503, "issuer-away")
    assert provider.asked == 0


async def test_a_discovery_document_of_another_issuer_is_not_believed(lodge: Lodge, provider: Provider) -> None:
    provider.publish(KEYS[0][0])
    provider.said = {"issuer": "https://evil.example"}
    assert await status(lodge, token(provider, KEYS[0][0], "RS256")) == (503, "issuer-away")


async def test_key_sets_that_no_issuer_should_publish_are_not_used(lodge: Lodge, provider: Provider) -> None:
    key = KEYS[0][0]
    public = key.as_dict(private=False)
    for moved, keys in enumerate([
        [public, {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}],
        [public, public],
        [key.as_dict(private=True)],
    ]):  # fmt: skip
        provider.keys = keys
        lodge.time.moved = moved * 6
        assert await status(lodge, token(provider, key, "RS256")) == (503, "issuer-away")


@pytest.mark.filterwarnings("ignore:Key size")
async def test_weak_and_foreign_keys_are_left_aside(lodge: Lodge, provider: Provider) -> None:
    weak = RSAKey.import_key(rsa.generate_private_key(65537, 1024), {"kid": "weak"})  # noqa: S505 - the point of it
    good = KEYS[0][0]
    provider.publish(weak, good)
    provider.keys += [
        {**good.as_dict(private=False), "kid": "enc", "use": "enc"},
        {**good.as_dict(private=False), "kid": "ops", "key_ops": ["encrypt"]},
        {**good.as_dict(private=False), "kid": "padded", "n": good.as_dict(private=False)["n"] + "="},
        {**good.as_dict(private=False), "kid": "e1", "e": "AQ"},
        {**KEYS[2][0].as_dict(private=False), "kid": "off the curve", "x": "A" * 43},
        {"kty": "EC", "crv": "P-521", "kid": "curve", "x": "AA", "y": "AA"},
        {"kty": ["RSA"], "kid": "list"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    ]
    for kid in ("enc", "ops", "padded", "e1", "off the curve", "curve", "list"):
        assert (await status(lodge, token(provider, good, "RS256", {"kid": kid})))[0] == 401
    assert (await status(lodge, token(provider, good, "RS256")))[0] == 200
    assert (await status(lodge, token(provider, weak, "RS256")))[0] == 401


async def test_the_configured_claim_finds_the_person(world: World, provider: Provider) -> None:
    key = KEYS[0][0]
    provider.publish(key)
    settings = toml(provider, person_claim="oid", client_claim="appid")
    async with world.lodge(settings, outbound_allow=allowed(provider)) as lodge:
        lodge.access.people[provider.url, "o-1"] = a_caller()
        assert (await status(lodge, token(provider, key, "RS256", oid="o-1", appid="script")))[0] == 200
        assert lodge.access.questions[-1]["client_id"] == "script"
        assert await status(lodge, token(provider, key, "RS256")) == (403, "person-unknown")
        assert await status(lodge, token(provider, key, "RS256", oid="o-2")) == (403, "person-unknown")
        assert await status(lodge, token(provider, key, "RS256", oid=["o-1"])) == (403, "person-unknown")


async def test_a_token_that_names_no_key_is_verified_by_the_issuers_only_one(lodge: Lodge, provider: Provider) -> None:
    one, two = rsa_key(), rsa_key("two")
    nameless: dict[str, Any] = {"kid": None}
    provider.publish(one)
    assert (await status(lodge, token(provider, one, "RS256", nameless)))[0] == 200
    assert (await status(lodge, token(provider, two, "RS256", nameless)))[0] == 401
    provider.publish(two)
    provider.keys[0].pop("kid")
    lodge.time.moved = 6
    assert (await status(lodge, token(provider, two, "RS256", nameless, jti="rotated")))[0] == 200
    assert (await status(lodge, token(provider, two, "RS256", {"kid": ""})))[0] == 401
    provider.publish(one, two)
    lodge.time.moved = 12
    assert (await status(lodge, token(provider, one, "RS256", nameless, jti="another")))[0] == 401
    assert (await status(lodge, token(provider, one, "RS256", nameless, jti="yet another")))[0] == 401


@pytest.mark.filterwarnings("ignore::Warning")  # the provider's own
async def test_a_real_providers_token_is_taken(world: World) -> None:
    mock = pytest.importorskip("oidc_provider_mock")  # warns when imported

    with mock.run_server_in_thread() as server:
        url, back = f"http://127.0.0.1:{server.server_port}", "http://127.0.0.1:1/back"
        settings = f'[[issuers]]\nissuer = "{url}"\naudience = "portal"'
        async with world.lodge(settings, outbound_allow=(url.removeprefix("http://"),)) as lodge:
            asked = {"response_type": "code", "client_id": "portal", "redirect_uri": back, "scope": "openid"}
            async with lodge.client.post(
                f"{url}/oauth2/authorize", params=asked, data={"sub": "ada"}, allow_redirects=False
            ) as answer:
                code = URL(answer.headers["Location"]).query["code"]
            grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
            client = {"client_id": "portal", "client_secret": "any"}
            async with lodge.client.post(f"{url}/oauth2/token", data=grant | client) as answer:
                issued = await answer.json()
            lodge.access.people[url, "ada"] = a_caller()
            assert await status(lodge, issued["id_token"]) == (200, "")
            assert (await status(lodge, issued["access_token"]))[0] == 401  # opaque: not ours to read
