"""What release-service is told."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from lodge_kit.settings import ServiceSettings


class Settings(ServiceSettings):
    """Every knob of release-service: `LODGE_RELEASE_*`, and those that all parts share."""

    model_config = SettingsConfigDict(env_prefix="LODGE_RELEASE_")

    port: int = 8003
    fetch_seconds: float = Field(10, gt=0, description="How long a watched source has to answer in full.")
    read_seconds: float = Field(8, gt=0, description="How long reading one feed may take.")
    host_gap_seconds: float = Field(1, ge=0, description="The distance between two checks of one host.")
