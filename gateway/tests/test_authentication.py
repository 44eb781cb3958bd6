"""Who gets in, and what a service is told of them."""

import asyncio
import hashlib
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from gateway.testing import Lodge, World, a_caller, eventually, eventually_true

pytestmark = pytest.mark.anyio
PATH = "/enquiry/v1/enquiries"
OTHER_KEY = "lodge_01J0000000000000000000000X_0123456789abcdefghij"


async def ask(lodge: Lodge, headers: dict[str, str] | None = None, path: str = PATH) -> tuple[int, dict[str, Any]]:
    async with lodge.client.get(lodge.url + path, headers=headers) as answer:
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
        return answer.status, await answer.json(content_type=None)


async def answers(lodge: Lodge, status: int, path: str = PATH) -> None:
    async def it_does() -> bool:
        return (await ask(lodge, lodge.bearer(), path))[0] == status

    await eventually_true(it_does)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_call_without_a_credential_is_refused_with_a_challenge(lodge: Lodge) -> None:
    async with lodge.client.get(lodge.url + PATH) as answer:
        problem = await answer.json(content_type=None)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="lodge"'
    assert problem["code"] == "not-authenticated"
    assert problem["instance"] == PATH
    assert not lodge.service.seen


@pytest.mark.parametrize(
    "header",
    [
        "Basic bG9kZ2U6bG9kZ2U=", "Bearer", "Bearer ", "Bearer a b", "Bearer x", "Bearer lodge_short",
        f"Bearer {OTHER_KEY}", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer a.b.c", "Token abc",
    ],
)  # fmt: skip
async def test_a_credential_that_is_wrong_is_refused(lodge: Lodge, header: str) -> None:
    status, problem = await ask(lodge, {"Authorization": header})
    assert status == 401, problem
    assert not lodge.service.seen


async def test_a_good_key_reaches_the_service_as_a_token_of_ours_and_never_itself(lodge: Lodge) -> None:
    status, _ = await ask(lodge, lodge.bearer())
    assert status == 200
    claims = lodge.claims(lodge.service.last)
    life = claims.pop("exp") - claims.pop("iat")
    assert claims == {
        "iss": "lodge-gateway",
        "aud": "enquiry",
        "sub": a_caller()["id"],
        "name": "Ada",
        "client_id": a_caller()["client_id"],
        "permissions": {"enquiry.answer": ["org_1"]},
    }
    assert life == 25
    assert lodge.key not in str(lodge.service.last)
    assert lodge.access.questions == [{"key_sha256": hashlib.sha256(lodge.key.encode()).hexdigest()}]


async def test_the_gateways_own_call_carries_a_token_without_permissions(lodge: Lodge) -> None:
    await ask(lodge, lodge.bearer())
    token = lodge.access.authorizations[-1].removeprefix("Bearer ")
    claims = jwt.decode(token, lodge.signing_key, algorithms=["Ed25519"]).claims
    assert (claims["sub"], claims["aud"], claims["permissions"]) == ("gateway", "access", {})


async def test_a_deputy_is_named(lodge: Lodge) -> None:
    lodge.access.knows(lodge.key, actor="per_01J0000000000000000000000D")
    await ask(lodge, lodge.bearer())
    assert lodge.claims(lodge.service.last)["act"] == {"sub": "per_01J0000000000000000000000D"}


async def test_each_service_gets_its_own_audience_and_permissions_only(lodge: Lodge) -> None:
    for path, audience, permissions in [
        ("/access/v1/people", "access", {"access.people.read": "*"}),
        ("/scim/v2/Users", "access", {"access.people.read": "*"}),
        ("/release/v1/releases", "release", {}),
    ]:
        await ask(lodge, lodge.bearer(), path)
        service = lodge.access if audience == "access" else lodge.service
        claims = lodge.claims(service.last)
        assert (claims["aud"], claims["permissions"]) == (audience, permissions)
    assert len(lodge.access.questions) == 1


async def test_permissions_beyond_eight_kilobytes_become_a_reference(lodge: Lodge) -> None:
    many = {f"enquiry.permission_{number}": ["org_01J0000000000000000000000A"] for number in range(200)}
    lodge.access.knows(lodge.key, permissions={"enquiry": many})
    await ask(lodge, lodge.bearer())
    claims = lodge.claims(lodge.service.last)
    assert claims["permissions_ref"] is True
    assert "permissions" not in claims


