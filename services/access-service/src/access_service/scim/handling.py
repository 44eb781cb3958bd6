"""How a request is served where the library would read more of a group than it must."""

from http import HTTPStatus
from typing import Any

from scim2_models import PatchOp, Resource, ResourceType
from scim2_server.bulk import BulkPlan, BulkStep
from scim2_server.conditions import Conditions
from scim2_server.handler import AsyncScimHandler
from scim2_server.requests import ScimRequest

from access_service.scim import group_resources, member_changes
from access_service.scim.protocol import Protocol
from access_service.scim.storage import Storage
from lodge_kit.problems import Unavailable

LISTED = 1_000
"""From so many members on, the answer to a PATCH does not list them."""


class Handler(AsyncScimHandler):
    """Serves one request."""

    service: Protocol
    storage: Storage

    async def patch_resource(
        self, resource_type: ResourceType, resource_id: str, patch_op: "PatchOp[Any]", conditions: Conditions
    ) -> Resource[Any]:
        """Apply a PATCH; of a group's members only those are read and written whom it names."""
        if resource_type.name != "Group":
            return await super().patch_resource(resource_type, resource_id, patch_op, conditions)
        group = await self.storage.group_alone(resource_id)
        self.service.check_preconditions(group, "PATCH", conditions)
        changes, rest = member_changes.apart(patch_op)
        if rest is not None and rest.patch(group):
            await self.storage.change_group(group)
        await self.storage.change_members(resource_id, changes)
        if await group_resources.count(self.storage.session, resource_id) < LISTED:
            return await self.storage.get(resource_type, resource_id)
        return await self.storage.group_alone(resource_id)

    async def run_bulk_step(
        self, request: ScimRequest, plan: BulkPlan, step: BulkStep
    ) -> tuple[dict[str, Any], Resource[Any] | None]:
        """Do one operation of many; where the database goes away, none of them was done."""
        result, resource = await super().run_bulk_step(request, plan, step)
        if result["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
            raise Unavailable("The database went away, so that none of the operations was done. Send them again.")
        return result, resource
