"""A letter and the mail server: over TLS wherever it is, and whose fault it is when it does not go."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from pydantic import SecretStr

from lodge_kit import smtp
from lodge_kit.testing.certificates import certificate

pytestmark = pytest.mark.anyio

ELSEWHERE = "127.1"
"""A name of this machine that does not look like one: what holds for servers elsewhere holds for it."""


class Server:
    """A mail server that keeps what it is sent and what it is logged in with, and answers as it is told to."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.log_ins: list[Any] = []
        self.answers: dict[str, str] = {}

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.letters.append((session.ssl is not None, envelope.rcpt_tos))
        return "250 OK"

    def log_in(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        self.log_ins.append(data)
        return AuthResult(success=data.password == b"right", handled=False)


Serve = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def serve(server: Server) -> Serve:
    """Answer what runs the server and answers its port; more arguments are aiosmtpd's."""

    @asynccontextmanager
    async def served(*, tls: ssl.SSLContext | None = None, **more: Any) -> AsyncIterator[int]:
        running = asyncio.get_running_loop()
        made = await running.create_server(
            lambda: SMTP(server, hostname="mail.test", loop=running, authenticator=server.log_in, **more),
            "127.0.0.1", 0, ssl=tls,
        )  # fmt: skip
        try:
            yield made.sockets[0].getsockname()[1]
        finally:
            made.close()
            await made.wait_closed()

    return served


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS that this process trusts."""
    file = certificate(tmp_path, ELSEWHERE)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


def letter(to: str = "alice@campus.example") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "lodge@campus.example", to, "A slip"
    mail.set_content("Text\n")
    return mail


async def refused(url: str, mail: EmailMessage | None = None) -> smtp.NotSentError:
    with pytest.raises(smtp.NotSentError) as error:
        await smtp.send(SecretStr(url), mail or letter())
    assert not any(word in repr(error.value) for word in ("alice", "right", "wrong"))
    return error.value


async def test_nothing_is_sent_readable_to_a_server_elsewhere(server: Server, serve: Serve) -> None:
    async with serve(auth_require_tls=False) as port:
        error = await refused(f"smtp://me:right@{ELSEWHERE}:{port}")
        assert not error.permanent
        assert (server.letters, server.log_ins) == ([], [])
        await smtp.send(SecretStr(f"smtp://me:right@127.0.0.1:{port}"), letter())
        assert server.letters == [(False, ["alice@campus.example"])], "to this machine it needs no TLS"


async def test_starttls_then_the_log_in_then_the_letter(server: Server, serve: Serve, tls: ssl.SSLContext) -> None:
    async with serve(tls_context=tls) as port:
        await smtp.send(SecretStr(f"smtp://me:right@{ELSEWHERE}:{port}"), letter())
        assert server.letters == [(True, ["alice@campus.example"])]
        error = await refused(f"smtp://me:wrong@{ELSEWHERE}:{port}")
        assert not error.permanent, "who runs it can put a password right"
        assert len(server.letters) == 1


async def test_tls_from_the_first_byte(server: Server, serve: Serve, tls: ssl.SSLContext) -> None:
    async with serve(tls=tls, auth_require_tls=False) as port:
        await smtp.send(SecretStr(f"smtps://me:right@{ELSEWHERE}:{port}"), letter())
    assert len(server.letters) == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    server: Server, serve: Serve, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with serve(tls_context=tls) as port:
        assert not (await refused(f"smtp://me:right@{ELSEWHERE}:{port}")).permanent
    assert (server.letters, server.log_ins) == ([], [])


@pytest.mark.parametrize(
    ("command", "answer", "permanent"),
    [
        ("RCPT", "550 no such user", True),
        ("RCPT", "452 its box is full for now", False),
        ("DATA", "554 it looks like something else", True),
        ("DATA", "451 come back later", False),
    ],
)
async def test_what_is_refused_for_good_is_told_from_what_is_put_off(
    server: Server, serve: Serve, command: str, answer: str, *, permanent: bool
) -> None:
    server.answers[command] = answer
    async with serve() as port:
        assert (await refused(f"smtp://127.0.0.1:{port}")).permanent is permanent
    assert server.letters == []


async def test_a_server_that_is_away_is_tried_again() -> None:
    assert not (await refused("smtp://127.0.0.1:9")).permanent
