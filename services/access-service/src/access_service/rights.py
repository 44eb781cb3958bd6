"""Lodge's own permissions in access-service, and the built-in roles of Lodge that contain them from the start."""

from lodge_kit.identity import Permission

PEOPLE_READ = Permission(
    "access.people.read",
    "Read people, groups and org units.",
    ("support-officer", "system-owner", "auditor", "directory", "service"),
)
PEOPLE_WRITE = Permission("access.people.write", "Create and change people, groups and org units.", ("directory",))
PEOPLE_ERASE = Permission("access.people.erase", "Erase for good what is known of people who have left.")
CATALOGUE_READ = Permission(
    "access.catalogue.read", "Read systems, permissions and roles.", ("support-officer", "system-owner", "auditor")
)
CATALOGUE_WRITE = Permission("access.catalogue.write", "Create and change systems, permissions and roles.")
GRANTS_READ = Permission(
    "access.grants.read", "Read who was given which role, and when.", ("support-officer", "system-owner", "auditor")
)
GRANT = Permission("access.grant", "Give the roles that one answers for, and end them.", ("system-owner",))
GRANT_ANY = Permission("access.grant.any", "Give the roles of every system, and end them.")
SOURCES = Permission("access.sources", "Say which source each attribute of people comes from.")
KEYS = Permission("access.keys", "Make and revoke the API keys of service accounts and of other people.")
EVALUATE = Permission("access.evaluate", "Ask whether somebody may do something.", ("support-officer", "service"))
DUTIES_READ = Permission(
    "access.responsibilities.read", "Read who answers for what.", ("member", "support-officer", "auditor")
)
DUTIES_WRITE = Permission(
    "access.responsibilities.write", "Say who answers for what.", ("support-officer", "system-owner")
)

ALL = (
    PEOPLE_READ,
    PEOPLE_WRITE,
    PEOPLE_ERASE,
    CATALOGUE_READ,
    CATALOGUE_WRITE,
    GRANTS_READ,
    GRANT,
    GRANT_ANY,
    SOURCES,
    KEYS,
    EVALUATE,
    DUTIES_READ,
    DUTIES_WRITE,
)
