"""Systems, their permissions, and the roles made of them; a system's catalogue as one document, out and in."""

from access_service.catalogue.applying import apply
from access_service.catalogue.exchange import differences
from access_service.catalogue.exchange import read as read_catalogue
from access_service.catalogue.permissions import (
    activate_permission,
    add_permission,
    change_permission,
    get_permission,
    hold_permission,
    retire_permission,
)
from access_service.catalogue.roles import (
    InheritanceCircle,
    activate_role,
    add_role,
    change_role,
    get_role,
    hold_role,
    retire_role,
)
from access_service.catalogue.systems import LodgesOwn, add_system, change_system, get_system, hold_system

__all__ = [
    "InheritanceCircle",
    "LodgesOwn",
    "activate_permission",
    "activate_role",
    "add_permission",
    "add_role",
    "add_system",
    "apply",
    "change_permission",
    "change_role",
    "change_system",
    "differences",
    "get_permission",
    "get_role",
    "get_system",
    "hold_permission",
    "hold_role",
    "hold_system",
    "read_catalogue",
    "retire_permission",
    "retire_role",
]
