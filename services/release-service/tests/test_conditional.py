"""Asking only for what has changed."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from release_service.conditional import Changed, Remembered, Unchanged, request_headers, understood
from release_service.rules import Failure

NOW = datetime(2026, 4, 14, 10, tzinfo=UTC)
BODY = b"<rss/>"
HASH = hashlib.sha256(BODY).hexdigest()


def test_the_first_request_is_unconditional() -> None:
    assert request_headers(Remembered()) == {}
    assert request_headers(Remembered(etag='"a"')) == {}


def test_validators_are_sent_back_as_they_came() -> None:
    remembered = Remembered('W/"a"', "Tue, 14 Apr 2026 10:00:00 GMT", HASH)
    assert request_headers(remembered) == {
        "If-None-Match": 'W/"a"',
        "If-Modified-Since": "Tue, 14 Apr 2026 10:00:00 GMT",
    }


def test_a_new_body_is_changed_and_remembered() -> None:
    headers = {"ETag": '"b"', "Content-Type": "application/rss+xml"}
    assert understood(Remembered(), 200, headers, BODY, now=NOW) == Changed(
        BODY, "application/rss+xml", Remembered('"b"', None, HASH)
    )


def test_the_same_body_is_unchanged_though_the_server_forgot_its_etag() -> None:
    remembered = Remembered('"a"', None, HASH)
    assert understood(remembered, 200, {"etag": '"b"'}, BODY, now=NOW) == Unchanged(Remembered('"b"', None, HASH))


def test_not_modified_is_unchanged_and_may_bring_a_new_etag() -> None:
    remembered = Remembered('"a"', "Mon", HASH)
    assert understood(remembered, 304, {}, b"", now=NOW) == Unchanged(remembered)
    assert understood(remembered, 304, {"ETag": '"c"'}, b"", now=NOW) == Unchanged(Remembered('"c"', "Mon", HASH))


@pytest.mark.parametrize("etag", ["a\r\nX-Evil: 1", "é", '"' + "a" * 1_000 + '"', ""])
def test_a_validator_that_cannot_be_sent_back_is_forgotten(etag: str) -> None:
    changed = understood(Remembered(), 200, {"ETag": etag}, BODY, now=NOW)
    assert isinstance(changed, Changed)
    assert changed.remembered.etag is None


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (304, {}, b"", "of no use (status 304)"),
        (200, {}, b" ", "empty"),
        (206, {}, BODY, "(status 206)"),
        (301, {"Location": "https://new.example/feed"}, b"", "has moved to https://new.example/feed"),
        (302, {}, b"", "has moved (status 302)"),
        (401, {}, b"", "login"),
        (403, {}, b"", "refuses"),
        (404, {}, b"", "nothing"),
        (410, {}, b"", "for good"),
        (418, {}, b"", "(status 418)"),
        (500, {}, b"", "fault"),
    ],
)
def test_any_other_answer_fails_with_a_reason(status: int, headers: dict[str, str], body: bytes, words: str) -> None:
    failure = understood(Remembered(), status, headers, body, now=NOW)
    assert isinstance(failure, Failure)
    assert words in failure.reason


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_us_to_wait_is_heard(status: int) -> None:
    failure = understood(Remembered(), status, {"Retry-After": "120"}, b"", now=NOW)
    assert isinstance(failure, Failure)
    assert failure.retry_after == timedelta(minutes=2)
    assert "wait 120 s" in failure.reason
