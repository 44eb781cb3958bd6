"""What the OpenAPI document says of SCIM: made from the schemas and routes that SCIM itself goes by."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from scim2_models import Attribute, Mutability, ResourceType, Schema
from scim2_server.responses import SCIM_MEDIA_TYPE
from scim2_server.routing import ROUTES, Operation, Route

from access_service.scim.provider import MOST_OPERATIONS, provider

Json = dict[str, Any]

_TYPES: Mapping[Attribute.Type, Json] = {
    Attribute.Type.string: {"type": "string"},
    Attribute.Type.boolean: {"type": "boolean"},
    Attribute.Type.date_time: {"type": "string", "format": "date-time"},
    Attribute.Type.reference: {"type": "string", "format": "uri-reference"},
}
_SAID: Mapping[Operation, tuple[str, int]] = {
    Operation.create: ("Add a {}.", 201),
    Operation.query: ("Read a {}.", 200),
    Operation.replace: ("Replace a {}. What another source is to say stays as it is.", 200),
    Operation.patch: ("Change a {}. A group of 1,000 members or more answers 204.", 200),
    Operation.delete: ("Delete a {}. The names are free for another; what was is kept.", 204),
    Operation.search: ("Look for {}s.", 200),
    Operation.search_with_body: ("Look for {}s, asking in the body.", 200),
    Operation.bulk: (f"Do up to {MOST_OPERATIONS} operations.", 200),
    Operation.service_provider_config: ("Say what of SCIM is supported.", 200),
    Operation.resource_types: ("List the types of resources.", 200),
    Operation.resource_type: ("Read a type of resources.", 200),
    Operation.schemas: ("List the schemas.", 200),
    Operation.schema: ("Read a schema.", 200),
}
_ERRORS = {
    "400": "Not what SCIM asks for; scimType says in what.",
    "401": "No credential, or one that does not verify.",
    "403": "The right is missing; the detail names the permission.",
    "404": "Nothing there that you may see.",
    "409": "A name is taken, or the state does not allow it.",
    "412": "The resource has changed: the ETag of If-Match is not the present one.",
    "413": "The body or the number of operations is too large.",
    "501": "Not supported.",
    "503": "Something that this depends on is away; Retry-After says when to ask again.",
}
_ASKED = {
    "attributes": "The attributes wanted, besides those that are always there.",
    "excludedAttributes": "The attributes not wanted: members, of a large group.",
}
_SEARCHED = _ASKED | {
    "filter": 'A filter, userName eq "asmith" (RFC 7644, 3.4.2.2).',
    "sortBy": "The attribute to sort by; without one the newest come first.",
    "sortOrder": "ascending or descending.",
    "startIndex": "The first result wanted, counted from 1.",
    "count": "How many results are wanted.",
    "cursor": "Where the next page begins (RFC 9865); empty for the first page.",
}
_WHOLE_NUMBERS = ("startIndex", "count")


def describe(app: FastAPI) -> None:
    """Have the app's OpenAPI document tell of SCIM too."""
    plain = app.openapi

    def document() -> Json:
        if app.openapi_schema is None:
            written = plain()
            written["paths"] |= _paths()
            written["components"]["schemas"] |= _components()
        return app.openapi_schema or {}

    app.openapi = document  # type: ignore[method-assign]  # FastAPI documents this way of extending the document


def _paths() -> Json:
    paths: dict[str, Json] = {}
    for route in ROUTES:
        kinds: list[ResourceType | None] = list(provider().resource_types) if "{endpoint}" in route.pattern else [None]
        for kind in kinds:
            endpoint = str(kind.endpoint).strip("/") if kind else ""
            pattern = route.pattern.replace("{endpoint}", endpoint).replace("{resource_id}", "{id}")
            path = f"/scim/v2{pattern}".rstrip("/")
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, kind)
    return paths


def _operation(route: Route, kind: ResourceType | None) -> Json:
    sentence, status = _SAID[route.operation]
    noun = str(kind.name) if kind else "User, yourself," if "Me" in route.pattern else "resource"
    name = f"access_scim_{route.name}" + (f"_{str(kind.endpoint).strip('/').lower()}" if kind else "")
    shown = f"Scim{kind.name}" if kind else "ScimUser" if "Me" in route.pattern else None
    operation: Json = {
        "tags": ["directory"],
        "operationId": name,
        "summary": sentence.format(noun).partition(".")[0],
        "description": sentence.format(noun),
        "responses": {str(status): _answer(route.operation, shown)}
        | {code: _body("ScimError", words) for code, words in _ERRORS.items()},
    }
    if parameters := list(_parameters(route)):
        operation["parameters"] = parameters
    if sent := _sent(route.operation, shown):
        operation["requestBody"] = {"required": True, "content": _content(sent)}
    return operation


