"""How this service describes itself to SCIM clients, and what it tolerates from those that are used most."""

from functools import cache
from typing import Any

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    Filter,
    Pagination,
    Patch,
    Reference,
    ResourceType,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
)

from access_service.scim.resources import EnterpriseUser, Group, LodgePerson, User

LARGEST_BODY = 10_000_000
"""Bytes: twenty thousand members with their addresses, or a thousand people."""
MOST_OPERATIONS = 1_000
LONGEST_PAGE = 200
PAGE = 100
CURSOR_LIFE = 3600
"""Seconds."""

_CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=True, max_operations=MOST_OPERATIONS, max_payload_size=LARGEST_BODY),
    filter=Filter(supported=True, max_results=LONGEST_PAGE),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=True),
    etag=ETag(supported=True),
    pagination=Pagination(
        cursor=True,
        index=True,
        default_pagination_method=Pagination.DefaultPaginationMethod.index,
        default_page_size=PAGE,
        max_page_size=LONGEST_PAGE,
        cursor_timeout=CURSOR_LIFE,
    ),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="OAuth Bearer Token",
            description="An API key of Lodge, or an access token of the institution's OpenID provider, as Bearer.",
            spec_uri=Reference("https://www.rfc-editor.org/info/rfc6750"),
            primary=True,
        )
    ],
)


POLICY = ScimPolicy(
    # Directories send what they have: an attribute that Lodge does not keep must not stop a person's coming.
    unknown=ScimPolicy.Unknown.ignore,
    # Microsoft Entra takes members out by the value, and writes emails[type eq "work"].value where there is none yet.
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


@cache
def provider() -> ScimProvider:
    """Answer the description: resource types, schemas, capabilities."""
    extended: Any = User
    types = [
        ResourceType.from_resource(extended[EnterpriseUser | LodgePerson]),
        ResourceType.from_resource(Group),
    ]
    return ScimProvider([User, EnterpriseUser, LodgePerson, Group], types, _CONFIG, POLICY)
