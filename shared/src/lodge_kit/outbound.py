"""The one HTTP client for places that somebody else names: feeds, webhooks, OpenID documents.

Every address is checked, and the one that was checked is dialled: literals before the call, names in the resolver
that the connector asks, so that no second look-up can answer something else. No proxy, `.netrc` or cookie is used.
Peers are named by settings, not by callers: `Outbound.trusted()` calls them.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from types import TracebackType
from typing import Literal, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from lodge_kit.addresses import Address, Allowed, Place, Refused, place, refusal

__all__ = ["Answer", "Failed", "Lookup", "Outbound", "Refused"]

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Answers the addresses of a name and port as text; raises OSError where there is none."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_COURTESY = 1.0  # seconds for a body that is kept for people to read only
_IDLE = 4.0  # seconds: under the 5 after which Node and uvicorn hang up, as a POST that meets that is not repeated
# Sent on to another origin; all others may be credentials, whatever their name.
_HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
# Ours to write: from a caller they would change where the message goes or ends.
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


class Failed(Exception):  # noqa: N818 - what became of the call
    """No whole answer came. `reason` is a sentence that names the host, fit to be shown to whoever named it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """What came back: any status, the body decompressed, `url` that of the last hop."""

    status: int
    headers: Mapping[str, str]
    """Case does not matter."""
    body: bytes
    url: str


@dataclass(frozen=True)
class _Call:
    """One hop of a request."""

    method: str
    place: Place
    headers: CIMultiDict[str]
    body: bytes

    def redirected(self, status: int, location: str) -> Self:
        """Answer the next hop (RFC 9110, section 15.4): without what was meant for the first origin only."""
        try:
            onward = place(str(self.place.url.join(URL(location))))
        except ValueError:
            raise Failed(f"{self.place} redirects to what is not a URL.") from None
        except Refused as cause:
            raise Refused(f"{self.place} redirects: {cause}") from cause
        call = replace(self, place=onward)
        if (status == 303 and self.method != "HEAD") or (status in {301, 302} and self.method == "POST"):  # noqa: PLR2004 - RFC 9110
            call = replace(call, method="GET", body=b"", headers=_without(self.headers, {"content-type"}))
        if onward.origin == self.place.origin:
            return call
        if self.place.url.scheme == "https" and onward.url.scheme == "http":
            raise Failed(f"{self.place} redirects from https to http, which is not followed.")
        if call.body:
            raise Failed(f"{self.place} redirects a {call.method} to {onward}, which is not followed.")
        return replace(call, headers=_without(call.headers, {name.lower() for name in call.headers} - _HARMLESS))


def _without(headers: CIMultiDict[str], names: set[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in names)


class _Resolver(AbstractResolver):
    """Hands the connector only addresses that may be dialled, so that it dials no other."""

    def __init__(self, lookup: Lookup, allowed: Allowed, patience: float) -> None:
        self._lookup, self._allowed, self._patience = lookup, allowed, patience

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the connector's signature; it asks for both
    ) -> list[ResolveResult]:
        """Answer the addresses of `host` that may be dialled; raise Refused where there are only others."""
        addresses = [ip_address(text) for text in await self._texts(host, port)]
        if not self._allowed.names(host, port):
            reasons = [self._allowed.objection(address) for address in addresses]
            if all(reasons):
                raise refusal(host, port, f"a name for {reasons[0]}")
            addresses = [address for address, reason in zip(addresses, reasons, strict=True) if reason is None]
        return [_dialled(host, address, port) for address in addresses]

    async def _texts(self, host: str, port: int) -> Sequence[str]:
        try:
            async with asyncio.timeout(self._patience):
                texts = await self._lookup(host, port)
        except TimeoutError:
            raise Failed(f"{host} was not resolved within {self._patience:g} s.") from None
        except (OSError, UnicodeError):
            texts = []
        if not texts:
            raise Failed(f"{host} does not resolve: see that the name is right and its DNS answers.")
        return texts

    async def close(self) -> None:
        """Hold nothing."""


def _dialled(host: str, address: Address, port: int) -> ResolveResult:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    numeric = socket.AI_NUMERICHOST
    return ResolveResult(hostname=host, host=str(address), port=port, family=family, proto=0, flags=numeric)