def _parameters(route: Route) -> Iterator[Json]:
    if "{resource_id}" in route.pattern:
        yield {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    asked = {
        Operation.search: _SEARCHED,
        **dict.fromkeys((Operation.query, Operation.replace, Operation.patch), _ASKED),
    }
    for name, words in asked.get(route.operation, {}).items():
        kind = "integer" if name in _WHOLE_NUMBERS else "string"
        yield {"name": name, "in": "query", "description": words, "schema": {"type": kind}}
    if route.operation in (Operation.replace, Operation.patch, Operation.delete):
        yield _header("If-Match", "The ETag of what is changed; without it the change is made whatever is there.")
    if route.operation is Operation.query:
        yield _header("If-None-Match", "The ETag of what you have: 304 where it is the present one.")


def _header(name: str, words: str) -> Json:
    return {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}


def _sent(operation: Operation, shown: str | None) -> str | None:
    return {
        Operation.create: shown,
        Operation.replace: shown,
        Operation.patch: "ScimPatchOp",
        Operation.search_with_body: "ScimSearchRequest",
        Operation.bulk: "ScimBulk",
    }.get(operation)


def _answer(operation: Operation, shown: str | None) -> Json:
    if operation is Operation.delete:
        return {"description": "Deleted."}
    if operation in (Operation.search, Operation.search_with_body):
        return _body("ScimListResponse", "A page of what was found.")
    if operation is Operation.bulk:
        return _body("ScimBulk", "What became of each operation.")
    return _body(shown or "ScimDescription", "As it is now.")


def _body(component: str, words: str) -> Json:
    return {"description": words, "content": _content(component)}


def _content(component: str) -> Json:
    return {SCIM_MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{component}"}}}


def _components() -> Json:
    by_urn = {schema.id: schema for schema in provider().schemas}
    made = {f"Scim{schema.name}": _of_schema(schema) for schema in by_urn.values()}
    for kind in provider().resource_types:
        whole = made[f"Scim{by_urn[str(kind.schema_)].name}"]
        whole["properties"] |= _COMMON | {
            str(one.schema_): {"$ref": f"#/components/schemas/Scim{by_urn[str(one.schema_)].name}"}
            for one in kind.schema_extensions or ()
        }
    return made | _MESSAGES


def _of_schema(schema: Schema) -> Json:
    attributes = schema.attributes or []
    made: Json = {
        "type": "object",
        "description": schema.description,
        "properties": {str(one.name): _of_attribute(one) for one in attributes},
    }
    required = [str(one.name) for one in attributes if one.required]
    return made | ({"required": required} if required else {})


def _of_attribute(attribute: Attribute) -> Json:
    if attribute.type == Attribute.Type.complex:
        parts = {str(one.name): _of_attribute(one) for one in attribute.sub_attributes or ()}
        one: Json = {"type": "object", "properties": parts}
    else:
        one = dict(_TYPES[attribute.type or Attribute.Type.string])
    if attribute.canonical_values:
        one["examples"] = list(attribute.canonical_values)
    made: Json = {"type": "array", "items": one} if attribute.multi_valued else one
    if attribute.mutability == Mutability.read_only:
        made["readOnly"] = True
    return made | {"description": attribute.description}


_SCHEMAS: Json = {"type": "array", "items": {"type": "string"}}
_COMMON: Json = {
    "schemas": _SCHEMAS,
    "id": {"type": "string", "readOnly": True},
    "meta": {
        "type": "object",
        "readOnly": True,
        "properties": {
            name: {"type": "string"} for name in ("resourceType", "created", "lastModified", "location", "version")
        },
    },
}
_ANYTHING: Json = {"type": "object", "additionalProperties": True}
_MESSAGES: Json = {
    "ScimError": {
        "type": "object",
        "description": "A failure (RFC 7644, section 3.12).",
        "properties": {
            "schemas": _SCHEMAS,
            "status": {"type": "string", "examples": ["400"]},
            "scimType": {"type": "string", "examples": ["invalidFilter", "uniqueness", "mutability"]},
            "detail": {"type": "string"},
        },
        "required": ["schemas", "status"],
    },
    "ScimListResponse": {
        "type": "object",
        "description": "A page (RFC 7644, section 3.4.2; RFC 9865).",
        "properties": {
            "schemas": _SCHEMAS,
            **{name: {"type": "integer"} for name in ("totalResults", "startIndex", "itemsPerPage")},
            **{name: {"type": "string"} for name in ("nextCursor", "previousCursor")},
            "Resources": {
                "type": "array",
                "items": {"anyOf": [{"$ref": f"#/components/schemas/Scim{kind}"} for kind in ("User", "Group")]},
            },
        },
        "required": ["schemas", "totalResults"],
    },
    "ScimSearchRequest": {
        "type": "object",
        "description": "A search (RFC 7644, section 3.4.3).",
        "properties": {
            "schemas": _SCHEMAS,
            **{name: {"type": "array", "items": {"type": "string"}, "description": _ASKED[name]} for name in _ASKED},
            **{
                name: {"type": "integer" if name in _WHOLE_NUMBERS else "string", "description": words}
                for name, words in _SEARCHED.items()
                if name not in _ASKED
            },
        },
    },
    "ScimPatchOp": {
        "type": "object",
        "description": "Changes, one after the other, all or none (RFC 7644, section 3.5.2).",
        "properties": {
            "schemas": _SCHEMAS,
            "Operations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "op": {"type": "string", "examples": ["add", "replace", "remove"]},
                        "path": {"type": "string", "examples": ["active", 'members[value eq "per_01J…"]']},
                        "value": {},
                    },
                    "required": ["op"],
                },
            },
        },
        "required": ["schemas", "Operations"],
    },
    "ScimBulk": {
        "type": "object",
        "description": "Operations, or what became of them (RFC 7644, section 3.7).",
        "properties": {
            "schemas": _SCHEMAS,
            "failOnErrors": {"type": "integer"},
            "Operations": {"type": "array", "items": _ANYTHING},
        },
        "required": ["schemas", "Operations"],
    },
    "ScimDescription": _ANYTHING | {"description": "What SCIM says of itself (RFC 7643, sections 5 to 7)."},
}
