"""The rows that access-service owns, a file a noun; here they are by name."""

from access_service.tables.catalogue import Permission, Resource, Role, RoleInheritance, RolePermission, System
from access_service.tables.grants import DecisionRecord, Grant
from access_service.tables.past import PastGrant, PastLink, PastMeaning, PastStanding
from access_service.tables.people import (
    ApiKey,
    Appointment,
    AttributeSource,
    Group,
    GroupMember,
    OrgUnit,
    Person,
    PersonEmail,
    ServiceAccount,
)
from access_service.tables.responsibilities import Post, Responsibility, ResponsibilityGap, SupportFunction
from access_service.tables.row import Row

__all__ = [
    "ApiKey",
    "Appointment",
    "AttributeSource",
    "DecisionRecord",
    "Grant",
    "Group",
    "GroupMember",
    "OrgUnit",
    "PastGrant",
    "PastLink",
    "PastMeaning",
    "PastStanding",
    "Permission",
    "Person",
    "PersonEmail",
    "Post",
    "Resource",
    "Responsibility",
    "ResponsibilityGap",
    "Role",
    "RoleInheritance",
    "RolePermission",
    "Row",
    "ServiceAccount",
    "SupportFunction",
    "System",
]
