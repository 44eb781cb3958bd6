"""Every knob of the gateway: settings from the environment, and one TOML file for routes, issuers and limits.

Nothing reloads: a drained restart reads both anew.
"""

import re
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from lodge_kit.settings import Settings, secrets_dir, shared

Algorithm = Literal["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
GATEWAY = "gateway"
"""The name of the service that is the gateway itself."""

HTTP_AUTHORITY = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", re.IGNORECASE)

PUBLIC = (
    "/", "/docs", "/docs/*", "/openapi.json", "/healthz", "/readyz", "/.well-known/*",
    "/release/v1/hooks/*", "/release/v1/calendar.ics",
)  # fmt: skip
"""What answers without a credential, unless the TOML file says otherwise. A `*` ends a path: all below it."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RouteSettings(_Table):
    """`prefix` and all below it, `/access` and `/access/…`, is answered by `service`."""

    prefix: str = Field(pattern=r"^/[^/].*[^/]$|^/[^/]?$")
    service: str
    errors: Literal["problem", "scim"] = Field(
        "problem", description="The shape in which callers of this route are told what the gateway itself refuses."
    )


class IssuerSettings(_Table):
    """An OpenID issuer whose tokens are taken."""

    issuer: str = Field(description="The iss claim, to the letter.")
    audience: str = Field(description="What aud must be or contain: this Lodge, as the issuer names it.")
    person_claim: str = Field("sub", description="The claim that is a person's external id: sub, Entra's oid, …")
    external_id_prefix: str = Field(
        "", description="Put before the claim to make the external id. Needed where there are several issuers."
    )
    discovery_url: str | None = Field(None, description="Default: the issuer + /.well-known/openid-configuration.")
    client_claim: str | None = Field(None, description="The claim that names the client. Default: azp, client_id.")
    algorithms: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")


class Limits(_Table):
    """Sizes in bytes, times in seconds."""

    target: int = Field(8192, description="Bytes of a request's target: path and query.")
    connect: float = Field(2.0, description="Seconds to connect to a service.")
    read: float = Field(60.0, description="Seconds of silence from a service before it counts as hung.")
    callers: int = Field(10_000, description="Credentials remembered.")
    drain: int = Field(20, description="Seconds that requests under way have after SIGTERM.")


class Config(_Table):
    """The TOML file. What it leaves out has the defaults of API.md's table."""

    public: tuple[str, ...] = PUBLIC
    trusted_hops: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Proxies in front of us whose X-Forwarded-* are believed."
    )
    services: dict[str, str] = Field(default={}, description="Addresses by name, besides access, enquiry, release.")
    routes: tuple[RouteSettings, ...] = (
        RouteSettings(prefix="/access", service="access"),
        RouteSettings(prefix="/scim", service="access", errors="scim"),
        RouteSettings(prefix="/.well-known/authzen-configuration", service="access"),
        RouteSettings(prefix="/enquiry", service="enquiry"),
        RouteSettings(prefix="/release", service="release"),
    )
    issuers: tuple[IssuerSettings, ...] = ()
    limits: Limits = Limits()

    @field_validator("public")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not pattern.startswith("/") or "*" in pattern[:-1] or (pattern.endswith("*") and pattern[-2:] != "/*"):
                raise ValueError(f"{pattern}: write a path, /docs, or all below one, /docs/*")
        return value

    @model_validator(mode="after")
    def _issuers_apart(self) -> Self:
        # One issuer's "4711" must never be taken for another's: nobody chooses the other's subjects.
        prefixes = [one.external_id_prefix for one in self.issuers]
        if any(a.startswith(b) for i, a in enumerate(prefixes) for j, b in enumerate(prefixes) if i != j):
            raise ValueError("with several [[issuers]] each needs an external_id_prefix that begins no other's")
        return self

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """Read the file; without one all is default. Raises ValueError with a sentence that names the file."""
        if path is None:
            return cls()
        try:
            return cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except OSError as error:
            raise ValueError(f"LODGE_GATEWAY_CONFIG: {path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise ValueError(f"LODGE_GATEWAY_CONFIG: {path}: {error}") from error


class GatewaySettings(Settings):
    """What the gateway is told by its environment."""

    model_config = SettingsConfigDict(env_prefix="LODGE_GATEWAY_")

    port: int = Field(
        8000,
        validation_alias=AliasChoices("port", "LODGE_GATEWAY_PORT", "LODGE_PORT"),
        description="The port that callers use.",
    )
    admin_port: int | None = Field(None, description="Where metrics are, on loopback only. Default: the port + 4.")
    config: Path | None = Field(None, description="The TOML file.")
    signing_key: SecretStr = Field(
        description="Ed25519 private key: a JWK, a set of them with the newest first, or PEM."
    )
    access_url: str = shared("access_url", "http://127.0.0.1:8001", description="access-service itself.")
    enquiry_url: str = shared("enquiry_url", "http://127.0.0.1:8002", description="enquiry-service itself.")
    release_url: str = shared("release_url", "http://127.0.0.1:8003", description="release-service itself.")

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Self:
        self.read_config()
        return self

    def read_config(self) -> Config:
        """Read the TOML file, and check that each route's service has an address."""
        config = Config.read(self.config)
        known = self.services(config)
        for name, url in known.items():
            if not HTTP_AUTHORITY.fullmatch(url):
                raise ValueError(f"The address of {name}, {url}, is not http://host:port without a path.")
        for route in config.routes:
            if route.service not in known:
                raise ValueError(f"The route {route.prefix} names {route.service}, which has no address in [services].")
        return config

    def services(self, config: Config) -> dict[str, str]:
        """Answer the address of each service by its name, which is also the audience of its tokens."""
        own = {"access": self.access_url, "enquiry": self.enquiry_url, "release": self.release_url}
        return {name: url.rstrip("/") for name, url in (own | config.services).items()}

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment and the folder of secrets."""
        return cls(_secrets_dir=secrets_dir())
