"""The three services' edges held against each other and against the conventions that they share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from openapi_spec_validator import validate
from pydantic import BaseModel, ValidationError

import access_service.app
import access_service.settings
import enquiry_service.app
import enquiry_service.settings
import release_service.app
import release_service.settings
from lodge_kit import identity
from lodge_kit.application import Service
from lodge_kit.testing.issuer import Issuer

COMMON: dict[str, Any] = {
    "database_url": "postgresql://nobody@127.0.0.1:1/none",
    "sealing_keys": Fernet.generate_key().decode(),
    "audit_key": "a test's own",
}
OPEN = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/internal/v1/permissions",
    "/internal/v1/callers/permissions",
}
"""What a service answers without a caller: ARCHITECTURE's list, and what checks the token by itself."""


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FastAPI]:
    keys = Issuer().keys
    folder: Path = tmp_path_factory.mktemp("storage")
    enquiry = enquiry_service.settings.Settings(**COMMON, storage=folder, source_secrets=folder)
    return {
        "access": access_service.app.create_app(access_service.settings.Settings(**COMMON), keys=keys),
        "enquiry": enquiry_service.app.create_app(enquiry, keys=keys),
        "release": release_service.app.create_app(release_service.settings.Settings(**COMMON), keys=keys),
    }


@pytest.fixture(scope="module")
def documents(apps: dict[str, FastAPI]) -> dict[str, dict[str, Any]]:
    return {name: app.openapi() for name, app in apps.items()}


CHECKED_ELSEWHERE = {"url", "sql", "database", "username"}
"""Texts that a rule of their own reads, which says more than that they are blank, and names that others give."""


def _bodies(app: FastAPI) -> Iterator[type[BaseModel]]:
    for path, dependant in _routes(app):
        for field in dependant.body_params if not path.startswith("/internal/") else ():
            for one in (field.field_info.annotation, *get_args(field.field_info.annotation)):
                if isinstance(one, type) and issubclass(one, BaseModel):
                    yield one


def _takes(model: type[BaseModel], field: str, text: str) -> bool:
    """Say whether a field takes a text, whatever the others hold."""
    try:
        model.model_validate({field: text})
    except ValidationError as wrong:
        return not any(one["loc"][:1] == (field,) for one in wrong.errors())
    return True


def _routes(app: FastAPI) -> Iterator[tuple[str, Dependant]]:
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield route.path, route.dependant
        elif (inner := getattr(route, "effective_candidates", None)) is not None:
            for one in inner():
                yield one.path, one.dependant


def _asks_for_caller(dependant: Dependant) -> bool:
    return dependant.call is identity.caller or any(_asks_for_caller(one) for one in dependant.dependencies)


@pytest.mark.parametrize("name", ["access", "enquiry", "release"])
def test_each_document_is_valid(name: str, documents: dict[str, dict[str, Any]]) -> None:
    validate(documents[name])
    assert documents[name]["openapi"].startswith("3.1")
    assert documents[name]["webhooks"]


def test_no_operation_id_is_given_twice(documents: dict[str, dict[str, Any]]) -> None:
    ids = [
        operation["operationId"]
        for document in documents.values()
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(ids) == len(set(ids)) > 80
    for name, document in documents.items():
        for operations in document["paths"].values():
            assert all(operation["operationId"].startswith(f"{name}_") for operation in operations.values())


def test_a_component_has_one_meaning_in_all_documents(documents: dict[str, dict[str, Any]]) -> None:
    meanings: dict[str, tuple[str, Any]] = {}
    for name, document in documents.items():
        for component, schema in document["components"]["schemas"].items():
            first, meaning = meanings.setdefault(component, (name, schema))
            assert schema == meaning, f"{component} means one thing in {first} and another in {name}"


def test_every_operation_says_what_it_does_and_how_it_fails(documents: dict[str, dict[str, Any]]) -> None:
    for document in documents.values():
        for path, operations in document["paths"].items():
            for operation in operations.values():
                assert operation.get("description"), path
                assert {"401", "403"} <= operation["responses"].keys(), path


def test_every_route_asks_for_a_caller(apps: dict[str, FastAPI]) -> None:
    for name, app in apps.items():
        routes = dict(_routes(app))
        assert len(routes) > 20, name
        unguarded = {path for path, dependant in routes.items() if not _asks_for_caller(dependant)}
        assert unguarded <= OPEN, name


def test_a_text_that_may_not_be_empty_must_say_something(apps: dict[str, FastAPI]) -> None:
    said = set()
    for app in apps.values():
        for model in _bodies(app):
            for field in model.model_fields.keys() - CHECKED_ELSEWHERE:
                if _takes(model, field, "a long enough name") and not _takes(model, field, ""):
                    said.add(f"{model.__name__}.{field}")
                    assert not _takes(model, field, "  \u200b  "), f"{model.__name__}.{field}"
                    assert not _takes(model, field, "    "), f"{model.__name__}.{field}"
    assert {
        "PersonIn.name",
        "PersonChange.user_name",
        "EnquiryIn.title",
        "SupplierIn.name",
        "ReleaseIn.version",
    } <= said


def test_permissions_are_named_after_their_service_and_once(apps: dict[str, FastAPI]) -> None:
    for name, app in apps.items():
        service: Service = app.state.service
        names = [permission.name for permission in service.permissions]
        assert len(names) == len(set(names))
        assert all(one.startswith(f"{name}.") for one in names)


def test_facts_are_in_the_past_tense_of_their_subject_and_once(apps: dict[str, FastAPI]) -> None:
    types = [fact.type for app in apps.values() for fact in app.state.service.facts]
    assert len(types) == len(set(types))
    for app in apps.values():
        for fact in app.state.service.facts:
            assert fact.type.startswith(f"{fact.subject}."), fact.type