async def test_a_forged_internal_token_from_outside_is_refused(lodge: Lodge) -> None:
    forger = OKPKey.generate_key("Ed25519", auto_kid=True)
    claims = {"iss": "lodge-gateway", "aud": "enquiry", "sub": "per_x", "exp": 2**40, "permissions": {}}
    for key in (forger, lodge.signing_key):  # even a true one, leaked, is no credential out here
        token = jwt.encode({"alg": "Ed25519", "typ": "lodge+jwt", "kid": key.kid}, claims, key, algorithms=["Ed25519"])
        status, _ = await ask(lodge, bearer(token))
        assert status == 401
    assert not lodge.service.seen


async def test_an_open_path_needs_no_credential_and_gives_no_rights(lodge: Lodge) -> None:
    for path in ("/release/v1/hooks/acme", "/release/v1/calendar.ics?token=secret"):
        status, _ = await ask(lodge, {"Authorization": "Bearer of-the-supplier"}, path)
        assert status == 200
        claims = lodge.claims(lodge.service.last)
        assert (claims["sub"], claims["permissions"], claims["aud"]) == ("anonymous", {}, "release")
        assert "of-the-supplier" not in str(lodge.service.last)
    assert not lodge.access.questions


async def test_where_decisions_are_is_told_to_anybody_by_access_service(lodge: Lodge) -> None:
    assert (await ask(lodge, path="/.well-known/authzen-configuration"))[0] == 200
    claims = lodge.claims(lodge.access.last)
    assert (lodge.access.last.target, claims["sub"]) == ("/.well-known/authzen-configuration", "anonymous")
    assert (claims["aud"], claims["permissions"]) == ("access", {})
    assert not lodge.service.seen


@pytest.mark.parametrize(
    "path", ["/release/v1/hooks", "/release/v1/hooksy", "/release/v1/calendar.ics/x", "/release/v1/calendar.icsx"]
)
async def test_beside_an_open_path_a_credential_is_needed(lodge: Lodge, path: str) -> None:
    assert (await ask(lodge, path=path))[0] == 401


async def test_what_is_open_is_the_configured_list(world: World) -> None:
    async with world.lodge('public = ["/healthz"]') as lodge:
        assert (await ask(lodge, path="/healthz"))[0] == 200
        for path in ("/", "/docs", "/openapi.json", "/readyz", "/.well-known/jwks.json", "/release/v1/hooks/acme"):
            assert (await ask(lodge, path=path))[0] == 401
        assert (await ask(lodge, lodge.bearer(), "/readyz"))[0] in {200, 503}


async def test_a_key_is_resolved_once_for_many_who_ask_at_once(lodge: Lodge) -> None:
    lodge.access.pause = asyncio.Event()
    asking = [asyncio.create_task(ask(lodge, lodge.bearer())) for _ in range(20)]
    await eventually(lambda: bool(lodge.access.questions))
    lodge.access.pause.set()
    assert {status for status, _ in await asyncio.gather(*asking)} == {200}
    assert len(lodge.access.questions) == 1


async def test_a_revoked_key_is_refused_at_once_when_the_stream_tells(lodge: Lodge) -> None:
    await eventually(lambda: bool(lodge.access.followers))
    for name in (a_caller()["id"], a_caller()["client_id"], "*"):
        lodge.access.knows(lodge.key)
        lodge.time.moved += 3
        assert (await ask(lodge, lodge.bearer()))[0] == 200
        lodge.access.keys.clear()
        lodge.access.tell({"drop": name if name == "*" else [name]})
        await answers(lodge, 401)


async def test_a_revoked_key_is_refused_after_twenty_seconds_without_the_stream(lodge: Lodge) -> None:
    assert (await ask(lodge, lodge.bearer()))[0] == 200
    lodge.access.keys.clear()
    lodge.time.moved = 19.0
    assert (await ask(lodge, lodge.bearer()))[0] == 200
    claims = lodge.claims(lodge.service.last)
    assert claims["exp"] + 5 - (lodge.time.clock().timestamp() - 19.0) <= 30.5  # the services' leeway included
    lodge.time.moved = 20.1
    assert (await ask(lodge, lodge.bearer()))[0] == 401


