"""What enquiry-service is told."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from enquiry_service.clock.calendars import Nation
from lodge_kit.settings import ServiceSettings
from lodge_kit.world import World


class Settings(ServiceSettings):
    """Every knob of enquiry-service: `LODGE_ENQUIRY_*`, and those that all parts share."""

    model_config = SettingsConfigDict(env_prefix="LODGE_ENQUIRY_")

    port: int = 8002
    storage: Path = Field(description="The folder that the files of runs are put into.")
    source_secrets: Path = Field(description="The folder that holds the passwords of data sources, a file each.")
    source_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="host:port of every server that data sources may be on; no other is ever dialled."
    )
    source_files: Path | None = Field(
        default=None, description="The folder that holds the SQLite files which may be data sources; none where unset."
    )
    nation: Nation = Field(
        default="england", description="Whose bank holidays the institution keeps: for its own targets, and for months."
    )
    due_soon_days: int = Field(
        default=3, ge=1, le=60, description="How many days before its date an enquiry is told of."
    )
    artifact_days: int = Field(default=30, ge=1, description="How long the file of a run is kept.")

    @field_validator("source_hosts", mode="before")
    @classmethod
    def _hosts_listed(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def of(world: World) -> Settings:
    """Answer the settings of this service's own world."""
    assert isinstance(world.settings, Settings)  # noqa: S101 - `create_world` made it
    return world.settings
