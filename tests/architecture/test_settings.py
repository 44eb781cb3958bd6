"""Every setting is written down, with its default, for who runs Lodge."""

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

import access_service.settings
import enquiry_service.settings
import release_service.settings
from gateway.settings import GatewaySettings
from lodge_kit.settings import Settings, variable

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
PARTS: tuple[type[Settings], ...] = (
    access_service.settings.Settings,
    enquiry_service.settings.Settings,
    release_service.settings.Settings,
    GatewaySettings,
)


def listed() -> dict[str, str]:
    """Answer the settings that the document lists, with what it says of their defaults."""
    return dict(re.findall(r"^\| `(LODGE_\w+)` \| `?([^|`]*)`? \|", DOCUMENT.read_text(), re.MULTILINE))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__module__.partition("_")[0].partition(".")[0])
def test_every_setting_is_listed_with_its_default(part: type[Settings]) -> None:
    found = listed()
    for name, field in part.model_fields.items():
        default = field.default
        said = "needed" if default is PydanticUndefined else "unset" if default in (None, ()) else str(default)
        assert found.get(variable(part, name)) == said, variable(part, name)


def test_no_setting_is_listed_that_nobody_reads() -> None:
    read = {variable(part, name) for part in PARTS for name in part.model_fields}
    assert listed().keys() == read
