"""`python -m lodge_local run`: the whole suite on this machine. The Makefile's targets call this."""

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lodge_local import children, migration, ports, running
from lodge_local.failures import Failed
from lodge_local.home import Home
from lodge_local.suite import SERVICES, Suite


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; answer the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lodge_local")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start the whole suite and keep it running")
    commands.add_parser("demo", help="walk the journey through a suite that runs")
    commands.add_parser("load", help="load the demonstration data; `run` does it with a new home")
    drafting = commands.add_parser("migration", help="draft a migration")
    drafting.add_argument("branch", help="access, enquiry, release or kit")
    drafting.add_argument("message", help="what it does, in a few words")
    chosen = parser.parse_args(argv)
    try:
        if chosen.command == "migration":
            migration.draft(chosen.branch, chosen.message)
        elif chosen.command == "load":
            _load(_suite())
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
    demonstration = importlib.import_module("lodge_local.demonstration")  # heavy, and `run` does not need it
    urls = {
        service.package.removesuffix("_service"): (
            suite.home.secrets(service.name) / service.database_setting.lower()
        ).read_text().strip()
        for service in SERVICES
    }  # fmt: skip
    demonstration.load(urls, home=suite.home, port=suite.port)


if __name__ == "__main__":
    sys.exit(main())
