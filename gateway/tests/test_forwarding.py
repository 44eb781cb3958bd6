"""What passes through the gate: everything as it was, but for what is ours to say."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from gateway.testing import Lodge, Seen, World, eventually

pytestmark = pytest.mark.anyio
MEGABYTE = 1 << 20


async def get(lodge: Lodge, target: str, **headers: str) -> Seen:
    url = URL(lodge.url + target, encoded=True)
    async with lodge.client.get(url, headers={**lodge.bearer(), **headers}) as answer:
        assert answer.status == 200, await answer.text()
    return lodge.service.last


@asynccontextmanager
async def asked(lodge: Lodge) -> AsyncIterator[aiohttp.ClientResponse]:
    async with lodge.client.get(lodge.url + "/enquiry/v1/x", headers=lodge.bearer()) as answer:
        yield answer


@pytest.mark.parametrize(
    "target",
    [
        "/enquiry/v1/x%2Fy", "/enquiry/v1/a%20b?q=%41%2f&r=a+b&&=", "/enquiry/v1/%C3%A9;v=1,2@:!$'()*~",
        "/enquiry", "/enquiry/v1/a.b/..c/...?x=../..", "/enquiry/v1/[x]?[y]=|",
    ],
)  # fmt: skip
async def test_the_target_arrives_to_the_letter(lodge: Lodge, target: str) -> None:
    assert (await get(lodge, target)).target == target


async def test_what_a_caller_says_of_identity_and_origin_never_arrives(lodge: Lodge) -> None:
    forged = {
        "X-Lodge-Caller": "per_boss", "X_Lodge_Caller": "per_boss", "x-lodge_permissions": "*",
        "X-Forwarded-For": "10.0.0.1", "X_Forwarded_For": "10.0.0.1", "X-Forwarded-User": "boss",
        "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Forwarded": "for=10.0.0.1",
        "X-Real-IP": "10.0.0.1", "Cookie": "session=1", "Proxy-Authorization": "Basic x", "X_Request_Id": "forged",
        "X-Original-URL": "/internal/v1/changes", "X-Rewrite-URL": "/internal/v1/changes",
    }  # fmt: skip
    for path in ("/enquiry/v1/x", "/release/v1/hooks/x"):
        seen = await get(lodge, path, **forged)
        assert "boss" not in str(seen)
        assert "10.0.0.1" not in str(seen)
        assert "evil" not in str(seen)
        assert "forged" not in str(seen)
        assert "/internal" not in str(seen)
        assert not seen.all("cookie")
        assert seen.one("x-forwarded-for") == "127.0.0.1"
        assert seen.one("x-forwarded-proto") == "http"
        assert seen.one("x-forwarded-host") == f"127.0.0.1:{lodge.port}"


async def test_a_service_sees_only_the_headers_that_were_sent_and_ours(lodge: Lodge) -> None:
    async with lodge.client.get(
        lodge.url + "/enquiry/v1/x", headers=lodge.bearer(), skip_auto_headers=["User-Agent", "Accept"]
    ):
        pass
    names = {name.lower() for name, _ in lodge.service.last.headers}
    assert names - {"accept-encoding"} == {
        "host", "authorization", "x-request-id", "traceparent",
        "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
    }  # fmt: skip


async def test_what_connection_names_ends_here_and_repeated_headers_stay_repeated(lodge: Lodge) -> None:
    headers = CIMultiDict(lodge.bearer())
    for name, value in [
        ("Connection", "close, X-Hop"), ("X-Hop", "1"), ("TE", "trailers"), ("Upgrade", "h2c"),
        ("Accept", "a"), ("Accept", "b"), ("X-Kept", "é"),
    ]:  # fmt: skip
        headers.add(name, value)
    async with lodge.client.get(lodge.url + "/enquiry/v1/x", headers=headers) as answer:
        assert answer.status == 200
    seen = lodge.service.last
    assert [seen.all(name) for name in ("x-hop", "te", "upgrade", "connection")] == [[], [], [], []]
    assert seen.all("accept") == ["a", "b"]
    assert seen.one("x-kept") == "é"


async def test_a_trusted_proxy_is_believed(world: World) -> None:
    async with world.lodge('trusted_hops = ["127.0.0.0/8", "10.0.0.0/8"]') as lodge:
        forwarded = {
            "X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.1.1", "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "lodge.example",
        }  # fmt: skip
        seen = await get(lodge, "/enquiry/v1/x", **forwarded)
        found = [seen.one(f"x-forwarded-{name}") for name in ("for", "proto", "host")]
        assert found == ["203.0.113.9", "https", "lodge.example"]


async def test_a_request_id_is_kept_where_it_is_safe_and_echoed(lodge: Lodge) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for sent, kept in [("abc.1-2_3", True), ("a" * 65, False), ("a b", False), ('"><script>', False)]:
        headers = {**lodge.bearer(), "X-Request-Id": sent, "traceparent": trace}
        async with lodge.client.get(lodge.url + "/enquiry/v1/x", headers=headers) as answer:
            echoed = answer.headers.getall("X-Request-Id")
        assert echoed == [lodge.service.last.one("x-request-id")]
        assert (echoed == [sent]) is kept
        assert lodge.service.last.one("traceparent") == trace
    for path in ("/healthz", "/nowhere"):
        async with lodge.client.get(lodge.url + path, headers={"X-Request-Id": "mine"}) as answer:
            assert answer.headers.getall("X-Request-Id") == ["mine"]
            if answer.status == 404:
                assert (await answer.json(content_type=None))["request_id"] == "mine"


async def test_an_unknown_route_is_a_problem(lodge: Lodge) -> None:
    for path in ("/nowhere", "/internal/v1/changes", "/metrics", "/accessories", "/Access/v1/x", "/%61ccess/v1/x"):
        async with lodge.client.get(URL(lodge.url + path, encoded=True), headers=lodge.bearer()) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
            assert (await answer.json(content_type=None))["instance"] == path


async def test_status_headers_and_compressed_bytes_of_an_answer_are_the_services(lodge: Lodge) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        headers = CIMultiDict({"Content-Encoding": "gzip", "Server": "hidden", "ETag": '"1"', "Keep-Alive": "x"})
        headers.extend([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Location", "/enquiry/v1/y")])
        return web.Response(status=303, body=b"not really gzip", headers=headers)

    lodge.service.handler = answer
    async with lodge.client.get(
        lodge.url + "/enquiry/v1/x", headers=lodge.bearer(), allow_redirects=False, auto_decompress=False
    ) as got:
        assert got.status == 303
        assert await got.read() == b"not really gzip"
        assert got.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert (got.headers["ETag"], got.headers["Location"]) == ('"1"', "/enquiry/v1/y")
        assert "Server" not in got.headers
        assert "Keep-Alive" not in got.headers
        assert len(got.headers.getall("Date")) == 1


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304), ("DELETE", 204), ("GET", 200)])
async def test_an_answer_without_a_body_ends(lodge: Lodge, method: str, status: int) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(
            status=status, headers={"ETag": '"1"'} | ({"Content-Length": "12"} if method == "HEAD" else {})
        )

    lodge.service.handler = answer
    async with lodge.client.request(method, lodge.url + "/enquiry/v1/x", headers=lodge.bearer()) as got:
        assert (got.status, await got.read()) == (status, b"")
        assert got.headers.get("Content-Length") in ({"12"} if method == "HEAD" else {None, "0"})


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_body_arrives_whole_with_its_length_or_in_chunks(lodge: Lodge, method: str, *, chunked: bool) -> None:
    body = bytes(range(256)) * 1000

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    data: Any = pieces() if chunked else body
    async with lodge.client.request(method, lodge.url + "/enquiry/v1/x", data=data, headers=lodge.bearer()) as got:
        assert got.status == 200
    seen = lodge.service.last
    assert (seen.method, seen.body) == (method, body)
    assert seen.all("content-length") == ([] if chunked else [str(len(body))])
    assert seen.all("transfer-encoding") == (["chunked"] if chunked else [])


async def test_an_empty_post_says_that_it_is_empty(lodge: Lodge) -> None:
    async with lodge.client.post(lodge.url + "/enquiry/v1/x", headers=lodge.bearer()) as got:
        assert got.status == 200
    assert lodge.service.last.all("content-length") == ["0"]


async def test_one_callers_cookies_are_never_sent_with_anothers_call(lodge: Lodge) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        assert "Cookie" not in request.headers
        return web.Response(headers={"Set-Cookie": "session=mine"})

    lodge.service.handler = answer
    for _ in range(2):
        async with asked(lodge) as got:
            assert got.status == 200


async def test_events_arrive_as_they_are_sent(lodge: Lodge) -> None:
    go_on = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for number in range(3):
            await stream.write(f"data: {number}\n\n".encode())
            await go_on.wait()
            go_on.clear()
        return stream

    lodge.service.handler = answer
    async with asked(lodge) as got:
        for number in range(3):
            assert await asyncio.wait_for(got.content.readuntil(b"\n\n"), 2) == f"data: {number}\n\n".encode()
            go_on.set()
        assert await got.read() == b""


async def test_the_head_of_an_answer_does_not_wait_for_its_body(lodge: Lodge) -> None:
    go_on = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await go_on.wait()
        return stream

    lodge.service.handler = answer
    async with asyncio.timeout(2), asked(lodge) as got:
        assert got.status == 200
        go_on.set()


async def test_fifty_megabytes_down_pass_through_little_memory_and_wait_for_the_caller(lodge: Lodge) -> None:
    size, sent = 50 * MEGABYTE, 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        stream = web.StreamResponse(headers={"Content-Length": str(size)})
        await stream.prepare(request)
        piece = bytes(MEGABYTE)
        for _ in range(50):
            await stream.write(piece)
            sent += MEGABYTE
        return stream

    lodge.service.handler = answer
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asked(lodge) as got:
        await asyncio.sleep(0.7)  # longer than the watch waits: it must not disturb a slow download
        assert sent < 30 * MEGABYTE  # the kernel's buffers hold some
        length = 0
        async for piece in got.content.iter_any():
            length += len(piece)
    assert length == size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB, of client and service too


async def test_fifty_megabytes_up_pass_through_little_memory_and_wait_for_the_service(lodge: Lodge) -> None:
    go_on, given, length = asyncio.Event(), 0, 0

    async def answer(request: web.BaseRequest) -> web.Response:
        nonlocal length
        await go_on.wait()
        async for piece in request.content.iter_any():
            length += len(piece)
        return web.Response(text="got it")

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(50):
            yield bytes(MEGABYTE)
            given += MEGABYTE

    lodge.service.handler = answer
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sending = asyncio.create_task(lodge.client.post(lodge.url + "/enquiry/v1/x", data=pieces(), headers=lodge.bearer()))
    await asyncio.sleep(0.7)
    assert given < 30 * MEGABYTE
    go_on.set()
    async with await sending as got:
        assert await got.text() == "got it"
    assert length == 50 * MEGABYTE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


async def test_an_answer_may_come_while_the_upload_goes_on(lodge: Lodge) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"code": "content-too-large"}, status=413)

    lodge.service.handler = answer
    reader, writer = await asyncio.open_connection("127.0.0.1", lodge.port)
    writer.write(
        f"POST /enquiry/v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {lodge.key}\r\n"
        "Content-Length: 1000000\r\n\r\nbegun".encode()
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    assert b" 413 " in head
    writer.close()


async def test_a_refusal_does_not_wait_for_the_body(lodge: Lodge) -> None:
    sent = b"POST /enquiry/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegun"
    assert b" 401 " in await lodge.raw(sent, wait=2)


async def test_a_caller_who_expects_it_is_told_to_continue(lodge: Lodge) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", lodge.port)
    writer.write(
        f"POST /enquiry/v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {lodge.key}\r\n"
        "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n".encode()
    )
    assert b" 100 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    writer.write(b"body")
    assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    writer.close()
    assert lodge.service.last.body == b"body"
    assert not lodge.service.last.all("expect")


@pytest.mark.parametrize("when", ["before the answer", "during the answer", "during the upload"])
async def test_the_call_to_the_service_ends_when_the_caller_leaves(lodge: Lodge, when: str) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        began.set()
        try:
            if when == "during the upload":
                await request.read()
            stream = web.StreamResponse()
            if when == "during the answer":
                await stream.prepare(request)
                await stream.write(b"a")
            await eventually(lambda: request.transport is None or request.transport.is_closing())
            return stream
        finally:
            ended.set()

    lodge.service.handler = answer
    _, writer = await asyncio.open_connection("127.0.0.1", lodge.port)
    length = "Content-Length: 100\r\n" if when == "during the upload" else ""
    method = "POST" if length else "GET"
    writer.write(
        f"{method} /enquiry/v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {lodge.key}\r\n{length}\r\n".encode()
        + (b"begun" if length else b"")
    )
    await asyncio.wait_for(began.wait(), 2)
    writer.close()
    await asyncio.wait_for(ended.wait(), 3)


async def test_a_long_answer_ends_when_the_callers_rights_do(lodge: Lodge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.forwarding._AUTHORISED_FOR", 0.1)  # seconds, of the event loop's own clock

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await stream.write(b": ping\n\n")
            await asyncio.sleep(0.05)
        return stream

    lodge.service.handler = answer
    async with asked(lodge) as got:
        await got.content.readuntil(b"\n\n")
        await asyncio.sleep(0.8)
        assert b"ping" in await got.content.readuntil(b"\n\n")
        lodge.access.keys.clear()
        lodge.time.moved = 21
        with pytest.raises(aiohttp.ClientPayloadError):
            async with asyncio.timeout(3):
                await got.read()


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def test_a_service_that_is_away_is_named_with_a_time_to_come_back(world: World) -> None:
    async with world.lodge(enquiry_url=f"http://127.0.0.1:{unused_port()}") as lodge, asked(lodge) as got:
        problem = await got.json(content_type=None)
        assert (got.status, problem["code"]) == (503, "upstream-away")
        assert "enquiry-service" in problem["detail"]
        assert got.headers["Retry-After"] == "2"


async def test_a_service_that_hangs_is_a_504(world: World) -> None:
    async with world.lodge("[limits]\nread = 0.2") as lodge:
        stop = asyncio.Event()

        async def answer(_request: web.BaseRequest) -> web.Response:
            await stop.wait()
            return web.Response()

        lodge.service.handler = answer
        async with asked(lodge) as got:
            problem = await got.json(content_type=None)
            assert (got.status, problem["code"]) == (504, "upstream-slow")
        stop.set()


@pytest.mark.parametrize(
    "said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"]
)
async def test_a_service_that_breaks_off_or_does_not_speak_http_is_a_502(world: World, said: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, world.lodge(enquiry_url=f"http://127.0.0.1:{port}") as lodge, asked(lodge) as got:
        problem = await got.json(content_type=None)
        assert (got.status, problem["code"]) == (502, "upstream-broken")
        assert "enquiry-service" in problem["detail"]


@pytest.mark.parametrize("head", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
async def test_an_answer_that_breaks_off_is_never_taken_for_whole(world: World, head: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, world.lodge(enquiry_url=f"http://127.0.0.1:{port}") as lodge, asked(lodge) as got:
        with pytest.raises(aiohttp.ClientPayloadError):
            await got.read()


async def test_a_body_is_never_sent_twice(world: World) -> None:
    """Aiohttp repeats idempotent requests on a connection that was just closed, but the body is gone by then."""
    bodies: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        bodies.append(head[:3] + await reader.readexactly(4) if b"ontent-" in head else head[:3])
        if len(bodies) == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            bodies.append(b"second")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, world.lodge(enquiry_url=f"http://127.0.0.1:{port}") as lodge:
        async with asked(lodge) as got:
            assert got.status == 200
        async with lodge.client.put(lodge.url + "/enquiry/v1/x", data=b"body", headers=lodge.bearer()) as got:
            assert got.status == 502
    assert bodies == [b"GET", b"second"]


async def test_a_line_is_logged_for_each_request_without_its_query(
    lodge: Lodge, capsys: pytest.CaptureFixture[str]
) -> None:
    await get(lodge, "/enquiry/v1/x?token=secret", **{"X-Request-Id": "mine"})
    lines: list[dict[str, Any]] = []

    def logged() -> bool:
        printed = capsys.readouterr().out
        lines.extend(json.loads(line) for line in printed.splitlines() if line.startswith("{"))
        return any(line.get("event") == "request" for line in lines)

    await eventually(logged)
    (line,) = [line for line in lines if line["event"] == "request"]
    assert "secret" not in str(line)
    assert lodge.key not in str(line)
    assert line["request_id"] == "mine"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/enquiry/v1/x", 200)
    assert line["caller"].startswith("per_")
    assert line["service"] == "enquiry"


async def test_metrics_are_on_the_admin_port_only(lodge: Lodge) -> None:
    await get(lodge, "/enquiry/v1/x")
    await get(lodge, "/enquiry/v1/x")
    assert lodge.gate.running is not None
    async with lodge.client.get(f"http://127.0.0.1:{lodge.gate.running.admin_port}/metrics") as answer:
        text = await answer.text()
    assert 'lodge_gateway_requests_total{method="GET",route="/enquiry",status="200"} 2.0' in text
    assert 'lodge_gateway_callers_total{outcome="hit"} 1.0' in text
    assert 'lodge_gateway_request_seconds_count{route="/enquiry"} 2.0' in text
