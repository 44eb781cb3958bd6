"""`make migration`: draft a revision of a service, or of the kit, against a database that all earlier ones made."""

import importlib
import tempfile
from pathlib import Path

from lodge_local import databases, ports, postgres
from lodge_local.failures import Failed
from lodge_local.home import Home, password
from lodge_local.suite import SERVICES

KIT = "kit"


def draft(branch: str, message: str) -> None:
    """Write a revision of `branch` (access, enquiry, release, kit) whose first line is `message`."""
    packages = {service.package.removesuffix("_service"): service.package for service in SERVICES}
    known = [*packages, KIT]
    if branch not in known or not message.strip():
        raise Failed(f'make migration s=NAME m="What it does": NAME is one of {", ".join(known)}.')
    # The kit's tables are in each service's database; any service's migrations lead there.
    package = packages.get(branch, next(iter(packages.values())))
    migrating = importlib.import_module("lodge_kit.migrating")  # heavy, and `run` does not need it
    own = importlib.import_module(f"{package}.migrations")
    metadata = importlib.import_module(f"{package}.tables").Row.metadata
    with tempfile.TemporaryDirectory(prefix="lodge-migration-") as folder:
        home = Home(Path(folder))
        with postgres.running(home, port=ports.free(), throwaway=True) as cluster:
            url = databases.create_database(cluster.url, "draft", password=password())
            migrating.migrate(url, own, metadata)
            migrating.draft(url, own, metadata, message, branch=branch)
        cluster.remove()
        home.close()
