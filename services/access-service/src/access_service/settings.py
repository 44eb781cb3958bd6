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
    longest_key_days: int | None = Field(
        default=None, ge=1, le=3_650, description="How long an API key may live at most; unset: for ever."
    )
    decision_records: float = Field(
        default=0.01, ge=0, le=1, description="Which share of the decisions is kept with its path: 1.0 is all of them."
    )
    decision_records_days: int = Field(
        default=90, ge=1, le=3_650, description="For how many days records of decisions are kept."
    )
    emergency_days: int = Field(
        default=7, ge=1, le=90, description="How many days a role that is given in an emergency may be held at most."
    )
    public_url: str = shared(
        "public_url", "http://127.0.0.1:8000", description="What the world calls the gateway: https://lodge.example."
    )
    enquiry_url: str = shared("enquiry_url", "http://127.0.0.1:8002", description="enquiry-service itself.")
    release_url: str = shared("release_url", "http://127.0.0.1:8003", description="release-service itself.")
