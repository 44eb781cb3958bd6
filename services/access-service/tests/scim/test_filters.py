"""Filters over HTTP: every operator, what is not, what is there, what is complex; and nonsense."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LODGE = "urn:ietf:params:scim:schemas:extension:lodge:2.0:Person"


async def furnish(directory: Any) -> None:
    await directory.user(
        "alice", displayName="Alice Liddell", title="Boss", externalId="X1",
        name={"givenName": "Alice", "familyName": "Liddell"},
        emails=[
            {"value": "Alice@home.example", "type": "home"},
            {"value": "alice@work.example", "type": "work", "primary": True},
        ],
        **{ENTERPRISE: {"employeeNumber": "100"}},
    )  # fmt: skip
    await directory.user("Bob", active=False, emails=[{"value": "bob@work.example", "type": "work"}])
    await directory.user("carol", title="", name={"familyName": "smith"}, **{ENTERPRISE: {"employeeNumber": "2"}})
    await directory.user("dave_%", title="50% off", externalId="x1", displayName="Éva")


FOUND = [
    ('userName eq "ALICE"', ["alice"]),
    ('userName ne "alice"', ["Bob", "carol", "dave_%"]),
    ('userName co "A"', ["alice", "carol", "dave_%"]),
    ('userName co "_%"', ["dave_%"]),
    ('userName co "%"', ["dave_%"]),
    ('userName sw "DAVE_"', ["dave_%"]),
    ('userName ew "b"', ["Bob"]),
    ('userName gt "bob"', ["carol", "dave_%"]),
    ('userName ge "bob"', ["Bob", "carol", "dave_%"]),
    ('userName lt "bob"', ["alice"]),
    ('userName le "bob"', ["Bob", "alice"]),
    ('USERNAME EQ "alice"', ["alice"]),
    # what is not there
    ("title pr", ["alice", "dave_%"]),
    ("not (title pr)", ["Bob", "carol"]),
    ('title ne "Boss"', ["Bob", "carol", "dave_%"]),
    ('not (title eq "Boss")', ["Bob", "carol", "dave_%"]),
    ('not (title ne "Boss")', ["alice"]),
    ("title eq null", ["Bob"]),
    ("title ne null", ["alice", "carol", "dave_%"]),
    ("title gt null", []),
    ('title eq "nobody" or not (title eq "nobody")', ["Bob", "alice", "carol", "dave_%"]),
    # true and false
    ("active eq true", ["alice", "carol", "dave_%"]),
    ("active eq false", ["Bob"]),
    ("active ne true", ["Bob"]),
    ("active pr", ["Bob", "alice", "carol", "dave_%"]),
    ("not (active eq true)", ["Bob"]),
    # the case of letters, where it counts and where not
    ('externalId eq "X1"', ["alice"]),
    ('externalId co "x"', ["dave_%"]),
    ('externalId sw "X"', ["alice"]),
    ('externalId ew "1"', ["alice", "dave_%"]),
    ('displayName eq "éVA"', ["dave_%"]),
    ('displayName eq "e\\u0301va"', ["dave_%"]),
    # together
    ('title pr and active eq true and userName sw "a"', ["alice"]),
    ('userName eq "Bob" or userName eq "carol" and active eq false', ["Bob"]),
    ('(userName eq "Bob" or userName eq "carol") and active eq true', ["carol"]),
    # complex
    ("name pr", ["alice", "carol"]),
    ('name.familyName eq "SMITH"', ["carol"]),
    ("name.givenName pr", ["alice"]),
    ("emails pr", ["Bob", "alice"]),
    ('emails eq "bob@work.example"', ["Bob"]),
    ('emails co "HOME"', ["alice"]),
    ('emails.value ew "work.example"', ["Bob", "alice"]),
    ('emails.type eq "work"', ["Bob", "alice"]),
    ('emails.type ne "home"', ["Bob", "carol", "dave_%"]),
    ("emails.primary eq true", ["alice"]),
    ('emails[type eq "work" and value co "alice"]', ["alice"]),
    ('emails[type eq "home" and primary eq true]', []),
    ('emails[not (type eq "work")]', ["alice"]),
    ("emails[primary pr]", ["alice"]),
    ('not (emails[type eq "work"])', ["carol", "dave_%"]),
    # extensions, by their whole names
    (f'{ENTERPRISE}:employeeNumber eq "100"', ["alice"]),
    (f'{ENTERPRISE}:employeeNumber gt "10"', ["alice", "carol"]),
    (f"{ENTERPRISE}:manager pr", []),
    (f"{LODGE}:joiningDate pr", []),
    (f"not ({LODGE}:appointments pr)", ["Bob", "alice", "carol", "dave_%"]),
    ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "alice"', ["alice"]),
    # when
    ('meta.created gt "2000-01-01T00:00:00Z"', ["Bob", "alice", "carol", "dave_%"]),
    ('meta.lastModified lt "2000-01-01T00:00:00+02:00"', []),
    ('meta.resourceType eq "User"', ["Bob", "alice", "carol", "dave_%"]),
]


async def test_a_filter_finds_what_it_says(directory: Any) -> None:
    await furnish(directory)
    found = {condition: await directory.found(condition) for condition, _ in FOUND}
    assert found == dict(FOUND)


NONSENSE = [
    "", "userName", "userName eq", 'userName eq "a', "userName eq alice", 'userName is "a"', 'eq "a"',
    '(userName eq "a"', 'userName eq "a")', 'userName eq "a" and', 'not userName eq "a"', "a b c d",
    'nonsense eq "a"', 'name.nonsense eq "a"', "nonsense pr", 'urn:x:y:userName eq "a"', 'emails[nonsense eq "a"]',
    'userName[value eq "a"]', 'emails[type eq "work"', "active gt true", 'active co "t"', "active eq maybe",
    'active eq "maybe"', "userName eq 1", 'meta.created gt "yesterday"', 'name eq "a"', 'schemas eq "a"',
    'meta.location eq "a"', 'members eq "a"', 'userName eq "\\u0000"', 'userName eq "\\ud800"',
    " or ".join(['userName eq "a"'] * 300),
]  # fmt: skip


async def test_nonsense_is_refused_as_an_invalid_filter(directory: Any) -> None:
    for condition in NONSENSE:
        for answer in (
            await directory.client.get("/scim/v2/Users", params={"filter": condition}),
            await directory.call("POST", "/Users/.search", {"filter": condition}),
        ):
            assert answer.status_code == 400, (condition, answer.text)
            assert answer.headers["content-type"] == "application/scim+json"
            assert answer.json()["scimType"] == "invalidFilter", (condition, answer.text)


async def test_a_filter_is_nested_no_deeper_than_can_be_read(directory: Any) -> None:
    for depth in (100, 3_000, 50_000):
        condition = "not (" * depth + "title pr" + ")" * depth
        answer = await directory.call("POST", "/Users/.search", {"filter": condition})
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 400:
            assert answer.json()["scimType"] == "invalidFilter"


async def test_at_the_root_both_kinds_are_found_and_what_one_lacks_it_does_not_match(directory: Any) -> None:
    (ann,) = await directory.users("ann")
    await directory.group("Team", ann)
    for path in ("", "/"):
        assert (await directory.get(path))["totalResults"] == 2
    page = await directory.get("/", filter='displayName eq "ann" or members pr')
    assert {one["meta"]["resourceType"] for one in page["Resources"]} == {"User", "Group"}
    assert (await directory.get("/", filter="userName pr"))["totalResults"] == 1
    searched = await directory.call("POST", "/.search", {"filter": "not (userName pr)", "attributes": ["displayName"]})
    assert [set(one) for one in searched.json()["Resources"]] == [{"schemas", "id", "displayName"}]