class Outbound:
    """A pool of connections, made on first use and kept: one a process, closed with it.

    `allow` is the tuple of LODGE_OUTBOUND_ALLOW. `connect` bounds, in seconds, a look-up and each connection;
    `per_host` connections go to one host and port, so that a slow receiver cannot take them all. `lookup` and `tls`
    replace the system's resolver and certificates.
    """

    def __init__(
        self,
        allow: Sequence[str],
        *,
        connect: float = 5.0,
        per_host: int = 8,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = Allowed.read(allow)
        self._connect, self._per_host = connect, per_host
        # Threads of our own: a name whose servers never answer must not hold up the process's other threads.
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="lookup")
        self._resolver = _Resolver(lookup or self._system_lookup, self._allowed, connect)
        self._tls = tls or ssl.create_default_context()
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def trusted(cls, *, connect: float = 5.0, per_host: int = 32) -> Self:
        """Answer a client for peers, whose addresses come from settings: it dials any address."""
        return cls(("0.0.0.0/0", "::/0"), connect=connect, per_host=per_host)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, those of calls under way too."""
        if self._session is not None:
            await self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, url: str) -> None:
        """Look at an address before it is kept; raise Refused, or Failed where its name does not resolve.

        What passes is checked again when it is called, since names change.
        """
        found = place(url)
        self._check_literal(found)
        if found.literal is None:
            await self._resolver.resolve(found.host, found.port)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        timeout: float,
        limit: int,
        redirects: int = 0,
        beyond: Literal["fail", "cut"] = "fail",
    ) -> Answer:
        """Call `url` and answer within `timeout` seconds, look-ups, waiting for a connection and redirects included.

        `limit` counts bytes after decompression. A longer body is a failure, or with `beyond="cut"` is kept to the
        limit and no more is read; it is then a courtesy, so one that breaks off or takes over a second is cut too.
        Up to `redirects` are followed, each checked; with none a 3xx is the answer. Raises Refused or Failed.
        """
        start = place(url)
        call = _Call(method.upper(), start, _checked(headers), body)
        try:
            async with asyncio.timeout(timeout):
                for hop in range(redirects + 1):
                    try:
                        found = await self._hop(call, limit, beyond, follow=redirects > 0)
                    except Refused as cause:
                        if hop == 0:
                            raise
                        raise Refused(f"{start} redirects: {cause}") from cause
                    if isinstance(found, Answer):
                        return found
                    call = found
        except TimeoutError:
            raise Failed(f"{start} did not answer in full within {timeout:g} s.") from None
        raise Failed(f"{start} redirects more than {redirects} times: name the address where it ends.")

    async def _hop(self, call: _Call, limit: int, beyond: Literal["fail", "cut"], *, follow: bool) -> Answer | _Call:
        """Answer what came, or the next hop where it is a redirect to `follow`."""
        self._check_literal(call.place)
        with _failures(call.place, self._connect):
            async with self._pool().request(
                call.method, call.place.url, headers=call.headers, data=call.body or None, allow_redirects=False
            ) as response:
                location = response.headers.get("Location")
                if follow and location and response.status in _REDIRECTS:
                    return call.redirected(response.status, location)
                kept = await _body(response, call.place, limit, beyond)
                return Answer(response.status, response.headers, kept, str(response.url))

    def _check_literal(self, found: Place) -> None:
        if found.literal is None or self._allowed.names(found.host, found.port):
            return
        if reason := self._allowed.objection(found.literal):
            raise refusal(found.host, found.port, reason)

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver, limit_per_host=self._per_host, ssl=self._tls, keepalive_timeout=_IDLE
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect),
                headers={"User-Agent": "Lodge"},
                trust_env=False,
            )
        return self._session

    async def _system_lookup(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(address[0]) for *_, address in found]


def _checked(headers: Mapping[str, str] | Sequence[tuple[str, str]]) -> CIMultiDict[str]:
    """Refuse what would end the header early or change the message's frame. Values are secrets: never shown."""
    found = CIMultiDict(headers)
    for name, value in found.items():
        if name.lower() in _FRAMING:
            raise Refused(f"The header {name} is ours to write: leave it out.")
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise Refused("A header's name holds other than letters, digits, hyphens: correct it.")
        if any(character in value for character in "\r\n\0"):
            raise Refused(f"The value of the header {name} holds a line break: take it out.")
    return found


async def _body(response: aiohttp.ClientResponse, found: Place, limit: int, beyond: Literal["fail", "cut"]) -> bytes:
    kept = bytearray()
    if beyond == "cut":
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(_COURTESY):
                while len(kept) < limit and (part := await response.content.read(limit - len(kept))):
                    kept += part
        return bytes(kept)
    async for part in response.content.iter_any():
        kept += part
        if len(kept) > limit:
            raise Failed(f"{found} answered with more than {limit:,} bytes, which is the most that is read.")
    return bytes(kept)


@contextmanager
def _failures(found: Place, connect: float) -> Iterator[None]:
    """Say in a sentence what aiohttp raises; its own texts name the addresses behind a host."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise Failed(f"{found} could not be reached within {connect:g} s.") from None
    except aiohttp.ClientConnectorCertificateError as cause:
        why = getattr(cause.certificate_error, "verify_message", "") or "it does not fit the host"
        raise Failed(f"{found} has a certificate that is not accepted: {why}.") from cause
    except aiohttp.ClientConnectorSSLError as cause:
        raise Failed(f"{found} does not speak TLS as it should.") from cause
    except aiohttp.ClientConnectorError as cause:
        why = os.strerror(cause.os_error.errno).lower() if cause.os_error.errno else "no connection"
        raise Failed(f"{found} could not be reached: {why}.") from cause
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as cause:
        raise Failed(f"{found} closed the connection before it answered.") from cause
    except aiohttp.ClientPayloadError as cause:
        raise Failed(f"{found} broke off its answer, or compressed it wrongly.") from cause
    except aiohttp.ClientError as cause:
        raise Failed(f"{found} answered with what is not HTTP.") from cause
