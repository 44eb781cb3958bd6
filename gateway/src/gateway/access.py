"""access-service as the gateway's peer: asks who a credential belongs to, and follows what changes.

Called directly, with the gateway's own token; a key is named by its SHA-256 and never sent.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import aiohttp

from gateway.issuers import PersonUnknown
from gateway.signing import Signer
from gateway.upstream import UpstreamAway
from lodge_kit import context, logs
from lodge_kit.problems import Forbidden, NotAuthenticated

Question = Mapping[str, str | None]
"""`{"key_sha256": …}` or `{"issuer": …, "external_id": …, "client_id": …}`."""

_ANSWERING = aiohttp.ClientTimeout(total=3.0, sock_connect=1.0)
_FOLLOWING = aiohttp.ClientTimeout(total=None, sock_connect=1.0, sock_read=5.0)  # it pings about each second
_log = logs.logger("gateway.access")


class KeyUnknown(NotAuthenticated):
    """The API key is unknown, revoked or expired."""

    code = "key-unknown"


class CallerInactive(Forbidden):
    """The person or service account may not sign in any more."""

    code = "caller-inactive"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A caller as access-service knows it; `permissions` by audience, then by name."""

    id: str
    name: str
    client_id: str | None
    actor: str | None
    permissions: Mapping[str, Mapping[str, Literal["*"] | Sequence[str]]]


class AccessService:
    """The client. Made within the running loop; to be closed."""

    def __init__(self, url: str, signer: Signer) -> None:
        self._url = url
        self._signer = signer
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, keepalive_timeout=4.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_ANSWERING,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def _headers(self) -> dict[str, str]:
        cause = context.current()
        return {
            "Authorization": f"Bearer {self._signer.own('access')}",
            "X-Request-Id": cause.request_id,
            "traceparent": cause.traceparent,
        }

    async def resolve(self, question: Question) -> Resolved:
        """Answer whom the credential belongs to.

        Raises `KeyUnknown`, `PersonUnknown`, `CallerInactive`; `UpstreamAway` when there is no usable answer.
        """
        url = f"{self._url}/internal/v1/callers/resolve"
        try:
            async with self._session.post(url, json=question, headers=self._headers(), allow_redirects=False) as answer:
                status, document = answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UpstreamAway("access-service") from error
        try:
            return _resolved(document) if status == HTTPStatus.OK else _refused(status, document)
        except (KeyError, TypeError, AttributeError) as error:
            raise UpstreamAway("access-service") from error

    async def answers(self) -> bool:
        """Say whether access-service is there."""
        try:
            async with self._session.get(f"{self._url}/healthz", allow_redirects=False) as answer:
                return answer.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def changes(self) -> AsyncGenerator[Literal["*"] | list[str], None]:
        """Follow the stream of changes: ids of callers and clients whose entries are to be dropped, `*` for all.

        Ends when the stream does; raises OSError, aiohttp.ClientError or TimeoutError when it breaks. A first empty
        list says that it is open.
        """
        url = f"{self._url}/internal/v1/changes"
        async with self._session.get(
            url, headers=self._headers(), timeout=_FOLLOWING, allow_redirects=False, read_bufsize=1 << 20
        ) as answer:
            answer.raise_for_status()
            yield []
            async for line in answer.content:
                yield _dropped(line)


def _dropped(line: bytes) -> Literal["*"] | list[str]:
    try:
        message = json.loads(line)
        drop = message.get("drop", [])
        return "*" if drop == "*" else [str(name) for name in drop]
    except (ValueError, AttributeError, TypeError):
        _log.warning("a line of the stream of changes cannot be read; all callers are resolved anew")
        return "*"


def _resolved(document: Mapping[str, Any]) -> Resolved:
    return Resolved(
        id=str(document["id"]),
        name=str(document["name"]),
        client_id=document.get("client_id"),
        actor=document.get("actor"),
        permissions=dict(document["permissions"]),
    )


def _refused(status: int, document: Mapping[str, Any]) -> Resolved:
    match status, document.get("code"):
        case HTTPStatus.UNAUTHORIZED, "key-unknown":
            raise KeyUnknown(
                "The API key is unknown, revoked or expired. Ask its owner for a new one.", error="invalid_token"
            )
        case HTTPStatus.FORBIDDEN, "person-unknown":
            raise PersonUnknown("Lodge does not know you. Ask an administrator to add you with this sign-in.")
        case HTTPStatus.FORBIDDEN, "caller-inactive":
            raise CallerInactive("Your account in Lodge is not active. Ask an administrator.")
    _log.error("access-service did not resolve a caller", status=status, code=document.get("code"))
    raise UpstreamAway("access-service")
