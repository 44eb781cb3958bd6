"""Whatever a client sends is done or refused in SCIM's schema, and never an error of ours."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATHS: list[Any] = [
    "", ".", "members", "members[", "members[value", 'members[value eq "x"]', 'members[value eq "x"].display',
    "members.value", "MEMBERS", "members[0]", "members[value pr]", 'members[not (value eq "x")]', "urn:x",
    'urn:ietf:params:scim:schemas:core:2.0:Group:members[value eq "x"]', "id", "schemas", "meta.version", "emails",
    'emails[type eq "work"]', 'emails[type eq "work"].value', "emails[primary eq true].value", "emails[value eq 1]",
    'emails[type eq "work"].value.x', "name", "name.nothing", "active", "userName", "userName[x eq 1]", "password",
    ENTERPRISE, f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.value", f"{ENTERPRISE}:department", "\0", "members\n",
    "a" * 10_000, "emails[" + "(" * 1_000 + 'type eq "x"' + ")" * 1_000 + "]", "groups", "title", None, 5, [], {},
]  # fmt: skip
VALUES: list[Any] = [
    None, "", "x", "\0", "False", "True", True, False, 0, -1, 1.5, 10**30, [], {}, [None], ["x"], [{}],
    [{"value": None}], [{"value": "x"}], [{"value": "per_01J00000000000000000000N0T"}], [{"value": {"a": 1}}],
    {"value": "x"}, {"members": [{"value": "x"}]}, {"members": None}, {"userName": None}, {"userName": "\0"},
    {"emails": [{"value": "a@b", "primary": True}, {"value": "c@d", "primary": True}]}, {"emails": "x"}, {"name": 5},
    {"schemas": []}, {"id": "per_x"}, {"meta": {}}, {"a\0": 1}, {"members.value": "x"}, {"active": "maybe"},
    {'emails[type eq "work"].value': "q@x.example"}, {'members[value eq "x"]': None}, [[[[[]]]]], "x" * 10_000,
]  # fmt: skip
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "Replace", "move", "", None, 5])},
    optional={"path": st.sampled_from(PATHS), "value": st.sampled_from(VALUES)},
)
STATUSES = {200, 204, 400, 403, 404, 409, 412}


@examples(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=3), kind=st.sampled_from(["Users", "Groups"]))
async def test_whatever_a_patch_asks_is_done_or_refused(
    directory: Any, operations: list[dict[str, Any]], kind: str
) -> None:
    user, group = await _somebody(directory)
    answer = await directory.patch(f"/{kind}/{group if kind == 'Groups' else user}", *operations)
    _demand_told(answer)


@examples(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(["userName", "emails", "name", "active", "schemas", "members", "displayName", ENTERPRISE]),
    value=st.sampled_from(VALUES),
    call=st.sampled_from(["PUT /Users", "PUT /Groups", "POST /Users", "POST /Groups", "POST /Bulk", "POST /.search"]),
)
async def test_whatever_a_body_holds_is_kept_or_refused(directory: Any, name: str, value: Any, call: str) -> None:
    user, group = await _somebody(directory)
    method, path = call.split()
    if method == "PUT":
        path += f"/{user if path == '/Users' else group}"
    answer = await directory.call(method, path, {"userName": "other", "displayName": "Other", name: value})
    _demand_told(answer)


async def _somebody(directory: Any) -> tuple[str, str]:
    """Answer the ids of a user and of a group, made where there are none."""
    users, groups = (await directory.get("/Users", count=1))["Resources"], (await directory.get("/Groups"))["Resources"]
    user = users[0] if users else await directory.user("ann")
    group = groups[0] if groups else await directory.group("Team", user["id"])
    return user["id"], group["id"]


def _demand_told(answer: Any) -> None:
    assert answer.status_code in STATUSES | {201}, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/scim+json"
        assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
