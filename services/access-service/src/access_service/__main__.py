"""python -m access_service serve | work | migrate | bootstrap."""

import argparse
import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from access_service import bootstrap, callers
from access_service.settings import Settings
from access_service.world import create_world
from lodge_kit.command import main, read
from lodge_kit.world import World


def _bootstrap(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m access_service bootstrap")
    parser.add_argument("--key-file", type=Path, required=True, help="where the first administrator's key is put")
    parser.add_argument(
        "--service-key", action="append", default=[], metavar="NAME=FILE",
        help="where the key of a service's own account is put; a file that exists is left as it is",
    )  # fmt: skip
    chosen = parser.parse_args(argv)
    files = {name: Path(file) for name, _, file in (one.partition("=") for one in chosen.service_key)}
    asyncio.run(_start(create_world(read(Settings)), chosen.key_file, files))


async def _start(world: World, key_file: Path, files: dict[str, Path]) -> None:
    try:
        async with world.database.transaction() as session:
            await bootstrap.lodge(session, now=world.clock())  # from here on no other first start is under way
            missing = [name for name, file in files.items() if not await _opens(session, file, now=world.clock())]
            started = await bootstrap.start(session, missing, now=world.clock())
            # Written before the commit: a key whose file cannot be written must not exist.
            if started.administrator_key:
                _write(key_file, started.administrator_key)
            for name, key in started.service_keys.items():
                _write(files[name], key)
    except OSError as error:
        sys.exit(f"The key could not be written, so none was made: {error}")
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        sys.exit(f"access-service: nothing was made, the database says: {reason}")
    finally:
        await world.database.close()
    print("The first administrator was made." if started.administrator_key else "There is an administrator already.")


async def _opens(session: AsyncSession, file: Path, *, now: datetime) -> bool:
    """Say whether the file's key is one that works: a first start that broke off may have left another."""
    try:
        key = file.read_text().strip()  # noqa: ASYNC240 - a command, with nothing else to do
        await callers.by_key(session, callers.digest(key), now=now)
    except (FileNotFoundError, UnicodeDecodeError, callers.KeyUnknown, callers.CallerInactive):
        return False
    return True


def _write(file: Path, key: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(key + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bootstrap"]:
        _bootstrap(sys.argv[2:])
    else:
        main("access")
