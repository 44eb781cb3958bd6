"""The offer of demonstration data to a new home, and what follows from it."""

from datetime import UTC, datetime

from lodge_local import ports
from lodge_local.home import Home
from lodge_local.offer import Offer
from lodge_local.suite import ENQUIRY, Suite

PORT = 9000


def test_it_is_made_once_and_stands_whatever_is_asked_later(home: Home) -> None:
    assert Offer.read(home) is None
    made = Offer.made(home, is_taken=True, port=PORT)
    assert Offer.made(home, is_taken=False, port=PORT) == made
    assert made.day == datetime.now(UTC).date()
    assert not made.is_settled(PORT)


def test_one_that_was_left_out_stays_out(home: Home) -> None:
    Offer.made(home, is_taken=False, port=PORT)
    assert Offer.made(home, is_taken=True, port=PORT).is_settled(PORT)
    assert not Suite(home, PORT, {}).demonstrates


def test_it_is_settled_for_the_port_that_it_was_told_of(home: Home) -> None:
    Offer.made(home, is_taken=True, port=PORT).settle(home, PORT)
    settled = Offer.read(home)
    assert settled is not None
    assert settled.is_settled(PORT)
    assert not settled.is_settled(PORT + 100)


def test_with_it_the_suite_may_call_what_is_its_own_on_this_machine(home: Home) -> None:
    Offer.made(home, is_taken=True, port=PORT)
    told = Suite(home, PORT, {}).migrate(ENQUIRY).environment or {}
    assert told["LODGE_OUTBOUND_ALLOW"] == "127.0.0.1:9010,127.0.0.1:9011,127.0.0.1:9012"
    assert told["LODGE_ENQUIRY_SOURCE_HOSTS"] == "127.0.0.1:9005"
    assert Suite(home, PORT, {}).ports()["the demonstration's issuer"] == PORT + ports.ISSUER


def test_left_aside_by_lodge_demo_0_nothing_of_it_is_on(home: Home) -> None:
    Offer.made(home, is_taken=True, port=PORT).settle(home, PORT)
    aside = Suite(home, PORT, {"LODGE_DEMO": "0"})
    assert not aside.demonstrates
    assert "LODGE_OUTBOUND_ALLOW" not in (aside.migrate(ENQUIRY).environment or {})
    assert PORT + ports.ISSUER not in aside.ports().values()
