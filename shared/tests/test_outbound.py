"""The guarded client against real servers on this machine: whatever they say, the call ends in a sentence."""

import asyncio
import gzip
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from lodge_kit.outbound import Answer, Failed, Outbound, Refused
from lodge_kit.testing.certificates import certificate

pytestmark = pytest.mark.anyio

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(speak: Speak, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a server that says just what `speak` writes; answer its port."""
    tasks = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def answering(*texts: str) -> tuple[Callable[[str, int], Awaitable[Sequence[str]]], list[str]]:
    """Make a resolver that answers each of `texts` in turn, the last for ever, and the list of what it was asked."""
    asked: list[str] = []

    async def lookup(host: str, port: int) -> Sequence[str]:  # noqa: ARG001 - the shape of a look-up
        asked.append(host)
        return texts[min(len(asked), len(texts)) - 1].split()

    return lookup, asked


def saying(head: str, body: bytes = b"") -> Speak:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()

    return speak


async def get(outbound: Outbound, url: str, *, timeout: float = 5, limit: int = 10_000, redirects: int = 0) -> Answer:
    return await outbound.send("GET", url, timeout=timeout, limit=limit, redirects=redirects)


async def test_loopback_is_called_only_where_the_operator_allows_it() -> None:
    async with listening(saying("HTTP/1.1 200 OK\nX-Thing: yes\nContent-Length: 2", b"hi")) as port:
        url = f"http://127.0.0.1:{port}/"
        async with Outbound(()) as outbound:
            with pytest.raises(Refused, match=rf"127\.0\.0\.1.*loopback.*127\.0\.0\.1:{port}.*LODGE_OUTBOUND_ALLOW"):
                await get(outbound, url)
            with pytest.raises(Refused):
                await outbound.check(url)
        for allow in (f"127.0.0.1:{port}", "127.0.0.0/8"):
            async with Outbound((allow,)) as outbound:
                await outbound.check(url)
                answer = await get(outbound, url)
                assert (answer.status, answer.body, answer.headers["x-THING"], answer.url) == (200, b"hi", "yes", url)


async def test_a_name_is_judged_by_what_it_resolves_to() -> None:
    lookup, _ = answering("127.0.0.1")
    async with listening(saying("HTTP/1.1 204 No Content")) as port:
        async with Outbound((), lookup=lookup) as outbound:
            for call in (outbound.check, lambda url: get(outbound, url)):
                with pytest.raises(Refused, match=rf"feed\.example is not called.*feed\.example:{port}"):
                    await call(f"http://feed.example:{port}/")
        async with Outbound((f"feed.example:{port}",), lookup=lookup) as outbound:
            assert (await get(outbound, f"http://feed.example:{port}/")).status == 204
            with pytest.raises(Refused):
                await get(outbound, f"http://other.example:{port}/")


async def test_a_name_that_changes_its_address_after_registration_is_refused_when_called() -> None:
    lookup, asked = answering("93.184.216.34", "127.0.0.1")
    called = asyncio.Event()

    async def speak(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        called.set()

    async with listening(speak) as port, Outbound((), lookup=lookup) as outbound:
        await outbound.check(f"http://rebinding.example:{port}/")
        with pytest.raises(Refused, match="loopback"):
            await get(outbound, f"http://rebinding.example:{port}/")
    assert asked == ["rebinding.example"] * 2
    assert not called.is_set()


async def test_the_address_that_was_checked_is_the_one_that_is_dialled() -> None:
    lookup, asked = answering("127.0.0.1", "10.0.0.1")
    async with (
        listening(saying("HTTP/1.1 204 No Content")) as port,
        Outbound(("127.0.0.0/8",), lookup=lookup) as outbound,
    ):
        assert (await get(outbound, f"http://once.example:{port}/")).status == 204
    assert asked == ["once.example"]


async def test_of_several_addresses_only_those_that_may_be_are_dialled() -> None:
    lookup, _ = answering("10.255.255.1 ::1 127.0.0.1")
    async with (
        listening(saying("HTTP/1.1 204 No Content")) as port,
        Outbound(("127.0.0.0/8",), lookup=lookup) as outbound,
    ):
        assert (await get(outbound, f"http://both.example:{port}/", timeout=2)).status == 204


async def test_a_name_that_does_not_resolve_is_said_so() -> None:
    async def nothing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port}")

    async def never(host: str, port: int) -> Sequence[str]:  # noqa: ARG001 - the shape of a look-up
        await asyncio.Event().wait()
        return ()

    async with Outbound((), lookup=nothing) as outbound:
        with pytest.raises(Failed, match=r"gone\.example does not resolve"):
            await get(outbound, "http://gone.example/")
        with pytest.raises(Failed, match=r"gone\.example does not resolve"):
            await outbound.check("http://gone.example/")
    async with Outbound((), lookup=never, connect=0.05) as outbound:
        with pytest.raises(Failed, match="not resolved within"):
            await get(outbound, "http://slow.example/")


async def test_the_systems_resolver_is_checked_too() -> None:
    async with Outbound(()) as outbound:
        for call in (outbound.check, lambda url: get(outbound, url)):
            with pytest.raises(Refused, match="localhost is not called: it is a name for a loopback address"):
                await call("http://localhost:9/")


async def test_a_redirect_is_the_answer_unless_it_is_asked_for() -> None:
    async with (
        listening(saying("HTTP/1.1 302 Found\nLocation: http://10.0.0.1/\nContent-Length: 0")) as port,
        Outbound((f"127.0.0.1:{port}",)) as outbound,
    ):
        answer = await get(outbound, f"http://127.0.0.1:{port}/")
        assert answer.status == 302


@pytest.mark.parametrize(
    "location",
    ["http://10.0.0.1/", "//[::ffff:7f00:1]/", "http://2130706433/", "http://localhost/", "ftp://a.example/", "http://u@a.example/"],
)  # fmt: skip
async def test_a_redirect_to_what_may_not_be_called_is_refused(location: str) -> None:
    async with (
        listening(saying(f"HTTP/1.1 302 Found\nLocation: {location}\nContent-Length: 0")) as port,
        Outbound((f"127.0.0.1:{port}",)) as outbound,
    ):
        with pytest.raises(Refused, match=f"^127.0.0.1:{port} redirects: "):
            await get(outbound, f"http://127.0.0.1:{port}/", redirects=3)


async def test_redirects_are_followed_up_to_the_number_asked_for() -> None:
    async def onward(request: web.Request) -> web.Response:
        left = int(request.match_info["left"])
        return web.Response(text="here") if left == 0 else web.Response(status=302, headers={"Location": str(left - 1)})

    async with serving(web.get("/{left}", onward)) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        answer = await get(outbound, f"http://127.0.0.1:{port}/2", redirects=2)
        assert (answer.body, answer.url) == (b"here", f"http://127.0.0.1:{port}/0")
        with pytest.raises(Failed, match="redirects more than 2 times"):
            await get(outbound, f"http://127.0.0.1:{port}/3", redirects=2)


async def test_credentials_stay_with_the_origin_that_they_were_meant_for() -> None:
    seen: list[dict[str, str]] = []

    async def end(request: web.Request) -> web.Response:
        seen.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(headers={"Set-Cookie": "a=b"})

    async def away(request: web.Request) -> web.Response:
        await end(request)
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{other}/end", "Set-Cookie": "c=d"})

    async def within(request: web.Request) -> web.Response:
        await end(request)
        return web.Response(status=307, headers={"Location": "/away"})

    secrets = {"Authorization": "Bearer x", "X-Api-Key": "y", "Cookie": "z=1", "Accept": "application/atom+xml"}
    async with (
        serving(web.get("/end", end)) as other,
        serving(web.get("/", within), web.get("/away", away)) as port,
        Outbound(("127.0.0.0/8",)) as outbound,
    ):
        await outbound.send("GET", f"http://127.0.0.1:{port}/", headers=secrets, timeout=5, limit=100, redirects=2)
    first, second, third = seen
    assert first["authorization"] == second["authorization"] == "Bearer x"
    assert second["x-api-key"] == "y"
    assert second["cookie"] == "z=1"
    assert third["accept"] == "application/atom+xml"
    assert not {"authorization", "x-api-key", "cookie"} & third.keys()


async def test_a_body_is_not_sent_on_to_another_origin() -> None:
    async with (
        listening(saying("HTTP/1.1 307 T\nLocation: http://127.0.0.2:9/\nContent-Length: 0")) as port,
        Outbound(("127.0.0.0/8",)) as outbound,
    ):
        with pytest.raises(Failed, match="redirects a POST"):
            await outbound.send("POST", f"http://127.0.0.1:{port}/", body=b"x", timeout=5, limit=9, redirects=1)


async def test_a_post_that_is_redirected_becomes_a_get_without_its_body() -> None:
    async def end(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {len(await request.read())}")

    async def moved(request: web.Request) -> web.Response:
        return web.Response(status=int(request.query["status"]), headers={"Location": "/end"})

    async with (
        serving(web.route("*", "/end", end), web.post("/", moved)) as port,
        Outbound((f"127.0.0.1:{port}",)) as outbound,
    ):
        for status, body in ((301, b"GET 0"), (302, b"GET 0"), (303, b"GET 0"), (307, b"POST 3"), (308, b"POST 3")):
            url = f"http://127.0.0.1:{port}/?status={status}"
            answer = await outbound.send("POST", url, body=b"abc", timeout=5, limit=99, redirects=1)
            assert answer.body == body


async def test_a_body_over_the_limit_fails_or_is_cut_as_asked() -> None:
    async with (
        listening(saying("HTTP/1.1 200 OK\nContent-Length: 5000", b"x" * 5000)) as port,
        Outbound((f"127.0.0.1:{port}",)) as outbound,
    ):
        url = f"http://127.0.0.1:{port}/"
        assert len((await get(outbound, url, limit=5000)).body) == 5000
        with pytest.raises(Failed, match="more than 4,999 bytes"):
            await get(outbound, url, limit=4999)
        cut = await outbound.send("POST", url, body=b"{}", timeout=5, limit=2048, beyond="cut")
        assert (cut.status, cut.body) == (200, b"x" * 2048)


async def test_an_endless_body_is_cut_without_being_read() -> None:
    written = 0

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            written += 65536
            await writer.drain()

    async with listening(speak) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        answer = await outbound.send("GET", f"http://127.0.0.1:{port}/", timeout=5, limit=2048, beyond="cut")
        assert answer.body == b"x" * 2048
        with pytest.raises(Failed, match="more than"):
            await get(outbound, f"http://127.0.0.1:{port}/")
    assert written < 50_000_000


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_stops_at_the_limit_of_what_it_unpacks_to(coding: str) -> None:
    bomb = (gzip.compress if coding == "gzip" else zlib.compress)(bytes(100_000_000))
    head = f"HTTP/1.1 200 OK\nContent-Encoding: {coding}\nContent-Length: {len(bomb)}"
    async with listening(saying(head, bomb)) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        with pytest.raises(Failed, match="more than 1,000,000 bytes"):
            await get(outbound, f"http://127.0.0.1:{port}/", limit=1_000_000)
        answer = await outbound.send("GET", f"http://127.0.0.1:{port}/", timeout=5, limit=2048, beyond="cut")
        assert answer.body == bytes(2048)


async def test_an_answer_that_is_compressed_arrives_unpacked() -> None:
    body = gzip.compress(b"<feed/>")
    async with (
        listening(saying(f"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: {len(body)}", body)) as port,
        Outbound((f"127.0.0.1:{port}",)) as outbound,
    ):
        assert (await get(outbound, f"http://127.0.0.1:{port}/")).body == b"<feed/>"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"])
async def test_a_server_that_stops_talking_ends_the_call_at_its_time(start: bytes) -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await asyncio.Event().wait()

    async with listening(speak) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        with pytest.raises(Failed, match=r"did not answer in full within 0\.1 s"):
            await get(outbound, f"http://127.0.0.1:{port}/", timeout=0.1)


async def test_a_body_that_drips_ends_at_the_total_time() -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with listening(speak) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        with pytest.raises(Failed, match="did not answer in full"):
            await get(outbound, f"http://127.0.0.1:{port}/", timeout=0.2)


async def test_a_status_counts_although_its_body_never_ends() -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthanks")
        await asyncio.Event().wait()

    async with listening(speak) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        answer = await outbound.send("POST", f"http://127.0.0.1:{port}/", timeout=15, limit=2048, beyond="cut")
        assert (answer.status, answer.body) == (200, b"thanks")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "closed the connection before it answered"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed the connection|not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", "broke off|not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabcde", "compressed it wrongly|not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20_000 + b"\r\n\r\n", "not HTTP"),
    ],
)  # fmt: skip
async def test_a_broken_answer_is_a_failure_with_a_sentence(said: bytes, reason: str) -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()

    async with listening(speak) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        with pytest.raises(Failed, match=reason) as failed:
            await get(outbound, f"http://127.0.0.1:{port}/")
        assert failed.value.reason.startswith(f"127.0.0.1:{port} ")


async def test_a_failure_does_not_tell_the_address_behind_a_name() -> None:
    lookup, _ = answering("127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with Outbound((f"a.example:{port}",), lookup=lookup) as outbound:
        with pytest.raises(Failed, match=rf"^a\.example:{port} could not be reached: connection refused\.$"):
            await get(outbound, f"http://a.example:{port}/")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Key", "a\r\nX-Other: b"), ("X-Key", "a\nb"), ("X-Key", "a\0b"), ("X-Key: a\r\nX-Other", "b"), ("", "b"),
        ("Host", "internal.example"), ("content-length", "3"), ("Transfer-Encoding", "chunked"),
    ],
)  # fmt: skip
async def test_a_header_cannot_begin_another_one_or_change_the_frame(name: str, value: str) -> None:
    async with Outbound(("127.0.0.0/8",)) as outbound:
        with pytest.raises(Refused, match="header") as refused:
            await outbound.send("GET", "http://127.0.0.1:9/", headers={name: value}, timeout=1, limit=1)
        assert value not in str(refused.value)


async def test_a_connection_is_kept_for_the_next_call() -> None:
    ports = set()

    async def note(request: web.Request) -> web.Response:
        assert request.transport
        ports.add(request.transport.get_extra_info("peername"))
        return web.Response(text="ok")

    async with serving(web.post("/", note)) as port, Outbound((f"127.0.0.1:{port}",)) as outbound:
        for _ in range(3):
            await outbound.send("POST", f"http://127.0.0.1:{port}/", timeout=5, limit=2048, beyond="cut")
    assert len(ports) == 1


async def test_a_slow_receiver_does_not_keep_the_others_waiting() -> None:
    taken = 0
    both = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        taken += 1
        if taken == 2:
            both.set()
        await asyncio.Event().wait()

    async with (
        listening(hang) as slow,
        listening(saying("HTTP/1.1 204 No Content")) as quick,
        Outbound(("127.0.0.0/8",), per_host=2) as outbound,
        asyncio.TaskGroup() as group,
    ):
        calls = [group.create_task(get(outbound, f"http://127.0.0.1:{slow}/")) for _ in range(120)]
        await both.wait()
        assert (await get(outbound, f"http://127.0.0.1:{quick}/", timeout=2)).status == 204
        assert taken == 2
        for call in calls:
            call.cancel()


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    async with listening(saying("HTTP/1.1 204 No Content")) as port, Outbound(("127.0.0.0/8",)) as outbound:
        assert (await get(outbound, f"http://127.0.0.1:{port}/")).status == 204


async def test_peers_from_settings_are_called_wherever_they_are() -> None:
    async with listening(saying("HTTP/1.1 204 No Content")) as port, Outbound.trusted() as peers:
        await peers.check(f"http://127.0.0.1:{port}/")
        for host in ("127.0.0.1", "localhost"):
            assert (await get(peers, f"http://{host}:{port}/")).status == 204


async def test_certificates_are_verified_and_names_compared(tmp_path: Path) -> None:
    file = certificate(tmp_path, "good.example")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(file)
    lookup, _ = answering("127.0.0.1")
    async with listening(saying("HTTP/1.1 204 No Content"), tls) as port:
        async with Outbound(("127.0.0.0/8",), lookup=lookup) as outbound:
            with pytest.raises(Failed, match="certificate that is not accepted: self-signed"):
                await get(outbound, f"https://good.example:{port}/")
        trusting = ssl.create_default_context(cafile=str(file))
        async with Outbound(("127.0.0.0/8",), lookup=lookup, tls=trusting) as outbound:
            assert (await get(outbound, f"https://good.example:{port}/")).status == 204
            with pytest.raises(Failed, match="certificate that is not accepted: Hostname mismatch"):
                await get(outbound, f"https://other.example:{port}/")


async def test_a_server_without_tls_or_a_step_down_from_it_is_a_failure(tmp_path: Path) -> None:
    file = certificate(tmp_path, "good.example")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(file)
    lookup, _ = answering("127.0.0.1")
    down = saying("HTTP/1.1 302 Found\nLocation: http://good.example/\nContent-Length: 0")
    async with listening(down) as plain, listening(down, tls) as port:
        trusting = ssl.create_default_context(cafile=str(file))
        async with Outbound(("127.0.0.0/8",), lookup=lookup, tls=trusting, connect=0.2) as outbound:
            with pytest.raises(Failed, match=r"does not speak TLS|could not be reached"):
                await get(outbound, f"https://good.example:{plain}/")
            with pytest.raises(Failed, match="from https to http"):
                await get(outbound, f"https://good.example:{port}/", redirects=1)


async def test_an_address_that_does_not_answer_ends_at_the_connect_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003 - the socket's own signature
            filler.connect_ex(("127.0.0.1", port))
        async with Outbound(("127.0.0.0/8",), connect=0.1) as outbound:
            with pytest.raises(Failed, match=r"could not be reached within 0\.1 s"):
                await get(outbound, f"http://127.0.0.1:{port}/")
        for filler in fillers:
            filler.close()


def test_it_is_made_before_a_loop_runs_and_needs_no_closing_then() -> None:
    Outbound(("10.0.0.0/8",))
    with pytest.raises(ValueError, match="LODGE_OUTBOUND_ALLOW"):
        Outbound(("nonsense",))
