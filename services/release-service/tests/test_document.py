"""The OpenAPI document of release-service."""

import re

import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate

from release_service import events

pytestmark = pytest.mark.anyio


async def test_the_document_is_valid_and_names_every_operation_once(app: FastAPI) -> None:
    document = app.openapi()
    validate(document)
    operations = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(operations) == len(set(operations))
    assert all(re.fullmatch(r"release_[a-z]+(_[a-z]+)*", one) for one in operations)
    assert set(document["webhooks"]) == {fact.type for fact in events.ALL}
