"""A catalogue's document as JSON. Pure."""

from dataclasses import dataclass

from pydantic import ValidationError

from access_service.catalogue.document import CatalogueDocument, Document, Faults, Told
from lodge_kit.problems import MalformedJson


@dataclass(frozen=True, slots=True)
class _Member:
    """Where an entry stands in JSON (RFC 6901)."""

    here: str

    def pointer(self, *path: str | int) -> str:
        """Answer the pointer of a field of the entry."""
        return "/".join([self.here, *(str(one).replace("~", "~0").replace("/", "~1") for one in path)])

    def said(self, *path: str | int) -> str:
        """Answer the same: there is no shorter way to say it."""
        return self.pointer(*path) or "The body"


def read(body: bytes) -> Document:
    """Read what was sent. Raises `MalformedJson`, with line and column, and `Invalid`."""
    try:
        found = CatalogueDocument.model_validate_json(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        if errors[0]["type"] == "json_invalid":
            raise MalformedJson(f"The body is not JSON: {errors[0]['ctx']['error']}.") from error
        faults = Faults()
        faults.note_all(_Member(""), errors)
        faults.demand_none()
        raise
    told = found.model_fields_set
    permissions = [Told(one, _Member(f"/permissions/{number}")) for number, one in enumerate(found.permissions)]
    roles = [Told(one, _Member(f"/roles/{number}")) for number, one in enumerate(found.roles)]
    return Document(permissions if "permissions" in told else None, roles if "roles" in told else None)
