"""Sealed secrets open again, with old keys too, and with no others."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from lodge_kit.sealing import NotOpened, Sealer

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


@given(st.text())
def test_what_was_sealed_opens_to_the_same_text(text: str) -> None:
    sealer = Sealer(NEW)
    assert sealer.open(sealer.seal(text)) == text


def test_a_token_does_not_show_the_text_and_is_never_the_same() -> None:
    sealer = Sealer(NEW)
    first, second = sealer.seal("whsec_abc"), sealer.seal("whsec_abc")
    assert first != second
    assert "whsec_abc" not in first
    assert first.isascii()


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    sealed = Sealer(OLD).seal("secret")
    both = Sealer(f"{NEW}, {OLD},\n")
    assert both.open(sealed) == "secret"
    assert Sealer(NEW).open(both.seal("secret")) == "secret"


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "gAAAA", "é", Sealer(OTHER).seal("secret"), Sealer(NEW).seal("x")[:-2]],
    ids=["empty", "no-token", "begun", "no-ascii", "another-key", "cut-short"],  # each worker makes keys of its own
)
def test_a_token_that_no_key_opens_says_what_to_do(token: str) -> None:
    with pytest.raises(NotOpened, match=r"LODGE_SEALING_KEYS.*put the key") as failed:
        Sealer(f"{NEW},{OLD}").open(token)
    assert NEW not in str(failed.value)


@pytest.mark.parametrize(
    "keys", ["", " , ", "short", f"{NEW},short", f"{NEW},é"], ids=["empty", "commas", "short", "one-short", "no-ascii"]
)
def test_keys_that_are_none_stop_the_start_without_being_shown(keys: str) -> None:
    with pytest.raises(ValueError, match=r"Fernet\.generate_key") as failed:
        Sealer(keys)
    assert "short" not in str(failed.value)
