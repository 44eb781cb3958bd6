"""What access-service is told."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from lodge_kit.settings import ServiceSettings, shared


class Settings(ServiceSettings):
    """Every knob of access-service: `LODGE_ACCESS_*`, and those that all parts share."""

    model_config = SettingsConfigDict(env_prefix="LODGE_ACCESS_")

    port: int = 8001
    gap_lead_days: int = Field(
        default=30, ge=1, le=365, description="How many days ahead a gap in responsibilities is told of."
    )
    emergency_days: int = Field(
        default=7, ge=1, le=90, description="How many days a role that is given in an emergency may be held at most."
    )
    enquiry_url: str = shared("enquiry_url", "http://127.0.0.1:8002", description="enquiry-service itself.")
    release_url: str = shared("release_url", "http://127.0.0.1:8003", description="release-service itself.")
