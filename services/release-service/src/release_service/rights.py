"""release-service's permissions, and the built-in roles of Lodge that contain them from the start."""

from lodge_kit.identity import Permission

READ = Permission(
    "release.read",
    "Read suppliers, products, releases and watched sources.",
    ("support-officer", "system-owner", "auditor", "service"),
)
MANAGE = Permission(
    "release.manage", "Create and change suppliers, products and releases.", ("support-officer", "system-owner")
)
SOURCES = Permission(
    "release.sources", "Have addresses watched, and decide about suspect sightings.", ("support-officer",)
)

ALL = (READ, MANAGE, SOURCES)
