"""The kinds of enquiries: which clock each has, and the institution's targets in working days by priority."""

from collections.abc import Mapping

from enquiry_service.clock import profiles
from enquiry_service.clock.profiles import Profile, ProfileName

_LAWS: Mapping[str, ProfileName] = {"foi": "foia", "sar": "sar"}
_TARGETS: Mapping[str, Mapping[str, int]] = {
    "data": {"low": 15, "normal": 10, "high": 5, "urgent": 2},
    "report": {"low": 30, "normal": 20, "high": 10, "urgent": 5},
    "fault": {"low": 10, "normal": 5, "high": 2, "urgent": 1},
    "access": {"low": 5, "normal": 3, "high": 2, "urgent": 1},
    "return": {"low": 20, "normal": 10, "high": 5, "urgent": 2},
}


def profile(kind: str, priority: str) -> Profile:
    """Answer which rules the clock of an enquiry keeps."""
    return profiles.OF_LAW[_LAWS[kind]] if kind in _LAWS else profiles.internal(_TARGETS[kind][priority])
