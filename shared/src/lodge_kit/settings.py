"""Settings that every deployable has under the same name. Read once, in `create_app`; frozen after that.

Shared ones are `LODGE_<NAME>`; a deployable's own are `LODGE_<ACCESS|ENQUIRY|RELEASE|GATEWAY>_<NAME>`. Secrets
come from files of the same names, in lower case, in the folder `LODGE_SECRETS_DIR`, or from the environment.
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lodge_kit.sealing import Sealer

Network = IPv4Network | IPv6Network


def shared(name: str, default: Any = ..., *, description: str) -> Any:
    """Declare a setting that is `LODGE_<NAME>` whatever the deployable's own prefix is."""
    alias = AliasChoices(name, f"LODGE_{name.upper()}")
    return Field(default, validation_alias=alias, description=description)


class Settings(BaseSettings):
    """What every deployable is told."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(description="The port to listen on.")
    time_zone: ZoneInfo = shared(
        "time_zone", ZoneInfo("Europe/London"), description="Where days begin and end for this institution."
    )
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = shared(
        "outbound_allow",
        (),
        description="host:port pairs and CIDR ranges that outbound calls may reach although private.",
    )
    log_format: str = shared("log_format", "json", description="json, or text for a person at a terminal.")
    portal_url: str = shared("portal_url", "http://127.0.0.1:8000", description="What links in mail begin with.")

    @field_validator("outbound_allow", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("outbound_allow")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            if "/" in part:
                ip_network(part)
            elif ":" not in part:
                raise ValueError(f"{part}: name a host with its port, campus.example:443, or a range, 10.2.0.0/16")
        return value


class ServiceSettings(Settings):
    """What the three services are told besides."""

    database_url: SecretStr = Field(description="postgresql://… of this service's own database and role.")
    listen_url: SecretStr | None = Field(
        None, description="The same database without a pooler between: LISTEN needs a connection of its own."
    )
    gateway_url: str = shared(
        "gateway_url", "http://127.0.0.1:8000", description="Where the gateway publishes its keys and takes calls."
    )
    access_url: str = shared("access_url", "http://127.0.0.1:8001", description="access-service itself.")
    service_key: SecretStr | None = Field(
        None, description="The API key of this service's own account, for calls to the other services."
    )
    sealing_keys: SecretStr = shared(
        "sealing_keys",
        description="Fernet keys, newest first, comma-separated: they encrypt secrets that we must keep.",
    )
    audit_key: SecretStr = shared(
        "audit_key", description="The key of the audit chain's HMAC, kept outside the database."
    )
    smtp_url: SecretStr | None = shared(
        "smtp_url",
        None,
        description="smtp://user:password@host:587 (elsewhere it must offer STARTTLS), smtps://…; unset: no mail.",
    )
    mail_from: str = shared("mail_from", "lodge@localhost", description="The sender of notices.")

    @field_validator("database_url", "listen_url")
    @classmethod
    def _of_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            raise ValueError("it does not begin with postgresql://, as in postgresql://user:password@host/database")
        return value

    @field_validator("sealing_keys")
    @classmethod
    def _that_seal(cls, value: SecretStr) -> SecretStr:
        Sealer(value.get_secret_value())
        return value

    @field_validator("audit_key")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("it is empty")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _of_mail(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("smtp://", "smtps://")):
            raise ValueError("it does not begin with smtp:// or smtps://, as in smtp://user:password@host:587")
        return value


def variable(kind: type[Settings], name: str) -> str:
    """Answer the environment's name of a setting, given the field's name or the alias that an error shows."""
    for field, info in kind.model_fields.items():
        alias = info.validation_alias
        choices = [str(one) for one in alias.choices] if isinstance(alias, AliasChoices) else []
        if name in (field, *choices):
            return choices[-1] if choices else f"{kind.model_config.get('env_prefix', '')}{field}".upper()
    return name


def secrets_dir() -> Path | None:
    """Answer the folder that holds secrets as files, from `LODGE_SECRETS_DIR`."""
    named = os.environ.get("LODGE_SECRETS_DIR")
    return Path(named) if named else None
