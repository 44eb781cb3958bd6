"""python -m access_service serve | work | migrate | bootstrap."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import access_service.migrations
from access_service import bootstrap, peers
from access_service.app import create_app, create_world
from access_service.settings import Settings
from access_service.tables import Row
from lodge_kit.command import Deployable, main, read
from lodge_kit.world import World

DEPLOYABLE = Deployable(
    name="access",
    settings=Settings,
    create_app=create_app,
    world=create_world,
    migrations=access_service.migrations,
    metadata=Row.metadata,
    loops=(peers.learn_permissions,),
)


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
    missing = [name for name, file in files.items() if not file.exists()]
    try:
        async with world.database.transaction() as session:
            started = await bootstrap.start(session, missing, now=world.clock())
            # Written before the commit: a key whose file cannot be written must not exist.
            if started.administrator_key:
                _write(key_file, started.administrator_key)
            for name, key in started.service_keys.items():
                _write(files[name], key)
    except OSError as error:
        sys.exit(f"The key could not be written, so none was made: {error}")
    finally:
        await world.database.close()
    print("The first administrator was made." if started.administrator_key else "There is an administrator already.")


def _write(file: Path, key: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(key + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bootstrap"]:
        _bootstrap(sys.argv[2:])
    else:
        main(DEPLOYABLE)
