"""The commands that every service has: `serve`, `work`, `migrate`, the same image for each.

A service is named, access, and its package has one shape whichever it is: `settings.Settings`, `app.create_app`,
`world.create_world`, `jobs.LOOPS`, `migrations`, `tables.Row`. Each command imports those alone that it needs: a
start of the suite is a dozen of them, and a worker has no use for routes.
"""

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from lodge_kit import logs, settings


def read(kind: type[settings.Settings]) -> Any:
    """Read the settings, or end with one sentence that names what is missing or wrong, and never a secret.

    The status is then EX_CONFIG, of sysexits(3): whoever runs us need not try again before something is changed.
    """
    folder = settings.secrets_dir()
    if folder is not None and not folder.is_dir():
        _refuse(f"LODGE_SECRETS_DIR names {folder}, which is no folder.")
    try:
        return kind(_secrets_dir=folder)
    except ValidationError as error:
        wrong = [
            f"{settings.variable(kind, str(one['loc'][0]))} ({one['msg'].removeprefix('Value error, ')})"
            for one in error.errors()
        ]
        _refuse(f"{'; '.join(wrong)}. Set each in the environment or as a file in LODGE_SECRETS_DIR.")


def _refuse(sentence: str) -> NoReturn:
    print(f"Settings: {sentence}", file=sys.stderr)  # noqa: T201 - a command
    raise SystemExit(os.EX_CONFIG)


def main(service: str, argv: Sequence[str] | None = None) -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog=f"python -m {service}_service")
    parser.add_argument("command", choices=("serve", "work", "migrate"))
    chosen = parser.parse_args(argv).command
    found = read(_part(service, "settings").Settings)
    if chosen == "migrate":
        _migrate(service, found)
        return
    logs.set_up(f"{service}-{chosen}", form=found.log_format)
    if chosen == "serve":
        from lodge_kit.serving import serve  # noqa: PLC0415 - a worker has no use for a web server

        serve(_part(service, "app").create_app(found), host=found.host, port=found.port)
    else:
        from lodge_kit.working import work  # noqa: PLC0415 - only a worker works

        asyncio.run(work(_part(service, "world").create_world(found), _part(service, "jobs").LOOPS))


def _part(service: str, name: str) -> Any:
    return importlib.import_module(f"{service}_service.{name}")


def _migrate(service: str, found: settings.ServiceSettings) -> None:
    from lodge_kit.migrating import migrate  # noqa: PLC0415 - who serves or works needs no Alembic

    metadata = _part(service, "tables").Row.metadata
    try:
        heads = migrate(found.database_url.get_secret_value(), _part(service, "migrations"), metadata)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        named = settings.variable(type(found), "database_url")
        sys.exit(f"The database that {named} names could not be brought up to date: {reason}")
    print(f"{service}-service: the database is at {', '.join(heads)}.")  # noqa: T201 - a command
