"""The loopback issuer of the demonstration: five people, tokens by the code flow, and what the gateway is told."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jws

from gateway.settings import Config
from lodge_local import issuer, ports
from lodge_local.demonstration.log_ins import LOG_INS, LogIn
from lodge_local.failures import Failed
from lodge_local.readiness import Question

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Answer the LODGE_PORT of an issuer that runs."""
    port = ports.free() - ports.ISSUER
    wanted = issuer.process(port, dict(os.environ), tmp_path_factory.mktemp("issuer") / "log")
    assert wanted.log is not None
    assert wanted.is_ready is not None
    with wanted.log.open("wb") as log:
        child = subprocess.Popen(wanted.command, env=wanted.environment, stdout=log, stderr=log)
    try:
        asyncio.run(_until_ready(wanted.is_ready, child))
        yield port
    finally:
        child.terminate()
        child.wait(20)


async def _until_ready(is_ready: Question, child: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(60):
        while not await is_ready():
            assert child.poll() is None
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("one", LOG_INS, ids=lambda one: one.user_name)
async def test_each_of_the_five_gets_a_token_that_is_for_lodge(running: int, one: LogIn) -> None:
    token = await issuer.token(one.user_name, port=running)
    parts = jws.extract_compact(token.encode())
    assert parts.headers()["alg"] == "RS256"
    claims = json.loads(parts.payload)
    assert (claims["iss"], claims["aud"]) == (issuer.address(running), [issuer.AUDIENCE])
    assert claims["sub"] == one.external_id


async def test_anybody_else_is_told_who_there_is(running: int) -> None:
    with pytest.raises(Failed, match="name one of requester, manager, system-owner, support-officer, auditor"):
        await issuer.token("nobody", port=running)


async def test_where_no_issuer_runs_one_is_told_to_start_it() -> None:
    with pytest.raises(Failed, match="start the suite with `make run`"):
        await issuer.token("auditor", port=ports.free() - ports.ISSUER)


def test_the_gateway_takes_what_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    for port in (8000, 9000):  # at another port it is told anew
        issuer.write_routes(file, port)
        (told,) = Config.read(file).issuers
        assert (told.issuer, told.audience) == (f"http://127.0.0.1:{port + 12}", "lodge")


def test_a_file_that_a_person_wrote_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("[limits]\nread = 10\n")
    issuer.write_routes(file, 8000)
    assert file.read_text() == "[limits]\nread = 10\n"
