"""Bodies of PATCH (`application/merge-patch+json`, RFC 7396): what is left out stays as it is, null clears."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Change(BaseModel):
    """What may be changed of a thing; unknown fields are refused.

    Verbs get `model_dump(exclude_unset=True)`, so the document shows no defaults: there are none. A class that is
    derived from a change, the body of POST, shows its own.
    """

    @staticmethod
    def _without_defaults(schema: dict[str, Any], model: type[BaseModel]) -> None:
        if Change in model.__bases__:
            for field in schema.get("properties", {}).values():
                field.pop("default", None)

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)
