"""What an operator may write, and the sentence for what cannot be read."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey

from gateway.settings import Config, GatewaySettings
from gateway.signing import Signer, read_keys
from lodge_kit.clock import system_clock


def private(key: OKPKey) -> dict[str, Any]:
    return dict(key.as_dict(private=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("public = ['docs']", "write a path"),
        ("public = ['/a*']", "write a path"),
        ("[[routes]]\nprefix = '/x'\nservice = 'x'", "has no address"),
        ("[[routes]]\nprefix = 'x'\nservice = 'access'", "prefix"),
        ("surprise = 1", "surprise"),
        ("= 1", "gateway.toml"),
        ("[services]\nx = 'http://127.0.0.1:1/path'", "without a path"),
        ("[[issuers]]\nissuer = 'https://i.example'\naudience = 'a'\nalgorithms = ['HS256']", "algorithms"),
        (
            """
            issuers = [
                { issuer = "https://i.example", audience = "a" },
                { issuer = "https://j.example", audience = "a", external_id_prefix = "j:" },
            ]
            """,
            "external_id_prefix",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        GatewaySettings(config=path, signing_key="{}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.toml cannot be read"):
        Config.read(tmp_path / "none.toml")


def test_keys_are_read_as_jwk_as_set_and_as_pem() -> None:
    one, two = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    assert len(read_keys(json.dumps(private(one)))) == 1
    assert len(read_keys(json.dumps({"keys": [private(one), private(two)]}))) == 2
    assert read_keys(one.as_pem(private=True).decode())[0].kid == read_keys(json.dumps(private(one)))[0].kid


def test_the_newest_key_signs_and_the_one_before_still_verifies() -> None:
    old, new = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    signer = Signer(read_keys(json.dumps({"keys": [private(new), private(old)]})), system_clock)
    token = signer.sign("per_x", "access", 2**40)
    assert jwt.decode(token, new, algorithms=["Ed25519"]).claims["sub"] == "per_x"
    published = signer.published()["keys"]
    assert [key["kid"] for key in published] == [new.thumbprint(), old.thumbprint()]
    assert not any("d" in key for key in published)


BAD_KEYS = [
    "",
    "x",
    "[]",
    "{}",
    json.dumps({"keys": []}),
    json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=False)),
    json.dumps(OKPKey.generate_key("X25519").as_dict(private=True)),
    json.dumps(ECKey.generate_key("P-256").as_dict(private=True)),
    ECKey.generate_key("P-256").as_pem(private=True).decode(),
]


@pytest.mark.parametrize("text", BAD_KEYS, ids=range(len(BAD_KEYS)))
def test_what_is_no_signing_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="LODGE_GATEWAY_SIGNING_KEY") as caught:
        read_keys(text)
    assert len(text) < 10 or text not in str(caught.value)


@contextmanager
def process(**environment: str) -> Iterator["subprocess.Popen[str]"]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LODGE_")}
    command = [sys.executable, "-m", "gateway", "serve"]
    with subprocess.Popen(
        command, env=clean | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as found:
        try:
            yield found
        finally:
            found.kill()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "LODGE_GATEWAY_SIGNING_KEY"),
        ({"LODGE_GATEWAY_SIGNING_KEY": "secret text"}, "is not an Ed25519 private key"),
        ({"LODGE_GATEWAY_SIGNING_KEY": "x", "LODGE_GATEWAY_CONFIG": "/nowhere.toml"}, "/nowhere.toml"),
    ],
)
def test_a_start_that_cannot_succeed_ends_with_one_sentence(environment: dict[str, str], said: str) -> None:
    with process(**environment) as found:
        _, errors = found.communicate(timeout=30)
    assert found.returncode == os.EX_CONFIG
    assert errors.startswith("Settings: ")
    assert said in errors
    assert len(errors.splitlines()) == 1
    assert "secret text" not in errors


def test_it_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    secret = tmp_path / "lodge_gateway_signing_key"
    secret.write_text(json.dumps(private(OKPKey.generate_key("Ed25519"))))
    port = 20_000 + 5 * (os.getpid() % 2_000)
    with process(LODGE_SECRETS_DIR=str(tmp_path), LODGE_PORT=str(port), LODGE_ACCESS_URL="http://127.0.0.1:1") as found:
        status = 0
        for _ in range(200):
            time.sleep(0.05)
            try:
                with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
                    status = answer.status
                break
            except (URLError, ConnectionError):
                assert found.poll() is None
        with urlopen(f"http://127.0.0.1:{port + 4}/metrics", timeout=1) as answer:
            assert b"lodge_gateway_requests_total" in answer.read()
        found.send_signal(signal.SIGTERM)
        output, _ = found.communicate(timeout=30)
    assert (status, found.returncode) == (200, 0)
    assert all(json.loads(line) for line in output.splitlines())
