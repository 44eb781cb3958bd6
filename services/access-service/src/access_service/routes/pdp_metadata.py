"""GET /.well-known/authzen-configuration: where the decisions are (Authorization API 1.0, section 9).

Every address is made of LODGE_PUBLIC_URL and none of what a caller says: a poisoned Host would send decisions away.
"""

from fastapi import APIRouter
from pydantic import BaseModel

from access_service.settings import Settings
from lodge_kit.identity import AnyCaller
from lodge_kit.world import Here

router = APIRouter(tags=["decisions"])


class PdpMetadata(BaseModel):
    """The decision point and its endpoints."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str


@router.get("/.well-known/authzen-configuration")
async def get_pdp_metadata(here: Here, _by: AnyCaller) -> PdpMetadata:
    """Say where the decision point is, to anybody."""
    assert isinstance(here.settings, Settings)  # noqa: S101 - this service's own world
    base = here.settings.public_url.rstrip("/")
    return PdpMetadata(
        policy_decision_point=base,
        access_evaluation_endpoint=f"{base}/access/v1/evaluation",
        access_evaluations_endpoint=f"{base}/access/v1/evaluations",
        search_subject_endpoint=f"{base}/access/v1/search/subject",
        search_resource_endpoint=f"{base}/access/v1/search/resource",
        search_action_endpoint=f"{base}/access/v1/search/action",
    )
