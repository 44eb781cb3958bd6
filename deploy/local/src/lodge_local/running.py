"""`run`: the whole suite from nothing to ready, in the order that it needs, and down again."""

import asyncio
import shlex
import sys
import time
from pathlib import Path

from lodge_local import databases, issuer, ports, postgres, readiness, revisions, secret_files
from lodge_local.demonstration.log_ins import LOG_INS
from lodge_local.failures import Failed
from lodge_local.home import password
from lodge_local.log import Log
from lodge_local.offer import Offer
from lodge_local.progress import step, tell
from lodge_local.suite import ACCESS, ENQUIRY, GATEWAY, SERVICES, Deployable, Suite
from lodge_local.supervisor import Supervisor

_RECOVERY = 600
"""Seconds that PostgreSQL may take to read its journal after a kill."""
_RIGHTS = 60


async def run(suite: Suite) -> None:
    """Start everything, tell the addresses, and keep it running until SIGINT, SIGTERM or a failure (Failed)."""
    suite.home.claim()
    supervisor = Supervisor(record=Log(suite.home.log).write)
    await supervisor.oversee(_launch(suite, supervisor))
    tell("lodge: stopped")


async def _launch(suite: Suite, supervisor: Supervisor) -> None:
    began = time.monotonic()
    secret_files.make(suite.home)
    urls = suite.given_urls()
    # Into databases that the person named only when LODGE_DEMO=1 asks for it.
    asked = suite.environment.get("LODGE_DEMO") or ("1" if urls is None else "0")
    offer = Offer.made(suite.home, is_taken=asked != "0", port=suite.port)
    if urls is None:
        urls = await _private_databases(suite, supervisor)
    else:
        await asyncio.to_thread(ports.must_be_free, suite.ports())
    secret_files.write_urls(suite.home, urls)
    with step("bringing the databases up to date"):
        await asyncio.gather(*(_up_to_date(suite, supervisor, service, url) for service, url in urls.items()))
    if suite.demonstrates:
        await _demonstrate(suite, supervisor, offer)
    supervisor.start(*suite.services())
    supervisor.start(suite.gateway())
    with step("waiting for the services and the gateway"):
        await supervisor.until_ready()
    with step("waiting for the services' permissions"):
        await _rights(suite)
    opens = await asyncio.to_thread(readiness.opens, suite.address(GATEWAY), suite.home.admin_key)
    tell(_welcome(suite, time.monotonic() - began, opens=opens))


async def _rights(suite: Suite) -> None:
    try:
        await readiness.of_rights(suite.address(GATEWAY), suite.service_key(ENQUIRY), patience=_RIGHTS)
    except TimeoutError:
        raise Failed(
            f"access-service did not learn the other services' permissions within {_RIGHTS} s:"
            f" see 'access-service work' in {suite.home.log}."
        ) from None


async def _up_to_date(suite: Suite, supervisor: Supervisor, service: Deployable, url: str) -> None:
    if not await asyncio.to_thread(revisions.is_current, service.package, url):
        await supervisor.once(suite.migrate(service))
    if service is ACCESS:
        await supervisor.once(suite.bootstrap())


async def _private_databases(suite: Suite, supervisor: Supervisor) -> dict[Deployable, str]:
    cluster = postgres.Cluster(suite.home, port=suite.port + ports.POSTGRES)
    if cluster.claim():
        with step("waiting for the database that an earlier run left"):
            await asyncio.to_thread(cluster.clear)
        await asyncio.to_thread(ports.must_be_free, suite.ports() | {"postgres": suite.port + ports.POSTGRES})
        with step("preparing PostgreSQL"):
            await asyncio.to_thread(cluster.prepare)
        supervisor.start(cluster.process)
        with step("starting PostgreSQL"):
            await supervisor.until_ready("postgres", patience=_RECOVERY)
    else:
        await asyncio.to_thread(ports.must_be_free, suite.ports())
        with step("waiting for the PostgreSQL that another process starts"):
            await asyncio.to_thread(postgres.wait_for_owner, cluster)
    with step("making the databases"):
        return await asyncio.to_thread(_databases, suite, cluster.url)


def _databases(suite: Suite, server: str) -> dict[Deployable, str]:
    databases.close_to_public(server)
    return {service: _database(suite, server, service.database) for service in SERVICES}


def _database(suite: Suite, server: str, name: str) -> str:
    return databases.create_database(server, name, password=suite.home.kept("postgres", name, password))


async def _demonstrate(suite: Suite, supervisor: Supervisor, offer: Offer) -> None:
    """Load the demonstration data where it is not, and start its issuer. A load that was killed is done again."""
    if not offer.is_settled(suite.port):
        tell("lodge: loading the demonstration data (LODGE_DEMO=0 leaves it out of a new home) …")
        await supervisor.once(suite.load_demonstration(), aloud=True)
        offer.settle(suite.home, suite.port)
    issuer.write_routes(suite.home.folder / "gateway.toml", suite.port)
    supervisor.start(suite.issuer())


def _welcome(suite: Suite, seconds: float, *, opens: bool) -> str:
    gate = suite.address(GATEWAY)
    lines = [
        "",
        f"Lodge is ready ({seconds:.1f} s).",
        "",
        f"  gateway              {gate}    documents: {gate}/docs",
        *(f"  {service.name:<20} {suite.address(service)}" for service in SERVICES),
        f"  log                  {suite.home.log}    (warnings and errors appear here too)",
        *(_key(suite.home.admin_key, gate) if opens else _no_key(suite.home.admin_key)),
        "",
        *(_log_ins(suite) if suite.demonstrates else ()),
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _key(file: Path, gate: str) -> list[str]:
    call = f'curl -H "Authorization: Bearer $(cat {shlex.quote(str(file))})"'
    return [
        f"  administrator's key  {file.read_text().strip()}",
        f"                       also in {file}",
        "",
        "Try:",
        f"  {call} '{gate}/access/v1/people?limit=3'",
        f"  {call} '{gate}/enquiry/v1/enquiries?limit=3'",
        f"  {call} '{gate}/release/v1/releases?limit=3'",
    ]


def _no_key(file: Path) -> list[str]:
    """Say so where the first administrator's key was revoked, or its file is gone: nobody can read it again."""
    return [
        f"  administrator's key  the file {file} has none that opens this Lodge;",
        "                       any administrator makes another with POST /access/v1/keys",
    ]


def _log_ins(suite: Suite) -> list[str]:
    """Say as whom one can log in to the demonstration, and how."""
    told = f"LODGE_PORT={suite.port} {shlex.quote(sys.executable)} -P -m lodge_local token"
    call = f'curl -H "Authorization: Bearer $({told} {LOG_INS[0].user_name})"'
    return [
        f"Log in at {issuer.address(suite.port)} (OpenID; no passwords; demonstration only) as one of:",
        *(f"  {one.user_name:<16} {one.name}, {one.what}" for one in LOG_INS),
        f"  {call} '{suite.address(GATEWAY)}/access/v1/me'",
        "",
    ]
