"""The deployables of Lodge as they run on one machine: their ports, environments, commands. Data, no doing."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lodge_local import issuer, ports, readiness
from lodge_local.failures import Failed
from lodge_local.home import Home
from lodge_local.offer import Offer
from lodge_local.supervisor import Process


@dataclass(frozen=True)
class Deployable:
    """A part of the suite that runs by itself."""

    name: str
    """access-service, gateway: the name of its log lines and of its folder of secrets."""
    package: str
    prefix: str
    """What its own settings begin with: LODGE_ACCESS."""
    offset: int
    """Its port, counted from LODGE_PORT."""

    @property
    def database(self) -> str:
        """The name of its database, and of the role that owns it."""
        return self.prefix.lower()

    @property
    def database_setting(self) -> str:
        """The setting that names its database."""
        return f"{self.prefix}_DATABASE_URL"


GATEWAY = Deployable("gateway", "gateway", "LODGE_GATEWAY", 0)
ACCESS = Deployable("access-service", "access_service", "LODGE_ACCESS", 1)
ENQUIRY = Deployable("enquiry-service", "enquiry_service", "LODGE_ENQUIRY", 2)
RELEASE = Deployable("release-service", "release_service", "LODGE_RELEASE", 3)
SERVICES = (ACCESS, ENQUIRY, RELEASE)
ADMIN_OFFSET = 4
"""The gateway's metrics."""


@dataclass(frozen=True)
class Suite:
    """The suite of one home at one port."""

    home: Home
    port: int
    environment: Mapping[str, str]
    """What the person who started it has set."""

    def given_urls(self) -> dict[Deployable, str] | None:
        """Answer the databases that the person names, or None where we are to run a PostgreSQL of our own."""
        given = {service: self.environment.get(service.database_setting, "") for service in SERVICES}
        missing = [service.database_setting for service, url in given.items() if not url]
        if len(missing) == len(SERVICES):
            return None
        if missing:
            raise Failed(f"{' and '.join(missing)} missing: set the database URLs of all three services, or of none.")
        return given

    def ports(self) -> dict[str, int]:
        """Answer who gets which port, the private PostgreSQL excepted."""
        taken = {each.name: self.port + each.offset for each in (GATEWAY, *SERVICES)}
        if self.demonstrates:
            taken["the demonstration's issuer"] = self.port + ports.ISSUER
        return taken | {"the gateway's metrics": self.port + ADMIN_OFFSET}

    @property
    def demonstrates(self) -> bool:
        """Say whether the demonstration is on: the home has its data, and LODGE_DEMO=0 does not leave it aside."""
        offer = Offer.read(self.home)
        return offer is not None and offer.is_taken and self.environment.get("LODGE_DEMO") != "0"

    def address(self, deployable: Deployable) -> str:
        """Answer the URL of a server."""
        return f"http://{ports.HOST}:{self.port + deployable.offset}"

    def migrate(self, service: Deployable) -> Process:
        """Bring a service's database up to date."""
        return self._process(service, "migrate")

    def bootstrap(self) -> Process:
        """Make the first administrator and the services' own accounts. Told at each start; what is there stays."""
        keys = [f"{name}={self.service_key(each)}" for name, each in (("enquiry", ENQUIRY), ("release", RELEASE))]
        words = [word for key in keys for word in ("--service-key", key)]
        return self._process(ACCESS, "bootstrap", "--key-file", str(self.home.admin_key), *words)

    def service_key(self, service: Deployable) -> Path:
        """Answer the file that holds the API key of a service's own account."""
        return self.home.secrets(service.name) / f"{service.prefix.lower()}_service_key"

    def services(self) -> list[Process]:
        """Answer what runs behind the gateway."""
        workers = [self._process(service, "work") for service in SERVICES]
        return [self._server(service) for service in SERVICES] + workers

    def gateway(self) -> Process:
        """Answer the door."""
        return self._server(GATEWAY)

    def load_demonstration(self) -> Process:
        """Fill the databases of a new home with an invented university."""
        return Process("demonstration", [*_python("lodge_local"), "load"], self.environment)

    def issuer(self) -> Process:
        """Answer the loopback OpenID issuer of the demonstration."""
        return issuer.process(self.port, dict(self.environment), self.home.folder / "issuer.log")

    def _server(self, deployable: Deployable) -> Process:
        return self._process(deployable, "serve", port=self.port + deployable.offset)

    def _process(self, deployable: Deployable, command: str, *words: str, port: int | None = None) -> Process:
        name = deployable.name if deployable is GATEWAY else f"{deployable.name} {command}"
        return Process(
            name, [*_python(deployable.package), command, *words], self._environment_of(deployable),
            is_ready=readiness.of_server(port) if port else None,
        )  # fmt: skip

    def _environment_of(self, deployable: Deployable) -> dict[str, str]:
        """Answer what a process is told: what the person set, less the other deployables' own settings and secrets."""
        foreign = tuple(f"{each.prefix}_" for each in (GATEWAY, *SERVICES) if each is not deployable)
        urls = {f"{each.prefix}_URL" for each in (GATEWAY, *SERVICES)}
        given = {
            name: value
            for name, value in self.environment.items()
            if (not name.startswith(foreign) or name in urls) and name != deployable.database_setting
        }
        return self._defaults() | given | self._settled(deployable)

    def _defaults(self) -> dict[str, str]:
        """Answer what a person may set otherwise."""
        own = ",".join(f"{ports.HOST}:{self.port + each}" for each in (ports.RECEIVER, ports.FEED, ports.ISSUER))
        defaults = {
            "LODGE_LOG_FORMAT": "text",
            "LODGE_PORTAL_URL": self.address(GATEWAY),
            "LODGE_PUBLIC_URL": self.address(GATEWAY),
            "LODGE_ENQUIRY_STORAGE": str(self.home.private("artifacts")),
            "LODGE_ENQUIRY_SOURCE_SECRETS": str(self.home.private("secrets", "sources")),
        }
        if self.demonstrates:  # its receiver, feed, issuer and records are on this machine
            defaults |= {
                "LODGE_OUTBOUND_ALLOW": own,
                "LODGE_ENQUIRY_SOURCE_HOSTS": f"{ports.HOST}:{self.port + ports.POSTGRES}",
            }
        if (routes := self.home.folder / "gateway.toml").exists():
            defaults["LODGE_GATEWAY_CONFIG"] = str(routes)
        return defaults

    def _settled(self, deployable: Deployable) -> dict[str, str]:
        """Answer what follows from the port and the home."""
        addresses = {f"{each.prefix}_URL": self.address(each) for each in (GATEWAY, *SERVICES)}
        return {
            **addresses,
            f"{deployable.prefix}_PORT": str(self.port + deployable.offset),
            "LODGE_GATEWAY_ADMIN_PORT": str(self.port + ADMIN_OFFSET),
            "LODGE_SECRETS_DIR": str(self.home.secrets(deployable.name)),
            "PYTHONUNBUFFERED": "1",
        }


def _python(package: str) -> list[str]:
    # -P: the current folder, which may be the repository with its `gateway/`, is no place to import from.
    return [sys.executable, "-P", "-m", "lodge_local.program", package]
