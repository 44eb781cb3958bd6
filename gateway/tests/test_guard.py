"""Raw requests: what the parser lets through is refused as a problem, and no service sees it."""

import json

import pytest

from gateway.testing import Lodge

pytestmark = pytest.mark.anyio


def request(line: str = "GET /enquiry/v1/x HTTP/1.1", *headers: str, body: str = "") -> bytes:
    return ("\r\n".join([line, *headers]) + "\r\n\r\n" + body).encode("latin-1")


def path(raw: str) -> bytes:
    return request(f"GET {raw} HTTP/1.1", "Host: lodge.example")


REFUSED = {
    "no Host": request(),
    "two Hosts": request("GET /healthz HTTP/1.1", "Host: a.example", "Host: b.example"),
    "a Host with a path": request("GET /healthz HTTP/1.1", "Host: a.example/x"),
    "a Host with a user": request("GET /healthz HTTP/1.1", "Host: a@b.example"),
    "an empty Host": request("GET /healthz HTTP/1.1", "Host:"),
    "dot segments": path("/access/../enquiry/v1/x"),
    "escaped dot segments": path("/access/%2e%2e/enquiry/v1/x"),
    "half escaped dot segments": path("/access/.%2E/enquiry"),
    "a single dot": path("/enquiry/./x"),
    "a dot at the end": path("/enquiry/v1/.."),
    "dots between escaped slashes": path("/enquiry/v1/a%2f..%2f..%2finternal"),
    "dots between backslashes": path("/enquiry/v1/a\\..\\x"),
    "an escaped backslash": path("/enquiry/v1/%5c..%5cx"),
    "dots out of a public path": path("/release/v1/hooks/%2e%2e/releases"),
    "two slashes": path("/enquiry//v1/x"),
    "two slashes first": path("//enquiry/v1/x"),
    "NUL": path("/enquiry/v1/x%00"),
    "NUL in the query": path("/enquiry/v1/x?q=%00"),
    "a line break": path("/enquiry/v1/x%0d%0aX-Lodge-Caller:1"),
    "half an escape": path("/enquiry/v1/%2"),
    "a raw NUL": path("/enquiry/v1/x\0"),
    "raw bytes": path("/enquiry/v1/\xe9"),
    "an endless target": path("/enquiry/v1/x?" + "a" * 9000),
    "an endless path": path("/enquiry/v1/" + "a" * 9000),
    "another host in the target": request("GET http://evil.example/healthz HTTP/1.1", "Host: a.example"),
    "another port in the target": request("GET http://a.example:81/healthz HTTP/1.1", "Host: a.example"),
    "another scheme in the target": request("GET ftp://a.example/healthz HTTP/1.1", "Host: a.example"),
    "no path at all": request("GET * HTTP/1.1", "Host: a.example"),
    "CONNECT": request("CONNECT a.example:80 HTTP/1.1", "Host: a.example:80"),
    "TRACE": request("TRACE /enquiry/v1/x HTTP/1.1", "Host: a.example"),
    "chunks in HTTP/1.0": request(
        "POST /enquiry/v1/x HTTP/1.0", "Host: a", "Transfer-Encoding: chunked", body="0\r\n\r\n"
    ),
    "chunks and a length": request(
        "POST /enquiry/v1/x HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Content-Length: 3", body="0\r\n\r\n"
    ),
    "another coding": request(
        "POST /enquiry/v1/x HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked", body="0\r\n\r\n"
    ),
    "codings twice": request(
        "POST /enquiry/v1/x HTTP/1.1", "Host: a", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked",
        body="0\r\n\r\n",
    ),
    "two lengths": request(
        "POST /enquiry/v1/x HTTP/1.1", "Host: a", "Content-Length: 1", "Content-Length: 2", body="ab"
    ),
    "a length with a sign": request("POST /enquiry/v1/x HTTP/1.1", "Host: a", "Content-Length: +1", body="a"),
    "two credentials": request("GET /enquiry/v1/x HTTP/1.1", "Host: a", "Authorization: a", "Authorization: b"),
    "a folded header": request("GET /healthz HTTP/1.1", "Host: a", "X-A: b", " c"),
    "a space before the colon": request("GET /healthz HTTP/1.1", "Host: a", "Content-Length : 0"),
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused_as_a_problem_and_goes_no_further(lodge: Lodge, name: str) -> None:
    sent = REFUSED[name].replace(b"\r\n", f"\r\nAuthorization: Bearer {lodge.key}\r\n".encode(), 1)
    head, _, body = (await lodge.raw(sent)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), head
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad-request"
    assert not lodge.service.seen
    assert not lodge.access.seen


TAKEN = {
    "an absolute target that agrees": request("GET http://A.example/healthz HTTP/1.1", "Host: a.example:80"),
    "an IPv6 host": request("GET /healthz HTTP/1.1", "Host: [::1]:8000"),
    "HTTP/1.0": request("GET /healthz HTTP/1.0", "Host: a.example"),
    "dots in names": path("/.well-known/jwks.json"),
}


@pytest.mark.parametrize("name", TAKEN)
async def test_it_is_taken(lodge: Lodge, name: str) -> None:
    assert (await lodge.raw(TAKEN[name])).startswith(b"HTTP/1.1 200 ")
