"""Which headers cross the gate, and what is put in the place of those that do not. Pure; names in lower case.

Names of ours are ours in their `_` form too, as some servers read `X_Lodge_User` as `X-Lodge-User`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

Headers = Sequence[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
})  # fmt: skip
# Expect is settled between the caller and us; cookies are not the services' business, and may be credentials.
_DROPPED = _HOP_BY_HOP | {b"expect", b"cookie", b"forwarded", b"x-real-ip"}
_READ = frozenset({
    b"host", b"authorization", b"content-length", b"transfer-encoding", b"connection", b"x-request-id",
    b"traceparent", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host",
})  # fmt: skip
_RESERVED = (b"x-lodge-", b"x-forwarded-", b"x-original-", b"x-rewrite-")
# From a service: framing and date are uvicorn's to write, the request id is ours.
_NOT_ANSWERED = _HOP_BY_HOP | {b"date", b"server", b"x-request-id"}

_KEEP, _DROP, _TAKE = 0, 1, 2


@lru_cache(4096)
def _fate(name: bytes) -> int:
    if name in _READ:
        return _TAKE
    plain = name.replace(b"_", b"-")
    ours = plain in _DROPPED or plain.startswith(_RESERVED)
    return _DROP if ours or (plain != name and plain in _READ) else _KEEP


@dataclass(slots=True)
class Received:
    """A request's headers: those that are kept, and by name those that we read ourselves."""

    kept: list[tuple[bytes, bytes]]
    taken: dict[bytes, bytes]
    repeated: frozenset[bytes] | set[bytes] = field(default=frozenset())

    @property
    def has_body(self) -> bool:
        """Say whether a body follows (RFC 9112, section 6)."""
        return b"transfer-encoding" in self.taken or self.taken.get(b"content-length", b"0") != b"0"

    def text(self, name: bytes) -> str | None:
        """Answer a header that we read ourselves."""
        value = self.taken.get(name)
        return None if value is None else value.decode("latin-1")


def read(headers: Iterable[tuple[bytes, bytes]]) -> Received:
    """Divide a request's headers: what `Connection` names is removed with the hop-by-hop ones (RFC 9110, 7.6.1)."""
    received = Received([], {})
    for header in headers:
        name = header[0]
        fate = _fate(name)
        if fate == _KEEP:
            received.kept.append(header)
        elif fate == _TAKE:
            if name in received.taken:
                received.repeated = {*received.repeated, name}
            received.taken[name] = header[1]
    connection = received.taken.get(b"connection")
    if connection is not None:
        named = {token.strip().lower() for token in connection.split(b",")}
        received.kept = [header for header in received.kept if header[0] not in named]
    return received


@dataclass(frozen=True, slots=True)
class Hop:
    """What we tell a service of the caller's side."""

    address: str
    proto: str
    host: str

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Answer the rebuilt `X-Forwarded-*`."""
        return [
            (b"x-forwarded-for", self.address.encode()),
            (b"x-forwarded-proto", self.proto.encode()),
            (b"x-forwarded-host", self.host.encode("latin-1")),
        ]


def hop(received: Received, peer: str, scheme: str, trusted: Sequence[IPv4Network | IPv6Network]) -> Hop:
    """Say who called, and by what name: as the connection shows, or as a trusted proxy before us says."""
    host = received.text(b"host") or ""
    if not trusted or not _within(peer, trusted):
        return Hop(peer, scheme, host)
    chain = [part.strip() for part in (received.text(b"x-forwarded-for") or "").split(",") if part.strip()]
    proto = received.text(b"x-forwarded-proto")
    caller = next((address for address in reversed(chain) if not _within(address, trusted)), peer)
    return Hop(
        caller,
        proto if proto in {"http", "https"} else scheme,
        received.text(b"x-forwarded-host") or host,
    )


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)


def answered(headers: Iterable[tuple[bytes, bytes]], *, bodiless: bool) -> list[tuple[bytes, bytes]]:
    """Choose the headers of a service's answer that reach the caller.

    `bodiless`: 204 and 304 have no body, so that their length, which 304 may tell, is left out.
    """
    named: set[bytes] = set()
    kept = []
    for name, value in headers:
        lower = name.lower()
        if lower == b"connection":
            named.update(token.strip().lower() for token in value.split(b","))
        elif lower not in _NOT_ANSWERED and not (bodiless and lower == b"content-length"):
            kept.append((lower, value))
    return [header for header in kept if header[0] not in named] if named else kept