async def test_an_answer_about_a_caller_who_changed_meanwhile_is_not_kept(lodge: Lodge) -> None:
    await eventually(lambda: bool(lodge.access.followers))
    lodge.access.pause = asyncio.Event()
    asking = asyncio.create_task(ask(lodge, lodge.bearer()))
    await eventually(lambda: bool(lodge.access.questions))
    lodge.access.tell({"drop": [a_caller()["id"]]})
    await asyncio.sleep(0.05)
    lodge.access.pause.set()
    await asking
    await ask(lodge, lodge.bearer())
    assert len(lodge.access.questions) == 2


async def test_an_unknown_key_is_asked_for_once_in_two_seconds(lodge: Lodge) -> None:
    for _ in range(3):
        assert (await ask(lodge, bearer(OTHER_KEY)))[0] == 401
    assert len(lodge.access.questions) == 1
    lodge.access.knows(OTHER_KEY)
    lodge.time.moved = 2.1
    assert (await ask(lodge, bearer(OTHER_KEY)))[0] == 200


async def test_while_access_service_is_away_known_callers_go_on_for_five_minutes(lodge: Lodge) -> None:
    assert (await ask(lodge, lodge.bearer()))[0] == 200
    lodge.access.away = True
    for moved in (21, 150, 299):
        lodge.time.moved = moved
        assert (await ask(lodge, lodge.bearer()))[0] == 200
        claims = lodge.claims(lodge.service.last)
        assert claims["exp"] > lodge.time.clock().timestamp() + 5
    async with lodge.client.get(lodge.url + PATH, headers=bearer(OTHER_KEY)) as answer:
        assert answer.status == 503
        assert (await answer.json(content_type=None))["code"] == "upstream-away"
        assert answer.headers["Retry-After"]
    lodge.time.moved = 301.5
    assert (await ask(lodge, lodge.bearer()))[0] == 503
    lodge.access.away = False
    lodge.time.moved = 303
    assert (await ask(lodge, lodge.bearer()))[0] == 200


async def test_a_caller_who_is_dropped_while_access_service_is_away_is_not_served_on(lodge: Lodge) -> None:
    await eventually(lambda: bool(lodge.access.followers))
    await ask(lodge, lodge.bearer())
    lodge.access.away = True
    lodge.access.tell({"drop": [a_caller()["id"]]})
    await answers(lodge, 503)


async def test_after_an_outage_the_stream_is_followed_again(lodge: Lodge) -> None:
    await eventually(lambda: bool(lodge.access.followers))
    lodge.access.tell({"drop": 7})  # unreadable: all are resolved anew, the stream goes on
    await asyncio.sleep(0.02)
    assert lodge.access.followers


async def test_readiness_waits_for_access_service_and_outlives_its_absence(world: World) -> None:
    world.access.away = True
    async with world.lodge() as lodge:
        status, problem = await ask(lodge, path="/readyz")
        assert (status, "access-service" in problem["detail"]) == (503, True)
        assert (await ask(lodge, path="/healthz"))[0] == 200
        world.access.away = False
        await answers(lodge, 200, "/readyz")
        world.access.away = True
        assert (await ask(lodge, path="/readyz"))[0] == 200


async def test_the_published_keys_verify_what_services_get_and_hold_no_secret(lodge: Lodge) -> None:
    async with lodge.client.get(lodge.url + "/.well-known/jwks.json") as answer:
        document = await answer.json()
        assert "max-age" in answer.headers["Cache-Control"]
    (key,) = document["keys"]
    assert (key["kid"], key["alg"], "d" in key) == (lodge.signing_key.kid, "Ed25519", False)


async def test_a_client_of_the_directory_is_refused_in_the_shape_that_it_reads(lodge: Lodge) -> None:
    async with lodge.client.get(lodge.url + "/scim/v2/Users") as answer:
        error = await answer.json(content_type=None)
        assert (answer.status, answer.content_type) == (401, "application/scim+json")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="lodge"'
    assert (error["schemas"], error["status"]) == (["urn:ietf:params:scim:api:messages:2.0:Error"], "401")
    assert error["detail"]
