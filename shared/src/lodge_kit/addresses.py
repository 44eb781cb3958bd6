"""Which addresses an outbound call may dial: pure rules, refusing all that is not plainly the public internet.

The tables are IANA's registries of special-purpose addresses, written out here: those of Python's `ipaddress`
differ between patch releases of 3.11.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from yarl import URL

from lodge_kit.settings import Network

Address = IPv4Address | IPv6Address

ALLOW_SETTING = "LODGE_OUTBOUND_ALLOW"

# The first match gives the reason, so narrow ranges stand before the wide ones that hold them.
_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), reason)
    for text, reason in (
        ("0.0.0.0/8", "an address of this host (0.0.0.0/8)"),
        ("10.0.0.0/8", "a private address (10.0.0.0/8)"),
        ("100.64.0.0/10", "a carrier's shared address (100.64.0.0/10)"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud's platform address"),
        ("169.254.169.254/32", "a cloud's metadata address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address (172.16.0.0/12)"),
        ("192.0.0.0/24", "an address reserved for protocols"),
        ("192.0.2.0/24", "an address for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private address (192.168.0.0/16)"),
        ("198.18.0.0/15", "an address for benchmarks"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "the unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4 address inside IPv6"),
        ("::ffff:0:0/96", "an IPv4 address inside IPv6"),
        ("::ffff:0:0:0/96", "an IPv4 address inside IPv6"),
        ("64:ff9b::/96", "an IPv4 address inside IPv6 (NAT64)"),
        ("64:ff9b:1::/48", "an IPv4 address inside IPv6 (NAT64)"),
        ("2001::/32", "an IPv4 address inside IPv6 (Teredo)"),
        ("2001::/23", "an address reserved for protocols"),
        ("2001:db8::/32", "an address for documentation"),
        ("2002::/16", "an IPv4 address inside IPv6 (6to4)"),
        ("3fff::/20", "an address for documentation"),
        ("fd00:ec2::254/128", "a cloud's metadata address"),
        ("fc00::/7", "a unique-local address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out for use on the internet (RFC 4291, section 2.4)

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_USER = re.compile(r"[^/?#]*//[^/?#]*@")  # looked for in the text, since yarl drops an empty one
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\\]")


class Refused(Exception):  # noqa: N818 - a refusal is what it is
    """The place may not be called. The text is a sentence for whoever named it: host, reason, next step."""


def forbidden(address: Address) -> str | None:
    """Answer why `address` is not dialled ("a loopback address"), or None where it is on the public internet."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address with a zone"
    for network, reason in _SPECIAL:
        if address in network:
            return reason
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return "a reserved address"
    return None


@dataclass(frozen=True)
class Place:
    """Where a URL leads: `literal` is the address that its host spells out, None where the host is a name."""

    url: URL
    host: str
    port: int
    literal: Address | None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454)."""
        return (self.url.scheme, self.host, self.port)


def place(url: str) -> Place:
    """Read `url`; raise Refused unless it is plain http or https, with a host that can be read in one way only."""
    if _UNPRINTABLE.search(url):
        raise Refused("The URL holds a space, a backslash or a control character: write it percent-encoded.")
    try:
        parsed = URL(url)
        port = parsed.port
    except ValueError:
        raise Refused("The URL cannot be read: write it as https://host/path.") from None
    if parsed.scheme not in {"http", "https"}:
        raise Refused(f"{parsed.scheme or 'A URL with no scheme'} is not called: only http and https are.")
    if not parsed.raw_host or not port:
        raise Refused("The URL names no host that can be called: write it as https://host/path.")
    if _USER.match(url):
        raise Refused(f"{parsed.raw_host} is not called with a user or password in the URL: take them out.")
    return Place(parsed, parsed.raw_host, port, _literal(parsed.raw_host))


def _literal(host: str) -> Address | None:
    """Answer the address that `host` spells out, None where it is a name.

    A last label that is a number makes an IPv4 address of the whole, as in WHATWG's URL standard; of the many forms
    that `inet_aton` reads, only four decimal numbers are taken.
    """
    if ":" not in host and not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        if not _NAME.fullmatch(host) or len(host) > 253:  # noqa: PLR2004 - RFC 1035, section 2.3.4
            raise Refused(f"{host[:253]} is not a host name: only letters, digits, hyphens and dots make one.")
        return None
    try:
        address = ip_address(host)
    except ValueError:
        raise Refused(f"{host} is not called: write the address plainly, as 203.0.113.7 or [2001:db8::7].") from None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise Refused(f"{host} is not called: an address with a zone leads to a neighbour of this host only.")
    return address


@dataclass(frozen=True)
class Allowed:
    """What an operator lets outbound calls reach although `forbidden` objects to it."""

    places: frozenset[tuple[str, int]]
    networks: tuple[Network, ...]

    @classmethod
    def read(cls, entries: Sequence[str]) -> Self:
        """Read the entries of LODGE_OUTBOUND_ALLOW, `host:port` as URLs have it or a CIDR range."""
        ranges = [ip_network(entry) for entry in entries if "/" in entry]
        pairs = [_pair(entry) for entry in entries if "/" not in entry]
        return cls(frozenset(pairs), tuple(ranges))

    def names(self, host: str, port: int) -> bool:
        """Answer whether the place is allowed by name, whatever it resolves to."""
        return (host, port) in self.places

    def objection(self, address: Address) -> str | None:
        """Answer why `address` is not dialled, the allowed ranges considered."""
        reason = forbidden(address)
        return None if reason is None or any(address in network for network in self.networks) else reason


def _pair(entry: str) -> tuple[str, int]:
    try:
        found = place(f"http://{entry}")
    except Refused as cause:
        raise ValueError(f"{ALLOW_SETTING}: {entry} is neither host:port nor a range such as 10.2.0.0/16.") from cause
    if found.url.explicit_port is None:
        raise ValueError(f"{ALLOW_SETTING}: {entry} names no port: write {entry}:443.")
    return found.host, found.port


def refusal(host: str, port: int, reason: str) -> Refused:
    """Answer the refusal of a place by the rule, with the operator's way out of it."""
    shown = f"[{host}]" if ":" in host else host
    return Refused(
        f"{shown} is not called: it is {reason}. If it is meant, let an operator add {shown}:{port} or its range "
        f"to {ALLOW_SETTING}."
    )
