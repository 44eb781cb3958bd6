"""`python -m lodge_local run`: the whole suite on this machine. The Makefile's targets call this."""

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lodge_local import children, issuer, migration, ports, postgres, progress, running
from lodge_local.failures import Failed
from lodge_local.home import Home
from lodge_local.offer import Offer
from lodge_local.suite import SERVICES, Suite


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; answer the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lodge_local")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start the whole suite and keep it running")
    commands.add_parser("demo", help="walk the journey through a suite that runs")
    commands.add_parser("load", help="load the demonstration data; `run` does it with a new home")
    logging_in = commands.add_parser("token", help="log in to the demonstration and print an ID token")
    logging_in.add_argument("name", help="whom as; `run` says who there is")
    drafting = commands.add_parser("migration", help="draft a migration")
    drafting.add_argument("branch", help="access, enquiry, release or kit")
    drafting.add_argument("message", help="what it does, in a few words")
    chosen = parser.parse_args(argv)
    try:
        if chosen.command == "migration":
            migration.draft(chosen.branch, chosen.message)
        elif chosen.command == "load":
            _load(_suite())
        elif chosen.command == "token":
            print(asyncio.run(issuer.token(chosen.name, port=ports.first(os.environ))))
        elif chosen.command == "demo":
            journey = importlib.import_module("lodge_local.journey.walk")  # heavy, and `run` does not need it
            suite = _suite()
            asyncio.run(journey.walk(suite.home, port=suite.port))
        else:
            children.end_with_make()
            asyncio.run(running.run(_suite()))
    except Failed as failure:
        print(f"lodge: {failure}", file=sys.stderr, flush=True)
        return 1
    return 0


def _suite() -> Suite:
    os.umask(0o077)
    port = ports.first(os.environ)
    return Suite(Home(Path(os.environ.get("LODGE_HOME") or ".lodge")), port, dict(os.environ))


def _load(suite: Suite) -> None:
    offer = Offer.read(suite.home)
    if offer is None or not offer.is_taken:
        raise Failed(
            f"{suite.home.folder} is not to have the demonstration data: start with `make run` on an empty one."
        )
    urls = {
        service.package.removesuffix("_service"): (
            suite.home.secrets(service.name) / service.database_setting.lower()
        ).read_text().strip()
        for service in SERVICES
    }  # fmt: skip
    server = postgres.Cluster(suite.home, port=suite.port + ports.POSTGRES).url if suite.given_urls() is None else None
    loading = importlib.import_module("lodge_local.demonstration.loading")  # heavy, and `run` does not need it
    loading.load(urls, home=suite.home, server=server, day=offer.day, tell=progress.tell)


if __name__ == "__main__":
    sys.exit(main())
