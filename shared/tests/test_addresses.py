"""The rule of what may be dialled, and the one way to read a URL."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodge_kit.addresses import Allowed, Refused, forbidden, place, refusal

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "2a00::1",
]
INTERNAL = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",  # noqa: S104 - nothing binds here
    "168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1",
    "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
    "fdff::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1", "2606:4700::1111%eth0",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_the_public_internet_may_be_dialled(text: str) -> None:
    assert forbidden(ip_address(text)) is None


@pytest.mark.parametrize("text", INTERNAL)
def test_every_other_address_is_forbidden_with_a_reason(text: str) -> None:
    assert forbidden(ip_address(text))


@pytest.mark.parametrize("text", ["169.254.169.254", "fd00:ec2::254"])
def test_the_reason_names_what_is_most_particular(text: str) -> None:
    assert forbidden(ip_address(text)) == "a cloud's metadata address"


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_what_python_itself_calls_private_is_never_dialled(address: IPv4Address | IPv6Address) -> None:
    inside = address.is_private or address.is_multicast or address.is_reserved or address.is_link_local
    assert forbidden(address) or not inside


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_cannot_hide_inside_ipv6(address: IPv4Address) -> None:
    number = int(address)
    for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::"):
        assert forbidden(IPv6Address(int(IPv6Address(prefix)) | number))
    assert forbidden(IPv6Address(0x2002 << 112 | number << 80 | 1))
    assert forbidden(IPv6Address(0x20010000 << 96 | number << 64 | number ^ 0xFFFFFFFF))


@given(st.ip_addresses(), st.data())
def test_a_range_allows_exactly_the_addresses_in_it(address: IPv4Address | IPv6Address, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, address.max_prefixlen))
    other = data.draw(st.ip_addresses(v=address.version))
    network = ip_network((int(address) >> (address.max_prefixlen - length) << (address.max_prefixlen - length), length))
    if network.version != address.version:  # a small number with a short prefix reads as IPv4
        return
    allowed = Allowed.read([str(network)])
    assert allowed.objection(address) is None
    assert (allowed.objection(other) is None) == (other in network or forbidden(other) is None)


@given(st.ip_addresses(v=4))
def test_an_address_has_one_spelling_only(address: IPv4Address) -> None:
    number, octets = int(address), address.packed
    others = [
        str(number), hex(number), f"0{number:o}", f"{octets[0]}.{number & 0xFFFFFF}",
        ".".join(f"0x{octet:x}" for octet in octets), ".".join(f"0{octet:o}" for octet in octets), f"{address}.",
    ]  # fmt: skip
    for text in others:
        with pytest.raises(Refused, match="plainly"):
            place(f"http://{text}/")
    assert place(f"http://{address}/").literal == address


@pytest.mark.parametrize(
    "url", ["http://①②⑦.0.0.1/", "http://127。0。0。1/", "http://\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1/"]
)
def test_digits_of_other_alphabets_are_read_as_the_client_reads_them(url: str) -> None:
    assert place(url).literal == ip_address("127.0.0.1")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://a.example/", "ftp"), ("file:///etc/passwd", "file"), ("gopher://a.example/", "gopher"),
        ("a.example/path", "scheme"), ("//a.example/", "scheme"), ("http:///x", "host"),
        ("http://a.example:0/", "host"),
        ("http://a.example:99999/", "read"), ("http://a.example:x/", "read"), ("http://[::1]x/", "read"),
        ("http://user@a.example/", "password"), ("http://:p@a.example/", "password"),
        ("http://@a.example/", "password"),
        ("http://a.example\\@b.example/", "backslash"), ("http://a.example\n.b.example/", "control"),
        ("http://a.example/ b", "space"), (" http://a.example/", "space"), ("http://a%2eexample/", "host name"),
        ("http://127%2e0.0.1/", "plainly"), ("http://a..example/", "host name"),
        ("http://[fe80::1%25eth0]/", r"plainly|zone"),
        ("http://[fe80::1%eth0]/", "zone"), ("http://0x/", "plainly"), ("http://1.2.3.4.5/", "plainly"),
        ("http://a.example.1/", "plainly"), ("http://" + "a." * 130 + "example/", "host name"),
    ],
)  # fmt: skip
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str, word: str) -> None:
    with pytest.raises(Refused, match=word):
        place(url)


def test_a_refusal_never_repeats_a_password() -> None:
    with pytest.raises(Refused) as refused:
        place("https://user:hunter2@a.example/")
    assert "hunter2" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_either_a_place_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://a.example/{text}"):
        try:
            found = place(url)
        except Refused:
            continue
        assert found.url.scheme in {"http", "https"}
        assert found.host
        assert found.url.user is None


def test_what_an_operator_allows_by_name_is_exact() -> None:
    allowed = Allowed.read(("Localhost:8010", "[::1]:8010", "10.2.0.0/16"))
    assert allowed.names("localhost", 8010)
    assert allowed.names(place("http://[0:0::1]:8010/").host, 8010)
    assert not allowed.names("localhost", 8011)
    assert not allowed.names("127.0.0.1", 8010)
    assert not allowed.names("sub.localhost", 8010)
    assert Allowed.read(("campus.example:80",)).names(place("http://campus.example/").host, 80)


@pytest.mark.parametrize("entry", ["localhost", "local host:80", "a.example/x", "10.2.0.1/16", "user@a.example:80", ""])
def test_what_cannot_be_allowed_is_said_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Allowed.read((entry,))


def test_a_refusal_says_what_an_operator_can_do() -> None:
    assert str(refusal("::1", 80, "a loopback address")) == (
        "[::1] is not called: it is a loopback address. If it is meant, let an operator add [::1]:80 or its range to "
        "LODGE_OUTBOUND_ALLOW."
    )
