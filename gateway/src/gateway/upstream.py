"""A service as the forwarder sees it: one method, request in, status, headers and a stream out.

The client behind it can be changed; this one is aiohttp, told to leave everything as it is.
"""

from collections.abc import AsyncIterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import aiohttp
from yarl import URL

from gateway.headers import Headers
from gateway.settings import HTTP_AUTHORITY
from lodge_kit.problems import BadRequest, Problem, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT_OPEN = 4.0  # seconds: under the 5 after which uvicorn hangs up, as a POST that meets that is not repeated
_BUFFER = 1 << 18


class UpstreamAway(Unavailable):
    """The service takes no connection."""

    code = "upstream-away"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is away. Try again in a moment.")


class UpstreamBroken(Problem):
    """The service broke off, or answered with what is not HTTP."""

    status, code = HTTPStatus.BAD_GATEWAY, "upstream-broken"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} broke off before it answered. See whether your change was made before you repeat it.")


class UpstreamSlow(Problem):
    """The service did not answer in time."""

    status, code = HTTPStatus.GATEWAY_TIMEOUT, "upstream-slow"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} did not answer in time. See whether your change was made before you repeat it.",
            headers={"Retry-After": "5"},
        )


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to a service. `url` is scheme and authority, `target` the raw path and query, untouched."""

    service: str
    method: str
    url: str
    target: str
    headers: Headers
    body: AsyncIterator[bytes] | None


class Incoming(Protocol):
    """A service's answer. To be closed, however it ends."""

    status: int
    headers: Headers

    async def read(self) -> bytes:
        """Answer the next piece as it comes; empty only at the end. Raises `UpstreamBroken` or `UpstreamSlow`."""
        ...

    @property
    def ended(self) -> bool:
        """Say whether all was read."""
        ...

    def close(self) -> None:
        """Let go: the connection is kept when all was read, else closed."""
        ...


class Upstream(Protocol):
    """The one method."""

    async def send(self, request: Outgoing) -> Incoming:
        """Send and answer once the head of the answer is there, the body perhaps still being sent.

        Raises `UpstreamAway`, `UpstreamBroken`, `UpstreamSlow`.
        """
        ...


class _AiohttpIncoming:
    __slots__ = ("_answer", "_content", "_service", "headers", "status")

    def __init__(self, service: str, answer: aiohttp.ClientResponse) -> None:
        self._service = service
        self._answer = answer
        self._content = answer.content
        self.status = answer.status
        self.headers: Headers = answer.raw_headers

    async def read(self) -> bytes:
        with _failures(self._service):
            return await self._content.readany()

    @property
    def ended(self) -> bool:
        return self._content.at_eof()

    def close(self) -> None:
        self._answer.close()


class AiohttpUpstream:
    """aiohttp with everything off that a client does for its user: it forwards. Made within the running loop."""

    def __init__(self, *, connect: float, read: float) -> None:
        """Take the seconds for a connection, and of silence after which a service counts as hung."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_OPEN),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trust_env=False,
            read_bufsize=_BUFFER,
            max_line_size=65536,
            max_field_size=65536,
            max_headers=256,
        )
        self._authorities: dict[str, tuple[str, str, int | None]] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def send(self, request: Outgoing) -> Incoming:
        """Send; aiohttp itself repeats an idempotent request without a body on a connection that was just closed."""
        headers = _decoded(request.headers)
        url = self._target(request.url, request.target)
        with _failures(request.service):
            answer = await self._session.request(
                request.method, url, headers=headers, data=request.body, allow_redirects=False
            )
        return _AiohttpIncoming(request.service, answer)

    def _target(self, url: str, target: str) -> URL:
        authority = self._authorities.get(url)
        if authority is None:
            authority = self._authorities[url] = _authority(url)
        scheme, host, port = authority
        path, _, query = target.partition("?")
        return URL.build(scheme=scheme, host=host, port=port, path=path, query_string=query, encoded=True)


def _authority(url: str) -> tuple[str, str, int | None]:
    match = HTTP_AUTHORITY.fullmatch(url)
    if match is None:
        raise ValueError(f"{url}: write a service's address as http://host:port, without a path")
    return match[1].lower(), match[2].strip("[]"), int(match[3]) if match[3] else None


def _decoded(headers: Headers) -> list[tuple[str, str]]:
    """Decode as aiohttp encodes, which is UTF-8: what is not would not arrive as it was sent."""
    try:
        return [(name.decode("ascii"), value.decode("utf-8")) for name, value in headers]
    except UnicodeDecodeError:
        raise BadRequest("A header is neither ASCII nor UTF-8. Send it as one of these.") from None


@contextmanager
def _failures(service: str) -> "Iterator[None]":
    name = f"{service}-service"
    try:
        yield
    except aiohttp.ServerTimeoutError as error:
        raise UpstreamSlow(name) from error
    except aiohttp.ClientConnectorError as error:
        raise UpstreamAway(name) from error
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamBroken(name) from error
